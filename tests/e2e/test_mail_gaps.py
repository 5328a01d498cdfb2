"""Whatever a portal leaves out, a mail has no gap: facts of the samples are taken away by chance.

A chance that is the same in every run. The facts go through build/PRESET/compose_driver.
"""

import copy
import json
import random
import re

import pytest

from tests.e2e.test_compose import Driver
from tests.support import previews

MAILS_EACH = 60
KEPT = {"id", "title", "key"}
STATUSES = ["declined", "offered", "waiting", "requested", "cancelled", "transferred"]


@pytest.fixture(scope="module")
def driver():
    driver = Driver()
    yield driver
    driver.close()


def thin(chance, facts, share):
    """`facts` with that share of them unknown."""
    return {
        key: None if key not in KEPT and chance.random() < share else value
        for key, value in facts.items()
    }


def thin_course(chance, course, share):
    sessions = [thin(chance, session, share) for session in course["sessions"] or []]
    return {**thin(chance, course, share), "sessions": sessions if chance.random() > share / 4 else []}


def facts_by_chance(chance, kind):
    shared = json.loads((previews.TEMPLATES / "samples/shared.json").read_text(encoding="utf-8"))
    samples = json.loads((previews.TEMPLATES / f"samples/{kind}.json").read_text(encoding="utf-8"))
    share = chance.random() * 0.8
    message = copy.deepcopy(chance.choice(list(samples["samples"].values()))["message"])
    message |= {"kind": kind, "link_topic": chance.choice(["alerts", "bulletin", "optional"])}
    message["person"] = chance.choice([*shared["people"].values(), {"email": "x@example.org"}])
    if "roles" in message:
        roles = {name: chance.random() < 0.4 for name in ("delegate", "booker", "tutor")}
        message["roles"] = {**roles, "booked_for": chance.choice([[], ["Ann Lee"], ["", "Ann Lee"], [""]])}
    if "booking" in message and chance.random() < 0.5:
        message["booking"] = chance.choice([None, *({"status": each} for each in STATUSES)])
    if "ticks" in message and chance.random() < 0.3:
        message["ticks"] = []
    return {
        "tenant": thin(chance, shared["tenants"]["plain"], share),
        "courses": [thin_course(chance, course, share) for course in shared["courses"]],
        "categories": shared["categories"],
        "message": message,
        "opt_out_url": chance.choice(["", "https://mail.example.org/u/TOKEN"]),
        "language": chance.choice(previews.LANGUAGES),
    }


def many_sessions(place, count):
    return [
        {
            "key": number, "starts_local": f"2027-05-{number % 28 + 1:02}T{number // 28 + 9:02}:00",
            "ends_local": f"2027-05-{number % 28 + 1:02}T{number // 28 + 10:02}:00", "zone": "BST",
            "venue": f"{place}, Room {number}", "venue_address": "Market Street\nWestmarch",
        }
        for number in range(1, count + 1)
    ]  # fmt: skip


@pytest.mark.parametrize("kind, count, ceiling", [
    ("course_changed", 100, 100_000), ("course_changed", 200, 200_000),
    ("joining_instructions", 200, 100_000), ("course_cancelled", 200, 100_000),
])  # fmt: skip
@pytest.mark.parametrize("language", previews.LANGUAGES)
def test_as_many_sessions_as_a_course_may_have_are_told(driver, kind, count, ceiling, language):
    """Gmail hides what is behind the first 102 KB: the way out of the list, and half of the change."""
    mail = driver.mail({
        "tenant": {"name": "Westmarch CPD"}, "language": language,
        "courses": [{"id": 1, "title": "A year of evenings", "sessions": many_sessions("Guildhall", count)}],
        "message": {
            "kind": kind, "courses": [1], "person": {"first_name": "Ann", "email": "x@example.org"},
            "booking": {"status": "confirmed"}, "roles": {"delegate": True},
            "change": {"title": "A year of evenings", "sessions": many_sessions("Town Hall", count)},
        },
    })  # fmt: skip
    page = previews.html_of(mail)
    assert len(page.encode()) < ceiling
    places = ["Guildhall", "Town Hall"] if kind == "course_changed" else ["Guildhall"]
    for number in range(1, count + 1):
        for place in places:
            assert re.search(rf"{place}, Room {number}\b", page), (place, number)


@pytest.mark.parametrize("kind, status, words", [
    ("course_changed", "offered", "You have been offered a place."),
    ("course_changed", "waiting", "You are still waiting for a place."),
    ("course_cancelled", "offered", "You had been offered a place on it."),
    ("course_cancelled", "waiting", "You were waiting for a place on it."),
])  # fmt: skip
def test_an_offer_is_not_called_waiting(driver, kind, status, words):
    mail = driver.mail({
        "tenant": {"name": "Westmarch CPD"}, "language": "en-GB",
        "courses": [{"id": 1, "title": "Evenings", "sessions": many_sessions("Guildhall", 1)}],
        "message": {
            "kind": kind, "courses": [1], "person": {"first_name": "Ann", "email": "x@example.org"},
            "booking": {"status": status}, "roles": {"delegate": True},
            "change": {"title": "Evenings", "sessions": many_sessions("Town Hall", 1)},
        },
    })  # fmt: skip
    for body in (previews.text_of(mail), previews.html_of(mail)):
        assert words in body and ("waiting for" in body) == (status == "waiting")


TEXT_FAULTS = {
    "a doubled blank line": r"\n\n\n",
    "a blank line at an end": r"\A\n|\n\n\Z",
    "something announced that does not come": r":\n(\n|\Z)",
    "a blank at a line's end": r"[ \t]\n",
    "a mark without a word": r"(?m)^\s*[,.:;)]|\(\)| [,.;]",
    "a label without its fact": r"(?m)^(When|Where|Cost|Booking reference|Pryd|Ble)\n(?!  )",
    "a fact that is none": r"None|null|\{\{",
}
HTML_FAULTS = {
    "an element without content": r"<(ul|p|h\d|td|strong|span|a|li)\b[^>]*>\s*</\1>",
    "a break beside nothing": r"<br>\s*(</p>|<br>|</td>)|<p[^>]*>\s*<br>",
    "a label without its fact": r"</span>\s*</p>",
    "a colour without value": r"(solid|color:)\s*[;\"]",
    "a link to nowhere": r'href=""',
}


@pytest.mark.parametrize("kind", previews.sample_names())
def test_facts_that_are_missing_leave_no_gap(driver, kind):
    chance = random.Random(kind)
    for _ in range(MAILS_EACH):
        facts = facts_by_chance(chance, kind)
        mail = driver.mail(facts)
        text, page = previews.text_of(mail), previews.html_of(mail)
        faults = [name for name, fault in TEXT_FAULTS.items() if re.search(fault, text)]
        faults += [name for name, fault in HTML_FAULTS.items() if re.search(fault, page)]
        assert not faults, (faults, json.dumps(facts["message"]), text)
        assert not re.search(r"[,:(]$| ,|None|\(\)", str(mail["Subject"]))
