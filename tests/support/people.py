"""Made-up people, and a memory of all that were ever stated, so that logs can be searched for them.

Names are odd on purpose: none is a word that a log might contain for another reason.
"""

import itertools

FIRST_NAMES = """Aldwin Bryony Caspian Dervla Eluned Fenella Gethin Hestia Idris Jocasta Kestrel Lavinia
Merryn Nerys Osric Perpetua Quillan Rhoswen Sorrel Tamsin Ursula Verity Wystan Xanthe Ysolde Zebedee
Anselm Briony Corin Demelza Evander Ffion Grizelda Hyacinth Ivo Jessamy Kerensa Leofric Morwenna
Nimue""".split()
LAST_NAMES = """Thistlewood Ravensdale Pennywhistle Oxenholme Larkspurn Hollinshead Grimsdyke Featherby
Drinkwater Cobblestone Bramblewick Ashenhurst Winterbourne Vexleigh Underhaugh Tolliver Saltmarsh
Rookwood Quenby Plumtree Orpington Nightjar Mossgrove Lanyard Knapweed Juniperson Ironside Hazelrigg
Gorseley Foxglove Elderflow Dunnock Crabtreeson Bulrushton Aldermoor Zennor Yarrowby Wexcombe
Vinehall Umberleigh""".split()
SCHOOLS = [
    "Oakfield Primary School",
    "St Brannoc's Church of England School",
    "Millrace Academy",
    "Long Meadow Infant School",
    "Northgate Community College",
    "Beacon Hill Special School",
]
DOMAINS = ("oakfield.test", "millrace.test", "example.org", "beaconhill.test")

NUMBERS = itertools.count(1)
STATED_WORDS = set()


def make_person(number=None):
    """The facts of a person whom nobody is: name and address, different for each number."""
    number = next(NUMBERS) if number is None else number
    first = FIRST_NAMES[number % len(FIRST_NAMES)]
    last = LAST_NAMES[(number // len(FIRST_NAMES) + number) % len(LAST_NAMES)]
    domain = DOMAINS[number % len(DOMAINS)]
    return {
        "email": f"{first}.{last}.{number}@{domain}".lower(),
        "first_name": first,
        "last_name": last,
    }


def remember(facts):
    """Notes what must never be seen in a log."""
    for key in ("email", "first_name", "last_name", "display_name"):
        value = facts.get(key)
        if isinstance(value, str) and len(value) > 3 and value.isprintable():
            STATED_WORDS.add(value)
    # An address may also be logged without its domain.
    email = facts.get("email")
    if isinstance(email, str) and len(email.partition("@")[0]) > 5:
        STATED_WORDS.add(email.partition("@")[0])


def find_in_logs(paths):
    """Which logs hold a word of a person: [(path, line number)]. The word itself is not repeated."""
    wanted = {word.casefold().encode() for word in STATED_WORDS}
    lengths = sorted({len(word) for word in wanted})
    found = []
    for path in paths:
        if not path.exists():
            continue
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            if _has_any(line.lower(), wanted, lengths):
                found.append((path, number))
    return found


def _has_any(line, wanted, lengths):
    """Compares at word starts only: many thousands of words in one pass over the line."""
    separators = b" \t\"'=<>()[],;:/|"
    previous = separators[0]
    for start, character in enumerate(line):
        if previous in separators and any(line[start : start + size] in wanted for size in lengths):
            return True
        previous = character
    return False
