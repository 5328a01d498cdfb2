"""Random populations, and who matches which course by the words of the contract (in quotes below).

Written from those words, not from the SQL: it is what the SQL is measured against. It looks at facts as
the portal states them, and knows no table.
"""

import dataclasses
import datetime
import random

from tests.support.people import make_person

UTC = datetime.timezone.utc
KINDS = {"subject": 12, "audience": 6, "interest": 9}
HOLDING = ("requested", "approved", "waiting", "offered", "confirmed", "attended", "absent")
NOT_HOLDING = ("declined", "cancelled", "transferred")


@dataclasses.dataclass
class Population:
    """What a portal states, by ref, and what people said themselves."""

    basis: str
    is_once_per_series: bool
    categories: dict  # ref -> kind
    establishments: list
    people: dict  # ref -> facts
    courses: dict  # ref -> facts, in the order in which they are published
    bookings: dict  # ref -> facts
    opted_out: dict  # person -> topic
    restricted: set


def make_population(seed, person_count=2000, course_count=30):
    chance = random.Random(seed)
    categories = {
        f"{kind}-{number}": kind for kind, count in KINDS.items() for number in range(count)
    }
    establishments = [f"e{number}" for number in range(12)]
    people = {
        f"p{number}": _make_person(chance, number, list(categories), establishments)
        for number in range(person_count)
    }
    names = list(people)
    courses = {
        f"c{number}": _make_course(chance, number, categories, establishments, names)
        for number in range(course_count)
    }
    bookings = {
        f"b{number}": {
            "course": chance.choice(list(courses)),
            "person": person,
            "status": chance.choice(HOLDING + NOT_HOLDING),
            "quiet": True,
        }
        for number, person in enumerate(chance.sample(names, person_count // 3))
    }
    return Population(
        basis=chance.choice(["consent", "consent", "public_task", "contract"]),
        is_once_per_series=chance.random() < 0.5,
        categories=categories,
        establishments=establishments,
        people=people,
        courses=courses,
        bookings=bookings,
        opted_out={
            person: chance.choice(["alerts", "alerts", "bulletin", "optional"])
            for person in chance.sample(names, person_count // 20)
        },
        restricted=set(chance.sample(names, person_count // 40)),
    )


def _make_person(chance, number, categories, establishments):
    return {
        **make_person(number),
        "status": "deactivated" if chance.random() < 0.05 else "active",
        "consent": chance.random() < 0.8,
        "alerts": chance.random() < 0.85,
        "frequency": chance.choice(["immediate", "immediate", "daily", "weekly"]),
        "interests": chance.sample(categories, chance.choice([0, 1, 2, 3, 5, 9])),
        "establishments": chance.sample(establishments, chance.choice([0, 1, 1, 2])),
    }


def _make_course(chance, number, categories, establishments, people):
    chosen = []
    for kind in KINDS:
        of_kind = [ref for ref, its in categories.items() if its == kind]
        chosen += chance.sample(of_kind, chance.choice([0, 0, 1, 2]))
    now = datetime.datetime.now(UTC)
    starts_at = now + datetime.timedelta(days=chance.choice([-2, 3, 20, 20, 60, 60, 60]))
    facts = {
        "title": f"Course number {number}",
        "status": chance.choice(["published"] * 8 + ["draft", "postponed", "cancelled", "finished"]),
        "categories": chosen,
        "starts_at": starts_at.isoformat(),
        "ends_at": (starts_at + datetime.timedelta(hours=6)).isoformat(),
        "private": chance.random() < 0.06,
        "full": chance.random() < 0.06,
        "tutors": chance.sample(people, chance.choice([0, 1, 2, 40])),
    }
    if chance.random() < 0.3:
        facts["open_to"] = chance.sample(establishments, 4)
    if chance.random() < 0.4:
        facts["series"] = f"series {chance.randrange(4)}"
    if chance.random() < 0.3:
        closes_in = chance.choice([-1, 2])
        facts["booking_closes_at"] = (now + datetime.timedelta(days=closes_in)).isoformat()
    if chance.random() < 0.1:
        del facts["starts_at"], facts["ends_at"]
    return facts


def is_alertable(course, now):
    """'The course is published, not private, full, closed or begun'"""
    closes_at, starts_at = course.get("booking_closes_at"), course.get("starts_at")
    return (
        course["status"] == "published"
        and not course["private"]
        and not course["full"]
        and (closes_at is None or datetime.datetime.fromisoformat(closes_at) > now)
        and (starts_at is None or datetime.datetime.fromisoformat(starts_at) > now)
    )


def is_reachable(population, ref):
    """'alerts are on; they are active, not restricted, not opted out; consent is live where the
    tenant's basis is consent'. Opting out of everything optional stops alerts too."""
    person = population.people[ref]
    return (
        person["alerts"]
        and person["status"] == "active"
        and ref not in population.restricted
        and population.opted_out.get(ref) not in ("alerts", "optional")
        and (population.basis != "consent" or person["consent"])
    )


def shares_ticks(population, ticks, course):
    """'at least one category is shared and: they share a subject (if the course has any) and an
    audience (if it has any), or they share an interest'"""
    wanted = {kind: set() for kind in KINDS}
    for ref in course["categories"]:
        wanted[population.categories[ref]].add(ref)
    shared = {kind: refs & set(ticks) for kind, refs in wanted.items()}
    if not any(shared.values()):
        return False
    has_subject = bool(shared["subject"]) or not wanted["subject"]
    has_audience = bool(shared["audience"]) or not wanted["audience"]
    return (has_subject and has_audience) or bool(shared["interest"])


def is_connected(population, ref, course_ref):
    """'not booked, not its tutor'"""
    return ref in population.courses[course_ref]["tutors"] or any(
        booking["course"] == course_ref and booking["person"] == ref and booking["status"] in HOLDING
        for booking in population.bookings.values()
    )


def is_open_to(person, course):
    """'allowed by open_to'"""
    return "open_to" not in course or bool(set(course["open_to"]) & set(person["establishments"]))


def find_pairs(population):
    """All (course, person) that are to be alerted, courses being published in their order."""
    now = datetime.datetime.now(UTC)
    pairs = set()
    told_of_series = set()
    reachable = [ref for ref in population.people if is_reachable(population, ref)]
    for course_ref, course in population.courses.items():
        if not is_alertable(course, now):
            continue
        series = course.get("series") if population.is_once_per_series else None
        for ref in reachable:
            person = population.people[ref]
            if (
                shares_ticks(population, person["interests"], course)
                and is_open_to(person, course)
                and (series, ref) not in told_of_series
                and not is_connected(population, ref, course_ref)
            ):
                pairs.add((course_ref, ref))
                if series is not None:
                    told_of_series.add((series, ref))
    return pairs
