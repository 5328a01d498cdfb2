"""What a calendar makes of the entries that mails carry: right times, changes and cancellations
that leave nothing behind, and no text that becomes structure."""

import datetime
import zoneinfo

import pytest

from tests.support import mail_maker
from tests.support.calendar_client import CalendarClient, content_lines, text_of
from tests.support.mail_maker import STARTS, event

LONDON = zoneinfo.ZoneInfo("Europe/London")
DAY = 86400


@pytest.fixture(scope="module")
def maker():
    maker = mail_maker.MailMaker()
    yield maker
    maker.close()


def session(number, sequence, **parts):
    return event(
        uid=f"hb.1.2.{number}@example.org",
        sequence=sequence,
        stamp=STARTS - 30 * DAY + sequence,
        summary=f"Phonics, session {number}",
        **{"starts": STARTS + number * 7 * DAY, "ends": 0} | parts,
    )


def local(unix_s, zone=LONDON):
    return datetime.datetime.fromtimestamp(unix_s, zone)


def send(maker, client, events):
    objects = maker.ask({"events": events})["calendars"]
    for one in objects:
        client.apply(one)
    return objects


def test_a_changed_and_cancelled_course_leaves_no_entry_behind(maker):
    client = CalendarClient()
    booked = send(maker, client, [session(n, 0) for n in (1, 2, 3)])
    assert client.entries() == [
        (f"Phonics, session {n}", local(STARTS + n * 7 * DAY)) for n in (1, 2, 3)
    ]
    # One session moved, one dropped, one added.
    moved = STARTS + 15 * DAY
    changed = send(
        maker,
        client,
        [
            session(1, 1),
            session(2, 1, starts=moved),
            session(3, 1, method="CANCEL"),
            session(4, 1),
        ],
    )
    assert client.entries() == [
        ("Phonics, session 1", local(STARTS + 7 * DAY)),
        ("Phonics, session 2", local(moved)),
        ("Phonics, session 4", local(STARTS + 28 * DAY)),
    ]
    # The first mail, found late, changes nothing.
    for one in booked:
        client.apply(one)
    assert client.ignored == 3 and len(client.entries()) == 3
    send(maker, client, [session(n, 2, method="CANCEL") for n in (1, 2, 4)])
    assert client.entries() == []
    for one in booked + changed:
        client.apply(one)
    assert client.entries() == []


def test_the_same_object_twice_is_one_entry(maker):
    client = CalendarClient()
    send(maker, client, [session(1, 0), session(1, 0)])
    assert len(client.entries()) == 1


def test_a_course_that_takes_place_after_all_comes_back(maker):
    client = CalendarClient()
    send(maker, client, [session(1, 0), session(1, 1, method="CANCEL"), session(1, 2)])
    assert len(client.entries()) == 1


def test_an_object_has_what_rfc_5546_asks_for_and_asks_nobody_for_an_answer(maker):
    for method, status, transparency in [
        ("REQUEST", "CONFIRMED", "OPAQUE"),
        ("CANCEL", "CANCELLED", "TRANSPARENT"),
    ]:
        client = CalendarClient()
        calendar = client.apply(maker.calendar(method=method, sequence=3))
        assert calendar["METHOD"] == method and calendar["VERSION"] == "2.0"
        assert str(calendar["PRODID"]) == "-//Handbell//Handbell//EN"
        (one,) = calendar.walk("VEVENT")
        assert sorted(one.keys()) == [
            "ATTENDEE", "DESCRIPTION", "DTEND", "DTSTAMP", "DTSTART", "LOCATION", "ORGANIZER",
            "SEQUENCE", "STATUS", "SUMMARY", "TRANSP", "UID", "URL", "X-MICROSOFT-DISALLOW-COUNTER",
        ]  # fmt: skip
        assert one["SEQUENCE"] == 3
        assert one["DTSTAMP"].dt == datetime.datetime(2026, 11, 13, 9, 30, tzinfo=zoneinfo.ZoneInfo("UTC"))
        assert (one["STATUS"], one["TRANSP"]) == (status, transparency)
        assert one["LOCATION"] == "Town Hall, 1 High Street"
        assert one["URL"] == "https://cpd.example.org/c/2"
        assert one["ORGANIZER"] == "mailto:courses@example.org"
        assert one["ORGANIZER"].params["CN"] == "Training desk"
        assert one["ATTENDEE"] == "mailto:ann@example.net"
        assert dict(one["ATTENDEE"].params) == {
            "CN": "Ann Lee", "CUTYPE": "INDIVIDUAL", "PARTSTAT": "ACCEPTED",
            "ROLE": "REQ-PARTICIPANT", "RSVP": "FALSE",
        }  # fmt: skip


def test_an_unknown_end_is_left_out(maker):
    (one,) = CalendarClient().apply(maker.calendar(ends=0)).walk("VEVENT")
    assert "DTEND" not in one and "DURATION" not in one


# Both days on which England's clocks change, in a year that is near and one past the zone's file;
# each hour of them, the one that comes twice included.
CHANGES = [
    datetime.datetime(year, month, day, tzinfo=datetime.timezone.utc)
    for year, month, day in [(2026, 10, 24), (2027, 3, 27), (2027, 10, 30), (2041, 3, 30), (2041, 10, 26)]
]
ZONES = [
    "Europe/London", "Europe/Dublin", "Europe/Paris", "America/New_York", "America/St_Johns",
    "Australia/Lord_Howe", "Pacific/Chatham", "Asia/Kolkata", "Asia/Kathmandu", "America/Phoenix",
    "Africa/Casablanca", "Asia/Gaza", "America/Nuuk", "Etc/GMT+5", "UTC",
]  # fmt: skip


def moments_of(raw, name):
    """What a local time may mean by the object's own VTIMEZONE, as moments (two, where an hour
    comes twice): what the zone's name means elsewhere does not count."""
    calendar = CalendarClient().apply(raw)
    (one,) = calendar.walk("VEVENT")
    if "TZID" not in one[name].params:
        return {one[name].dt}
    (zone,) = calendar.walk("VTIMEZONE")
    assert str(zone["TZID"]) == one[name].params["TZID"]
    wall = one[name].dt.replace(tzinfo=None)
    rules = zone.to_tz()
    both = [rules.localize(wall, is_dst=is_summer) for is_summer in (False, True)]
    return {moment.astimezone(datetime.timezone.utc) for moment in both}


@pytest.mark.parametrize("zone", ZONES)
def test_local_times_are_right_on_both_sides_of_each_change_of_clocks(maker, zone):
    for first in CHANGES:
        for hour in range(0, 72, 2):
            starts = first + datetime.timedelta(hours=hour, minutes=30)
            ends = starts + datetime.timedelta(hours=1)
            raw = maker.calendar(
                zone=zone, starts=int(starts.timestamp()), ends=int(ends.timestamp())
            )
            (one,) = CalendarClient().apply(raw).walk("VEVENT")
            for name, moment in [("DTSTART", starts), ("DTEND", ends)]:
                there = moment.astimezone(zoneinfo.ZoneInfo(zone))
                if "TZID" in one[name].params:
                    assert one[name].params["TZID"] == zone
                    assert one[name].dt.replace(tzinfo=None) == there.replace(tzinfo=None, fold=0)
                if moment.year < 2038:  # icalendar works out no rule past this
                    assert moment in moments_of(raw, name)


def test_a_zone_is_said_in_the_two_rules_that_outlook_reads(maker):
    calendar = CalendarClient().apply(maker.calendar())
    (zone,) = calendar.walk("VTIMEZONE")
    assert str(zone["TZID"]) == "Europe/London"
    assert [part.name for part in zone.subcomponents] == ["STANDARD", "DAYLIGHT"]
    for part, month in zip(zone.subcomponents, (10, 3)):
        assert part["RRULE"].to_ical() == f"FREQ=YEARLY;BYDAY=-1SU;BYMONTH={month}".encode()
        assert "RDATE" not in part


@pytest.mark.parametrize("zone", ["America/Phoenix", "Africa/Casablanca"])
def test_a_zone_without_rules_is_said_by_its_offset(maker, zone):
    (found,) = CalendarClient().apply(maker.calendar(zone=zone)).walk("VTIMEZONE")
    assert [part.name for part in found.subcomponents] == ["STANDARD"]


HOSTILE = {
    "plain": "Phonics for Year 1",
    "semicolons and commas": "a;b,c:d\\;e\\,f\\n",
    "quotes": "say \"hi\" and 'ho'",
    "one quote": '"',
    "backslash": "ends with a backslash \\",
    "new line": "a\nEND:VEVENT\nEND:VCALENDAR\nBEGIN:VCALENDAR",
    "CR LF": "a\r\nEND:VEVENT\r\nX-EVIL:1\r\n ",
    "CR": "a\rEND:VEVENT\rX-EVIL:1",
    "folded": "a\r\n END:VEVENT",
    "line separators": "a\u2028END:VEVENT\u2029X-EVIL:1\u0085X",
    "end of event": "END:VEVENT",
    "parameters": 'x";RSVP=TRUE;X="y',
    "300 letters": "a" * 300,
    "300 accents": "é" * 300,
    "300 han": "李" * 300,
    "emoji": "👩‍🔬 🔔" * 30,
    "arabic": "مريم " * 40,
    "two-part accents": "a\u0301" * 150,
    "blanks": "ab cd " * 60,
    "colons": ":" * 200,
    "backslashes": "\\" * 200,
    "override": "\u202ecod.exe\u2066b\u200bc",
    "escape": "\u001b[31mred\u0007",
    "caret": "a^nb^'c^^d",
    "percent": "%0D%0AX-EVIL:1 %s%n",
    "tab": "a\tb",
}


# Every length: a library's own fold once went between the CR and the LF of a line's end.
@pytest.mark.parametrize("letter", ["a", "é", "李", "🔔", ";"])
def test_titles_of_every_length_are_folded_between_characters(maker, letter):
    objects = maker.ask({"events": [event(summary="x" + letter * n) for n in range(200)]})
    for n, raw in enumerate(objects["calendars"]):
        assert text_of(raw.encode(), "SUMMARY") == "x" + letter * n
        CalendarClient().apply(raw)


TURNING = "\u202e\u2066\u200b"


def one_line(text):
    """What is left of a text in a line."""
    text = "".join(c for c in text if c not in TURNING)
    return " ".join("".join(" " if is_control(c) else c for c in text).split())


def without_gaps(text):
    """Lines of a location are joined by commas."""
    return "".join(text.replace(",", " ").split())


def is_control(c):
    return c < " " or "\x7f" <= c < "\xa0" or c in "\u2028\u2029"


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_text_becomes_structure(maker, text):
    raw = maker.calendar(
        summary=text, location=text, description=text,
        organizer=[text, "courses@example.org"], attendee=[text, "ann@example.net"],
    )  # fmt: skip
    lines = content_lines(raw)
    names = [line.split(":")[0].split(";")[0] for line in lines]
    plain = content_lines(maker.calendar())
    assert names == [line.split(":")[0].split(";")[0] for line in plain]
    assert [line for line in lines if line.startswith(("BEGIN:", "END:"))] == [
        line for line in plain if line.startswith(("BEGIN:", "END:"))
    ]
    assert text_of(raw, "SUMMARY") == one_line(text)
    body = "".join(c for c in text if not is_dropped(c))
    for separator in "\x85\u2028\u2029":
        body = body.replace(separator, "\n")
    assert text_of(raw, "DESCRIPTION") == body
    assert without_gaps(text_of(raw, "LOCATION")) == without_gaps(one_line(text))
    (one,) = CalendarClient().apply(raw).walk("VEVENT")
    if "\\" not in text:
        assert one["SUMMARY"] == one_line(text) and one["DESCRIPTION"] == body
    assert dict(one["ATTENDEE"].params).keys() == {"CN", "CUTYPE", "PARTSTAT", "ROLE", "RSVP"}
    assert one["ATTENDEE"].params["RSVP"] == "FALSE"
    assert one["ATTENDEE"] == "mailto:ann@example.net"
    assert one["ORGANIZER"] == "mailto:courses@example.org"


def is_dropped(c):
    """A body keeps its lines, and drops other controls and what turns or hides."""
    return (is_control(c) and c not in "\n\t\x85\u2028\u2029") or c in TURNING


def test_names_read_as_they_were_typed_but_for_what_no_parameter_holds(maker):
    for name, expected in [
        ("O'Brien, Siân", "O'Brien, Siân"),
        ("李: مريم; 👩‍🔬", "李: مريم; 👩‍🔬"),
        ('say "hi"', "say 'hi'"),
        ("a^nb", "a'nb"),
        ("ends with a backslash \\", "ends with a backslash /"),
    ]:
        (one,) = CalendarClient().apply(
            maker.calendar(organizer=[name, "a@example.org"], attendee=[name, "b@example.org"])
        ).walk("VEVENT")  # fmt: skip
        assert one["ORGANIZER"].params["CN"] == expected
        assert one["ATTENDEE"].params["CN"] == expected


def test_addresses_are_uris(maker):
    (one,) = CalendarClient().apply(
        maker.calendar(attendee=["", "a%b&c=d/e?f#g+h@example.org"])
    ).walk("VEVENT")  # fmt: skip
    assert one["ATTENDEE"] == "mailto:a%25b%26c%3Dd%2Fe%3Ff%23g+h@example.org"
    assert "CN" not in one["ATTENDEE"].params


def test_long_texts_are_cut_at_a_character(maker):
    (one,) = CalendarClient().apply(
        maker.calendar(summary="é" * 2000, location="李\n" * 2000, description="é" * 9000)
    ).walk("VEVENT")  # fmt: skip
    assert one["SUMMARY"] == "é" * 498 + "…"
    assert one["LOCATION"].startswith("李, 李") and one["LOCATION"].endswith("…")
    assert len(one["LOCATION"].encode()) <= 1000
    assert one["DESCRIPTION"] == "é" * 1998 + "…"


@pytest.mark.parametrize(
    "parts, problem",
    [
        ({"uid": ""}, "uid: missing, too long or not visible ASCII"),
        ({"uid": "a\r\nb"}, "uid: missing, too long or not visible ASCII"),
        ({"uid": "é"}, "uid: missing, too long or not visible ASCII"),
        ({"uid": "a" * 256}, "uid: missing, too long or not visible ASCII"),
        ({"sequence": -1}, "sequence: not within 0 and 2147483647"),
        ({"sequence": 2**31}, "sequence: not within 0 and 2147483647"),
        ({"zone": ""}, "zone: missing"),
        ({"zone": "Europe/Atlantis"}, "zone: not in the system's zone data"),
        ({"zone": "../../../etc/passwd"}, "zone: not in the system's zone data"),
        ({"zone": "/etc/localtime"}, "zone: not in the system's zone data"),
        ({"zone": "Europe"}, "zone: not in the system's zone data"),
        ({"zone": "zone1970.tab"}, "zone: not in the system's zone data"),
        ({"zone": "Europe//London"}, "zone: not in the system's zone data"),
        ({"zone": "x" * 100}, "zone: not in the system's zone data"),
        ({"summary": ""}, "summary: missing"),
        ({"starts": -1}, "starts: outside the years 1970 to 9998"),
        ({"starts": 253402300799}, "starts: outside the years 1970 to 9998"),
        ({"ends": STARTS - 1}, "ends: before it starts"),
        ({"url": "javascript:x"}, "url: neither https nor http"),
        ({"url": "https://x\r\nX:1"}, "url: has a blank, a control or non-ASCII"),
        ({"url": "https://" + "x" * 2000}, "url: longer than 2000 bytes"),
        ({"organizer": ["x", "a b@c"]}, "organizer: malformed address"),
        ({"attendee": ["x", ""]}, "attendee: no address"),
        ({"attendee": ["x", "a@b\r\nX:1"]}, "attendee: malformed address"),
    ],
)
def test_what_no_entry_can_be_made_of_is_refused_by_name(maker, parts, problem):
    assert maker.ask({"events": [event(**parts)]}) == {"error": problem}
