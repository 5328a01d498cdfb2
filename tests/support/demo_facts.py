"""The demo's made-up tenant: schools, categories, forty people and twelve courses.

Facts alone, in the contract's own shape; tests/support/demo.py states them. Nobody here exists.
"""

import datetime
import zoneinfo

LONDON = zoneinfo.ZoneInfo("Europe/London")

TENANT = {
    "name": "Westmarch CPD",
    "from_name": "Westmarch CPD Online",
    "from_address": "courses@westmarch.example.org",
    "reply_to": "cpd-office@westmarch.example.org",
    "dpo_contact": "data-protection@westmarch.example.org",
    "privacy_url": "https://westmarch.example.org/privacy",
    "postal_address": "Learning Support, County Hall, Market Street, Westmarch WM1 1AA",
    "bounce_domain": "bounce.westmarch.example.org",
    "basis": "consent",
    "settle": "3 seconds",
    "rules": {"joining_instructions_days": 7},
}

SCHOOLS = {
    "oakfield": "Oakfield Primary School",
    "brannoc": "St Brannoc's Church of England School",
    "millrace": "Millrace Academy",
    "longmeadow": "Long Meadow Infant School",
    "northgate": "Northgate Community College",
    "beacon": "Beacon Hill Special School",
    "learnwell": "Learnwell Training (provider)",
}

CATEGORIES = {
    "maths": ("subject", "Mathematics"),
    "english": ("subject", "English and phonics"),
    "science": ("subject", "Science"),
    "computing": ("subject", "Computing"),
    "send": ("subject", "Special educational needs"),
    "safeguarding": ("subject", "Safeguarding"),
    "teachers": ("audience", "Teachers"),
    "assistants": ("audience", "Teaching assistants"),
    "leaders": ("audience", "Headteachers and leaders"),
    "office": ("audience", "Office staff"),
    "governors": ("audience", "Governors"),
    "ect": ("interest", "Early career teachers"),
    "wellbeing": ("interest", "Staff wellbeing"),
}

# Name, school, ticks.
PEOPLE = """
Aldwin Thistlewood|oakfield|maths teachers
Bryony Ravensdale|oakfield|maths english teachers ect
Caspian Pennywhistle|oakfield|english teachers
Dervla Oxenholme|oakfield|send assistants
Eluned Larkspurn|oakfield|safeguarding leaders wellbeing
Fenella Hollinshead|oakfield|office
Gethin Grimsdyke|oakfield|science teachers
Hestia Featherby|brannoc|maths science teachers
Idris Drinkwater|brannoc|english teachers ect
Jocasta Cobblestone|brannoc|send teachers
Kestrel Bramblewick|brannoc|safeguarding leaders
Lavinia Ashenhurst|brannoc|maths assistants
Merryn Winterbourne|brannoc|computing teachers
Nerys Vexleigh|brannoc|office safeguarding
Osric Underhaugh|millrace|maths teachers leaders
Perpetua Tolliver|millrace|science teachers
Quillan Saltmarsh|millrace|computing teachers ect
Rhoswen Rookwood|millrace|english assistants
Sorrel Quenby|millrace|send teachers assistants
Tamsin Plumtree|millrace|wellbeing
Ursula Orpington|millrace|governors safeguarding
Verity Nightjar|longmeadow|english maths teachers
Wystan Mossgrove|longmeadow|english teachers
Xanthe Lanyard|longmeadow|send assistants
Ysolde Knapweed|longmeadow|safeguarding leaders
Zebedee Juniperson|longmeadow|wellbeing teachers
Anselm Ironside|northgate|maths teachers
Corin Hazelrigg|northgate|maths computing teachers
Demelza Gorseley|northgate|science teachers ect
Evander Foxglove|northgate|computing office
Ffion Elderflow|northgate|english teachers
Grizelda Dunnock|northgate|leaders safeguarding
Hyacinth Crabtreeson|northgate|governors
Jessamy Bulrushton|beacon|send teachers
Kerensa Aldermoor|beacon|send assistants
Leofric Zennor|beacon|send leaders safeguarding
Morwenna Yarrowby|beacon|wellbeing assistants
Nimue Wexcombe|beacon|maths send teachers
Rowena Vinehall|learnwell|
Tristram Umberleigh|learnwell|
""".strip()

# People about whom something is out of the ordinary.
CHANGES = {
    "p03": {"frequency": "daily"},
    "p12": {"alerts": False},
    "p16": {"status": "deactivated"},
    "p27": {"consent": False},
    "p31": {"frequency": "weekly"},
}


def people():
    """{ref: facts}, p01 to p40."""
    facts = {}
    for number, line in enumerate(PEOPLE.splitlines(), 1):
        name, school, ticks = line.split("|")
        first, last = name.split()
        facts[f"p{number:02}"] = {
            "email": f"{first}.{last}@{school}.example.org".lower(),
            "first_name": first,
            "last_name": last,
            "establishments": [school],
            "consent": True,
            "alerts": bool(ticks),
            "interests": ticks.split(),
        }
    for ref, change in CHANGES.items():
        facts[ref].update(change)
    return facts


def day(days, start, end):
    """Start and end on a day some days ahead, at London's local time, as facts carry them."""
    date = datetime.datetime.now(LONDON).date() + datetime.timedelta(days=days)
    times = [datetime.datetime.combine(date, datetime.time.fromisoformat(t), LONDON)
             for t in (start, end)]  # fmt: skip
    return {"starts_at": times[0].isoformat(), "ends_at": times[1].isoformat()}


def course(title, summary, categories, tutors=("p39",), **more):
    return {
        "title": title,
        "summary": summary,
        "categories": categories.split(),
        "tutors": list(tutors),
        "status": "draft",
        "contact": "CPD office, 01632 960100",
        "cost": "£95 a delegate; free to subscribing schools",
        **more,
    }


VENUE = {
    "venue": "Westmarch Professional Centre, Room 2",
    "venue_address": "Abbey Lane, Westmarch WM2 4CD",
    "arrival_notes": "Parking is free behind the building. Please sign in at reception.",
    "bring": "A laptop, and one piece of work from your class",
}
ONLINE = {"online_url": "https://meet.westmarch.example.org/"}


def story_courses():
    """{ref: facts}: the three drafts that carry the demo's story."""
    soon = datetime.datetime.now(LONDON) + datetime.timedelta(days=7, seconds=12)
    return {
        "mastery": course(
            "Mastery in mathematics: fractions",
            "Models and images that make fractions make sense, for years 3 to 6.",
            "maths teachers", **VENUE, **day(26, "09:30", "15:30"),
        ),
        "phonics": course(
            "Phonics that sticks",
            "A day on decoding, blending and books that match.",
            "english teachers assistants", **VENUE,
            starts_at=soon.isoformat(), ends_at=(soon + datetime.timedelta(hours=3)).isoformat(),
            joining_instructions="Coffee from a quarter of an hour before. Lunch is not provided.",
        ),
        "autism": course(
            "Understanding autism in the classroom",
            "What helps, from those whom it helped.",
            "send teachers assistants", provider="learnwell", **VENUE, **day(5, "13:00", "16:00"),
        ),
    }  # fmt: skip


def other_courses():
    """{ref: facts}: nine drafts more."""
    return {
        "safer": course(
            "Safer recruitment", "The full accredited course.",
            "safeguarding leaders governors", **VENUE, **day(19, "09:15", "16:00"),
        ),
        "dsl": course(
            "Designated safeguarding leads: the yearly update", "What has changed this year.",
            "safeguarding leaders", **VENUE, **day(33, "09:30", "12:30"),
        ),
        "robots": course(
            "Computing with floor robots", "Unplugged and plugged in.",
            "computing teachers", **ONLINE, **day(21, "16:00", "17:30"),
        ),
        "practical": course(
            "Practical science on a small budget", "Twelve experiments with kitchen things.",
            "science teachers", **VENUE, **day(28, "13:00", "16:00"),
        ),
        "ect": course(
            "Early career teachers' network", "Bring a question; leave with three answers.",
            "ect", **ONLINE, **day(15, "16:00", "17:15"),
        ),
        "wellbeing": course(
            "A kinder staff room", "Small changes that last.",
            "wellbeing", **VENUE, **day(40, "16:00", "17:30"),
        ),
        "office": course(
            "School offices: the census without tears", "Step by step through the return.",
            "office", **ONLINE, **day(12, "10:00", "11:30"),
        ),
        "makaton": course(
            "Makaton taster", "First signs for the classroom; subscribing schools only.",
            "send", open_to=["beacon", "millrace"], **VENUE, **day(30, "15:45", "17:15"),
        ),
        "numbers": course(
            "Number sense for teaching assistants", "Ten frames, number lines, patience.",
            "maths assistants", **VENUE, **day(35, "09:30", "12:00"),
        ),
    }  # fmt: skip


def courses():
    """{ref: facts}: twelve drafts."""
    facts = story_courses() | other_courses()
    for ref, its in facts.items():
        its["booking_url"] = f"https://westmarch.example.org/courses/{ref}"
    return facts


# Confirmed delegates of each course, and who booked for whom.
BOOKINGS = {
    "phonics": ["p02", "p09", "p18", "p23"],
    "autism": ["p04", "p10", "p19", "p34", "p35"],
}
WAITING = {"autism": ["p24"]}
BOOKED_BY = {"p04": "p05"}
OPTS_OUT = "p19"
# Published last, after somebody who would have been told of it has opted out.
LATE_COURSE = "makaton"
CANCELLED_COURSE = "autism"
CHANGED_COURSE = "phonics"
REMINDED = ["p06", "p14"]


def reminded_course():
    """Facts of a course that starts a few seconds later than in a day."""
    soon = datetime.datetime.now(LONDON) + datetime.timedelta(days=1, seconds=8)
    facts = course("First aid for the whole staff", "The yearly refresher.", "", **VENUE,
                   starts_at=soon.isoformat(), rules={"joining_instructions_days": None})  # fmt: skip
    return {**facts, "status": "published"}
