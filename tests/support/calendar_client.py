"""A calendar as a person keeps it: takes the objects that mails bring, by RFC 5546's rules for an
attendee, and shows what is left. Reads them with Python's icalendar, which knows nothing of ours."""

import icalendar


class CalendarClient:
    """`ignored` counts the objects that were older than what is there."""

    def __init__(self):
        self.events = {}  # uid -> VEVENT, the cancelled ones too: they bar older requests
        self.ignored = 0

    def apply(self, raw):
        calendar = icalendar.Calendar.from_ical(raw)
        events = calendar.walk("VEVENT")
        assert len({str(event["UID"]) for event in events}) == 1, "one UID an object (RFC 5546, 3.2)"
        for event in events:
            self.take(str(calendar["METHOD"]), event)
        return calendar

    def take(self, method, event):
        uid = str(event["UID"])
        known = self.events.get(uid)
        # RFC 5546 section 2.1.5: SEQUENCE decides, then DTSTAMP.
        if known is not None and version(event) < version(known):
            self.ignored += 1
            return
        assert method == ("CANCEL" if event["STATUS"] == "CANCELLED" else "REQUEST")
        if method == "CANCEL" and known is not None:
            # Section 3.2.5: it may leave out what the event was; what it says must agree.
            assert event["ORGANIZER"] == known["ORGANIZER"]
            assert event["SEQUENCE"] >= known["SEQUENCE"]
        self.events[uid] = event

    def entries(self):
        """What the calendar shows: (summary, start), by start."""
        shown = [event for event in self.events.values() if event["STATUS"] != "CANCELLED"]
        return sorted(((str(e["SUMMARY"]), e["DTSTART"].dt) for e in shown), key=lambda e: e[1])


def version(event):
    return int(event["SEQUENCE"]), event["DTSTAMP"].dt


def content_lines(raw):
    """Unfolded, checked on the way (RFC 5545 section 3.1)."""
    assert raw.endswith(b"\r\n")
    assert b"\r" not in raw.replace(b"\r\n", b"") and b"\n" not in raw.replace(b"\r\n", b"")
    lines = raw.split(b"\r\n")[:-1]
    assert all(0 < len(line) <= 75 for line in lines)
    for line in lines:
        line.decode()  # a fold never cuts a character
    return raw.replace(b"\r\n ", b"").decode().split("\r\n")[:-1]


def unescape(value):
    """A TEXT value as RFC 5545 section 3.3.11 says; icalendar's own way loses backslashes."""
    plain, at = "", 0
    while at < len(value):
        if value[at] == "\\":
            at += 1
            assert value[at] in "\\;,nN", value
            plain += "\n" if value[at] in "nN" else value[at]
        else:
            assert value[at] not in ",;", value
            plain += value[at]
        at += 1
    return plain


def text_of(raw, name):
    """The text of an event's property."""
    (line,) = [line for line in content_lines(raw) if line.startswith(name + ":")]
    return unescape(line.removeprefix(name + ":"))
