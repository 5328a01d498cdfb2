"""A mail, read back by another program's eyes: Python's email package finds what went in.

The facts go through the real templates and MIME writer (build/PRESET/compose_driver).
"""

import email
import email.header
import email.policy
import email.utils
import html.parser
import json
import os
import pathlib
import re
import subprocess

import pytest

from tests.support import schema

ROOT = pathlib.Path(__file__).resolve().parents[2]
KINDS = [
    "booking_approved", "booking_cancelled", "booking_confirmed", "booking_declined",
    "booking_requested", "course_alert", "course_cancelled", "course_changed",
    "joining_instructions", "place_offered", "reminder",
]  # fmt: skip

# What people are called, courses are named, and the curious type.
HARD = [
    "O'Brien",
    "Siân",
    "Ó Súilleabháin",
    "李",
    "مريم",
    "👩‍🔬 🔔",
    "a" * 300,
    "ab cd " * 50 + "e",
    "é" * 300,
    "ends with a backslash \\",
    "=?x?=",
    "=?utf-8?B?DQpCY2M6IGE=?=",
    'says "hello", twice; (or <more>)',
    "Smith, Jo",
    "{{person.email}}",
    "{{{x}}} {{#y}}",
    "%s%n%d",
    "<script>alert(1)</script>",
    "a & b &amp; c",
    "a=3D =20",
    "_under_score_ and ?",
    "a.b@c",
    "'; drop table person; --",
]

# What pretends to be structure: what is left of it in a line.
NEUTRALISED = [
    ("a\r\nBcc: evil@example.com", "a Bcc: evil@example.com"),
    ("a\nb", "a b"),
    ("a\rb", "a b"),
    ("\n.\n", "."),
    ("a\u0000b", "a b"),
    ("a\u2028Bcc: x", "a Bcc: x"),
    ("a\u2029b\u0085c", "a b c"),
    ("\u202ecod.exe", "cod.exe"),
    ("a\u2066b\u2069c\u200bd\ufeffe", "abcde"),
    ("tab\tand  blanks  ", "tab and blanks"),
    ("\u001b[31mred", "[31mred"),
]


CATEGORIES = {
    str(number): {"kind": kind, "name": name}
    for number, kind, name in [
        (5, "subject", "Maths"), (6, "audience", "Senior leaders"),
        (7, "subject", "Art"), (8, "interest", "Wellbeing"),
    ]
}  # fmt: skip

SESSION = {
    "key": 1,
    "starts_local": "2026-11-23T09:30",
    "ends_local": "2026-11-23T15:30",
    "zone": "GMT",
    "venue": "Town Hall",
    "venue_address": "1 High Street\nYate",
    "online_url": "https://meet.example/all",
}


class Driver:
    def __init__(self):
        binary = schema.binary() or ROOT / "build/debug/handbell"
        folder = pathlib.Path(os.environ.get("HANDBELL_BUILD", binary.parent))
        program = folder.absolute() / "compose_driver"
        self.process = subprocess.Popen(
            [program, ROOT / "templates"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def ask(self, facts):
        self.process.stdin.write(json.dumps(facts).encode() + b"\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def raw(self, facts):
        answer = self.ask(facts)
        assert "mail" in answer, answer
        return answer["mail"].encode()

    def mail(self, facts):
        return email.message_from_bytes(self.raw(facts), policy=email.policy.default)

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(timeout=10) == 0


@pytest.fixture(scope="module")
def driver():
    driver = Driver()
    yield driver
    driver.close()


def facts(kind="course_alert", **changes):
    """Everything that a mail may show."""
    course = {
        "id": 12,
        "title": "Phonics for Year 1",
        "summary": "A day about phonics.",
        "booking_url": "https://cpd.example/c/12",
        "contact": "Training desk",
        "arrival_notes": "Park behind the hall.",
        "bring": "A pen",
        "access_contact": "Access desk",
        "cost": "£120",
        "cancellation_terms": "Full fee within 5 days.",
        "cancel_by_local": "2026-11-16T17:00",
        "joining_instructions": "Read chapter 1.",
        "cancel_reason": "The tutor is ill.",
        "resources": [{"name": "Slides", "url": "https://cpd.example/s"}],
        "sessions": [SESSION],
        "categories": [5, 6],
    }
    course.update(changes.pop("course", {}))
    message = {
        "kind": kind,
        "person": {"first_name": "Ann", "last_name": "Lee", "email": "ann@example.net"},
        "courses": [12],
        "ticks": [5, 6],
        "booking": {"ref": "B-77", "status": "confirmed"},
        "roles": {"delegate": True},
        "link_topic": "alerts" if kind == "course_alert" else "optional",
        "change": {
            "title": "Phonics",
            "sessions": [{**SESSION, "venue": "The Old Mill"}, {"key": 2, "venue": "The Annexe"}],
        },
    }
    message.update(changes.pop("message", {}))
    whole = {
        "tenant": {
            "name": "Integra CPD",
            "postal_address": "Council Offices\nYate",
            "privacy_url": "https://cpd.example/privacy",
            "dpo_contact": "dpo@cpd.example",
        },
        "courses": [course],
        "categories": CATEGORIES,
        "message": message,
        "opt_out_url": "https://mail.cpd.example/u/TOKEN",
        "mail": {"from_name": "Integra CPD", "to_name": "Ann Lee"},
    }
    whole.update(changes)
    return whole


def header_facts(text, body="x"):
    return {
        "message": {},
        "mail": {
            "subject": text,
            "from_name": text,
            "to_name": text,
            "reply_to_name": text,
            "reply_to": "desk@example.org",
            "text": body,
            "html": "",
        },
    }


def read_address(raw, name):
    """(display name, address). By the older parser: the newer one keeps the space between two
    encoded-words of a phrase, which RFC 2047 section 6.2 says to drop."""
    value = email.message_from_bytes(raw)[name].replace("\r\n", "")
    phrase, address = email.utils.parseaddr(value)
    return str(email.header.make_header(email.header.decode_header(phrase))), address


HEADERS = [
    "Date", "From", "To", "Reply-To", "Subject", "Message-ID", "MIME-Version", "Auto-Submitted",
    "X-Auto-Response-Suppress", "Content-Type", "Content-Transfer-Encoding",
]  # fmt: skip


@pytest.mark.parametrize(
    "text, expected",
    [(text, text.strip()) for text in HARD] + [row for row in NEUTRALISED if "\0" not in row[0]],
)
def test_subject_and_names_come_back_as_they_were_typed(driver, text, expected):
    raw = driver.raw(header_facts(text))
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    assert mail.keys() == HEADERS
    assert not mail.defects
    assert str(mail["Subject"]) == expected
    for name, address in [
        ("From", "courses@example.org"),
        ("To", "person@example.net"),
        ("Reply-To", "desk@example.org"),
    ]:
        assert not mail[name].defects
        assert [a.addr_spec for a in mail[name].addresses] == [address]
        assert read_address(raw, name) == (expected, address)


@pytest.mark.parametrize("text", HARD + [text for text, _ in NEUTRALISED])
def test_no_line_is_too_long_or_unfinished(driver, text):
    whole = facts(course={"title": text, "summary": text})
    whole["mail"] |= {"from_name": text, "to_name": text}
    raw = driver.raw(whole)
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert b"\r" not in raw.replace(b"\r\n", b"")
    assert max(map(len, raw.split(b"\r\n"))) <= 78
    assert all(32 <= byte < 127 or byte in b"\r\n\t" for byte in raw)
    for word in re.findall(rb"=\?utf-8\?[QB]\?\S*?\?=", raw):
        assert len(word) <= 75


@pytest.mark.parametrize("text", HARD + ["a\n.\nb", "a\n..\n", "ends in a blank \nb", "\tx", "=\n="])
def test_a_body_comes_back_as_it_was(driver, text):
    mail = driver.mail(header_facts("x", body=text))
    assert read_text(mail) == text + ("" if text.endswith("\n") else "\n")


def read_text(mail):
    return mail.get_body(("plain",)).get_content().replace("\r\n", "\n")


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags = []
        self.text = ""
        self.links = {}
        self.open_link = None

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "a":
            self.open_link = dict(attrs)["href"]
            self.links[self.open_link] = ""

    def handle_endtag(self, tag):
        if tag == "a":
            self.open_link = None

    def handle_data(self, data):
        self.text += data
        if self.open_link is not None:
            self.links[self.open_link] += data


def read_page(mail):
    page = Page()
    page.feed(mail.get_body(("html",)).get_content())
    return page


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", HARD + [text for text, _ in NEUTRALISED])
def test_a_title_is_itself_in_subject_text_and_html(driver, kind, text):
    line = dict(NEUTRALISED).get(text, text.strip())
    mail = driver.mail(facts(kind, course={"title": text}))
    page = read_page(mail)
    assert line in str(mail["Subject"])
    assert "script" not in page.tags
    plain = read_text(mail)
    squeezed = " ".join(line.split())
    if text not in dict(NEUTRALISED):
        assert text in plain
        assert squeezed in " ".join(page.text.split())
    assert "Bcc" not in mail.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_says_who_sends_it_and_how_to_stop(driver, kind):
    mail = driver.mail(facts(kind))
    plain = read_text(mail)
    page = read_page(mail)
    stop = "Stop course alerts" if kind == "course_alert" else "Stop all optional emails"
    goes_on = "You will still get emails about courses you have booked."
    assert page.links["https://mail.cpd.example/u/TOKEN"] == stop
    assert f"{stop}:\nhttps://mail.cpd.example/u/TOKEN\n{goes_on}\n" in plain
    assert goes_on in page.text
    for wanted in ["Sent by Integra CPD", "Council Offices", "dpo@cpd.example", "Hello Ann,"]:
        assert wanted in plain
        assert wanted in page.text
    assert "https://cpd.example/privacy" in page.links
    assert "You get this email because" in plain
    assert "img" not in page.tags
    assert page.tags[0] == "html"
    assert 'lang="en-GB"' in mail.get_body(("html",)).get_content()
    assert str(mail["Auto-Submitted"]) == "auto-generated"
    assert "Precedence" not in mail


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_without_any_fact_leaves_no_gap_and_no_empty_link(driver, kind):
    mail = driver.mail({"courses": [{"id": 1, "title": "T"}], "message": {"kind": kind, "courses": [1]}})
    plain = read_text(mail)
    page = read_page(mail)
    assert plain.startswith("Hello,\n") or "\nHello,\n" in plain
    assert page.links == {}
    assert ": \n" not in plain and not re.search(r":\n\n\n", plain)
    assert ", \n" not in plain and "None" not in plain and "{{" not in plain
    assert not str(mail["Subject"]).endswith((",", ":"))


def is_given(value, parts):
    """Whether a context holds the name; of plurals it holds the one that is true."""
    if isinstance(value, list):
        return any(is_given(item, parts) for item in value)
    if not parts or parts[0].endswith("_plural"):
        return not parts or parts[0] in value
    return isinstance(value, dict) and parts[0] in value and is_given(value[parts[0]], parts[1:])


def declared(kind):
    for path in [ROOT / "templates/partials/fields", ROOT / "templates" / kind / "fields"]:
        yield from (line for line in path.read_text().split("\n") if line and line[0] != "#")


@pytest.mark.parametrize("kind", KINDS)
def test_every_declared_field_is_in_the_context(driver, kind):
    context = driver.ask(facts(kind))["context"]
    names = list(declared(kind))
    assert len(names) > 20
    for name in names:
        assert is_given(context, name.split(".")), name


def test_joining_instructions_hold_all_that_one_needs(driver):
    mail = driver.mail(facts("joining_instructions"))
    plain = read_text(mail)
    page = read_page(mail)
    for wanted in [
        "Monday 23 November 2026, 9.30am to 3.30pm GMT", "Town Hall", "1 High Street", "Training desk",
        "Park behind the hall.", "A pen", "£120", "5pm on Monday 16 November 2026", "Access desk",
        "Full fee within 5 days.", "Read chapter 1.", "Slides", "B-77",
    ]:  # fmt: skip
        assert wanted in plain
        assert all(part in page.text for part in wanted.split(", "))
    assert "https://meet.example/all" in plain
    assert page.links["https://meet.example/all"] == "Join Phonics for Year 1 online"
    assert page.links["https://cpd.example/s"] == "Slides"


def test_a_delegates_own_online_link_takes_the_place_of_the_shared_one(driver):
    booking = {"ref": "B", "status": "confirmed", "online_url": "https://meet.example/own"}
    mail = driver.mail(facts("joining_instructions", message={"booking": booking}))
    whole = mail.get_body(("plain",)).get_content() + mail.get_body(("html",)).get_content()
    assert "https://meet.example/own" in whole
    assert "https://meet.example/all" not in whole


def test_an_alert_never_shows_an_online_link(driver):
    mail = driver.mail(facts("course_alert"))
    assert "meet.example" not in mail.as_string()
    assert "Year 1, Monday 23 November" in str(mail["Subject"])
    assert "ticked: Maths and Senior leaders." in read_text(mail)


def test_an_alert_of_several_courses_lists_each_with_its_reason(driver):
    courses = [
        {"id": id, "title": f"Course {id}", "categories": ticks}
        for id, ticks in [(1, [8]), (2, [7]), (3, [5, 6]), (4, [5])]
    ]
    message = {"courses": [1, 2, 3, 4], "ticks": [5, 6, 7, 8]}
    mail = driver.mail(facts(message=message, courses=courses))
    assert str(mail["Subject"]) == "4 new courses for you"
    plain = read_text(mail)
    assert re.findall(r"^Subject: .*|^Other .*|^\d\. .*|ticked .*\.", plain, re.M) == [
        "Subject: Art", "1. Course 2", "ticked Art.",
        "Subject: Maths", "2. Course 3", "ticked Maths and Senior leaders.", "3. Course 4", "ticked Maths.",
        "Other courses for you", "4. Course 1", "ticked Wellbeing.",
    ]  # fmt: skip
    page = read_page(mail)
    assert [tag for tag in page.tags if tag in ("h1", "h2", "h3")] == [
        "h1", "h2", "h3", "h2", "h3", "h3", "h2", "h3",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "count, said",
    [(2, "2 gwrs"), (3, "3 chwrs"), (4, "4 cwrs"), (5, "5 cwrs"), (6, "6 chwrs"), (11, "11 cwrs")],
)
def test_welsh_counts_courses_as_welsh_does(driver, count, said):
    courses = [{"id": id, "title": f"Cwrs {id}"} for id in range(1, count + 1)]
    message = {"courses": [course["id"] for course in courses]}
    mail = driver.mail(facts(message=message, courses=courses, language="cy"))
    assert str(mail["Subject"]) == f"{said} newydd i chi"
    assert 'lang="cy"' in mail.get_body(("html",)).get_content()


@pytest.mark.parametrize(
    "roles, status, said, unsaid",
    [
        ({"delegate": True}, "confirmed", ["You had a place on it."], ["You booked it", "teach it"]),
        ({"delegate": True}, "requested", ["You had asked for a place"], ["You had a place"]),
        ({"delegate": True}, "offered", ["You had been offered a place"], ["You had a place"]),
        (
            {"booker": True, "booked_for": ["Jo Smith", "Al Khan"]},
            None,
            ["You booked it for Jo Smith and Al Khan."],
            ["You had a place"],
        ),
        ({"tutor": True}, None, ["You were to teach it."], ["You had a place", "You booked it"]),
        ({"provider": True}, None, ["Your organisation was to provide it."], ["teach it."]),
    ],
)
def test_a_cancellation_speaks_to_each_role(driver, roles, status, said, unsaid):
    booking = {"status": status} if status else None
    mail = driver.mail(facts("course_cancelled", message={"roles": roles, "booking": booking}))
    assert str(mail["Subject"]) == "Cancelled: Phonics for Year 1, Monday 23 November"
    plain = read_text(mail)
    page = read_page(mail)
    assert plain.startswith("Cancelled: Phonics for Year 1, Monday 23 November\n")
    assert "The tutor is ill." in plain
    for sentence in said:
        assert sentence in plain and sentence in page.text
    for sentence in unsaid:
        assert sentence not in plain and sentence not in page.text


def test_a_link_that_would_run_is_left_out(driver):
    evil = "javascript:alert(1)"
    course = {"booking_url": evil, "resources": [{"name": "R", "url": evil}]}
    for kind in KINDS:
        mail = driver.mail(facts(kind, course=course))
        assert "javascript:" not in read_text(mail)
        assert "javascript:" not in mail.get_body(("html",)).get_content()


@pytest.mark.parametrize(
    "field, value, problem",
    [
        ("to", "a@b\r\nBcc: c@d", "to: malformed address"),
        ("to", "a@b> NOTIFY=NEVER", "to: malformed address"),
        ("from", "a b@example.org", "from: malformed address"),
        ("reply_to", "\u202ea@example.org", "reply_to: malformed address"),
        ("unsubscribe_url", "javascript:x", "unsubscribe_url: neither https nor http"),
        ("list_id", "a\r\nb", "list_id: has a blank, a control, a bracket or non-ASCII"),
    ],
)
def test_what_cannot_stand_in_a_header_is_refused_by_name(driver, field, value, problem):
    whole = header_facts("x")
    whole["mail"][field] = value
    assert driver.ask(whole) == {"error": problem}
