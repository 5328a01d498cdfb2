"""Both changes of the clocks: a course on either side of one shows the right local time, with its
zone, in the text, the page and the calendar entry, whatever the time of year it is sent at."""

import datetime

import icalendar
import pytest

from tests.support import previews

UTC = datetime.timezone.utc


def next_year():
    return datetime.date.today().year + 1


def last_sunday(month):
    day = datetime.date(next_year(), month, 31)
    return day - datetime.timedelta(days=(day.weekday() + 1) % 7)


def at(day, hour, minute=0):
    """A moment, from a day and a time by Greenwich."""
    return datetime.datetime.combine(day, datetime.time(hour, minute), UTC)


DAY = datetime.timedelta(days=1)
SPRING, AUTUMN = last_sunday(3), last_sunday(10)
# Start and end by Greenwich; what a clock on a wall in England shows, in English and in Welsh.
SESSIONS = {
    "the day before spring": (
        at(SPRING - DAY, 9, 30), at(SPRING - DAY, 15), "9.30am to 3pm GMT", "9.30am i 3pm GMT"),
    "the day of spring": (at(SPRING, 8, 30), at(SPRING, 14), "9.30am to 3pm BST", "9.30am i 3pm BST"),
    "through spring": (
        at(SPRING, 0, 30), at(SPRING, 2), "12.30am GMT to 3am BST", "12.30am GMT i 3am BST"),
    "the day before autumn": (
        at(AUTUMN - DAY, 8, 30), at(AUTUMN - DAY, 14), "9.30am to 3pm BST", "9.30am i 3pm BST"),
    "the day of autumn": (
        at(AUTUMN, 9, 30), at(AUTUMN, 15), "9.30am to 3pm GMT", "9.30am i 3pm GMT"),
    "through autumn": (
        at(AUTUMN - DAY, 23, 30), at(AUTUMN, 2, 30),
        "12.30am BST to 2.30am GMT", "12.30am BST i 2.30am GMT"),
}  # fmt: skip


@pytest.fixture
def demo_course(demo):
    demo.put_person("p1")
    sessions = [
        {"starts_at": start.isoformat(), "ends_at": end.isoformat(), "venue": name}
        for name, (start, end, _, _) in SESSIONS.items()
    ]
    demo.put_course("c1", title="Clocks", sessions=sessions)
    demo.put_booking("b1", "c1", "p1", status="confirmed")
    return demo


def preview(handbell, language):
    done = previews.run_on(
        handbell, "--kind", "joining_instructions", "--course", "c1", "--person", "p1",
        "--language", language,
    )  # fmt: skip
    return previews.parse(done.stdout.encode())


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Auckland"])
@pytest.mark.parametrize("language", previews.LANGUAGES)
def test_the_words_show_the_wall_clock(handbell, demo_course, monkeypatch, language, zone):
    """Whatever zone the machine itself is in."""
    monkeypatch.setenv("TZ", zone)
    mail = preview(handbell, language)
    for start, _, english, welsh in SESSIONS.values():
        words = english if language == "en-GB" else welsh
        assert words in previews.text_of(mail), start
        assert words in previews.html_of(mail), start


def test_the_entries_are_at_the_same_moments(handbell, demo_course):
    """By the rules that the entry itself carries."""
    moments = {}
    for content in previews.calendars_of(preview(handbell, "en-GB")):
        calendar = icalendar.Calendar.from_ical(content)
        (event,) = calendar.walk("VEVENT")
        (zone,) = calendar.walk("VTIMEZONE")
        moments[str(event["LOCATION"])] = tuple(
            zone.to_tz().localize(event[key].dt.replace(tzinfo=None)).astimezone(UTC)
            for key in ("DTSTART", "DTEND")
        )
    assert moments == {name: (start, end) for name, (start, end, _, _) in SESSIONS.items()}
