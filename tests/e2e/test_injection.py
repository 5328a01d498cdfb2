"""Hostile texts in every fact: refused, or carried as themselves; never a header, command or mail more."""

import functools

import psycopg
import pytest

from tests.support.portal import in_days

PAYLOADS = {
    "crlf": "one\r\nBcc: evil@example.org\r\n\r\ntwo",
    "cr": "one\rBcc: evil@example.org",
    "lf": "one\nBcc: evil@example.org",
    "dot": "one\n.\ntwo",
    "dot crlf": "one\r\n.\r\nMAIL FROM:<evil@example.org>\r\nRCPT TO:<evil@example.org>\r\n",
    "dot cr": "one\r.\rtwo\n.\r\nQUIT",
    "leading dots": ".one\n..two\n.",
    "nul": "one\0two",
    "mustache": "{{tenant.name}} {{{person.email}}} {{#courses}}x{{/courses}} {{> layout}}",
    "unclosed": "{{one",
    "percent": "%s %n %d %100000d ${HOME} $(id) `id`",
    "script": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "entities": "&lt;b&gt; & \" ' &#x3c;",
    "line separator": "one\u2028Bcc: evil@example.org\u2029two\u0085three",
    "right to left": "one\u202etwo\u202c",
    "encoded word": "=?utf-8?q?=0D=0ABcc=3A_evil=40example.org?=",
    "quotes": 'one", "two" <evil@example.org>, "',
    "sql": "'; drop table handbell.message; --",
    "vertical": "one\vtwo\fthree\x1bfour\x7f",
    "emoji": "Zoë 🎓 naïve",
}
# Marks that show a text in another order than it is stored in: taken out.
TURNING = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])
COURSE_TEXTS = [
    "title", "summary", "contact", "arrival_notes", "bring", "access_contact", "cost",
    "cancellation_terms", "joining_instructions", "venue", "venue_address", "series",
]  # fmt: skip
PERSON_TEXTS = ["title", "first_name", "last_name", "display_name"]
TENANT_TEXTS = ["name", "from_name", "postal_address", "dpo_contact"]
# All that a mail of these kinds may have in its head, in lower case.
HEADERS = {
    "from", "to", "reply-to", "subject", "date", "message-id", "mime-version", "content-type",
    "content-transfer-encoding", "list-unsubscribe", "list-unsubscribe-post", "list-id",
    "feedback-id", "auto-submitted", "x-auto-response-suppress",
    # These are the mail store's own.
    "x-peer", "x-mailfrom", "x-rcptto",
}  # fmt: skip


def squeeze(text):
    return " ".join(text.split())


def try_each(put, texts, payload):
    """States each text alone; returns those that were taken. What is refused says so properly."""
    taken = []
    for key in texts:
        try:
            put({key: f"A {payload} Z"})
        except (psycopg.errors.UntranslatableCharacter, psycopg.DataError):
            assert "\0" in payload  # JSON's \u0000: PostgreSQL itself refuses it
        except psycopg.Error as error:
            assert error.sqlstate == "HB001", error
            assert f'{key}":' in str(error)
            assert "evil" not in str(error)
        else:
            taken.append(key)
    return taken


@pytest.mark.parametrize("name", PAYLOADS)
def test_no_text_becomes_a_header_a_command_or_a_mail(service, address_of, name):
    payload, demo, store = PAYLOADS[name], service.demo, service.store
    soon = {"starts_at": in_days(3), "ends_at": in_days(3, 15)}
    demo.put_category("maths")
    demo.put_person("p1", interests=["maths"])
    demo.put_person("p2")
    demo.put_course("c1", status="draft", **soon)
    tenant = try_each(lambda facts: demo.call("put_tenant", facts), TENANT_TEXTS, payload)
    person = [
        key for ref in ("p1", "p2")
        for key in try_each(lambda facts, r=ref: demo.call("put_person", r, facts),
                            PERSON_TEXTS, payload)
    ]  # fmt: skip
    course = try_each(lambda facts: demo.change_course("c1", **facts), COURSE_TEXTS, payload)
    try_each(lambda facts: demo.call("put_category", "maths", facts), ["name"], payload)
    demo.change_course("c1", status="published", categories=["maths"])
    demo.put_booking("b2", "c1", "p2", status="confirmed")
    store.wait_for(3)
    reasons = try_each(lambda facts: demo.change_course("c1", **facts), ["cancel_reason"], payload)
    demo.change_course("c1", status="cancelled")
    store.wait_for(4)
    service.wait_for_quiet()

    mails = store.mails()
    assert sorted(mail.recipient for mail in mails) == sorted(
        [address_of("p1")] + [address_of("p2")] * 3
    )
    assert store.commands["MAIL"] == store.commands["RCPT"] == store.commands["DATA"] == 4
    assert store.refusals == []
    for mail in mails:
        check_shape(mail)
    check_carried(mails, payload, course, reasons)
    assert set(tenant) <= set(TENANT_TEXTS) and set(person) <= set(PERSON_TEXTS)


def test_no_text_of_a_list_or_a_school_becomes_anything_either(service):
    """Each payload in a course of its own: a session's venue, a resource, the provider's name."""
    demo, store = service.demo, service.store
    demo.put_person("p1", email="p1@example.org")
    wanted = {}
    for number, payload in enumerate(PAYLOADS.values()):
        course, school, start = f"c{number}", f"s{number}", {"starts_at": in_days(3)}
        demo.put_establishment(school, urgent_email=f"{school}@example.org")
        demo.put_course(course, sessions=[start], provider=school)
        put_course = functools.partial(demo.call, "put_course", course)
        taken = try_each(lambda f, put=put_course: put(
            {"resources": [{**f, "url": "https://a.test/"}]}), ["name"], payload)
        taken += try_each(lambda f, put=put_course: put(
            {"sessions": [{**start, **f}]}), ["venue"], payload)
        # Without a venue the address stands alone.
        taken += try_each(lambda f, put=put_course: put(
            {"sessions": [{**start, **f}]}), ["venue_address"], payload)
        try_each(lambda f, ref=school: demo.call("put_establishment", ref, f), ["name"], payload)
        demo.put_booking(f"b{number}", course, "p1", status="confirmed")
        wanted[course] = (payload, taken)
    mails_each = 2  # the confirmation and the joining instructions
    store.wait_for(mails_each * len(PAYLOADS), 60)
    for course in wanted:
        demo.change_course(course, status="cancelled")
    store.wait_for((mails_each + 2) * len(PAYLOADS), 60)
    service.wait_for_quiet()
    assert store.commands["MAIL"] == store.commands["DATA"] == (mails_each + 2) * len(PAYLOADS)
    assert store.refusals == []
    for mail in store.mails():
        check_shape(mail)
    for course, (payload, taken) in wanted.items():
        mine = " ".join(squeeze(m.text()) for m in store.mails(to="p1@example.org")
                        if f"Course {course} " in squeeze(m.text()) + " ")  # fmt: skip
        if taken:
            assert squeeze(f"A {payload.translate(TURNING)} Z") in mine, (course, taken)


SHAPES = [
    ["multipart/alternative", "text/plain", "text/html"],
    # A session's calendar entry, as an alternative and as a file.
    ["multipart/mixed", "multipart/alternative", "text/plain", "text/html", *2 * ["text/calendar"]],
]


def check_shape(mail):
    """One head of known headers, each once; exactly the parts that were meant."""
    names = [name.lower() for name in mail.message.keys()]
    assert len(names) == len(set(names)), names
    assert set(names) <= HEADERS, set(names) - HEADERS
    assert not mail.message.defects
    assert mail.message["Bcc"] is None
    assert len(mail.message["To"].addresses) == len(mail.message["From"].addresses) == 1
    assert [part.get_content_type() for part in mail.message.walk()] in SHAPES
    assert all(len(line) <= 998 for line in mail.content.split(b"\r\n"))
    bare = mail.content.replace(b"\r\n", b"")
    assert b"\r" not in bare and b"\n" not in bare and b"\0" not in bare
    html = mail.html().lower()
    assert "<script" not in html and "onerror=alert(1)>" not in html.replace("&gt;", "")
    assert "<img" not in html


def check_carried(mails, payload, course, reasons):
    """What was taken is in the mail, letter by letter but for blanks and what would turn them round."""
    wanted = squeeze(f"A {payload.translate(TURNING)} Z")
    assert not any(chr(mark) in mail.text() + mail.html() for mail in mails for mark in TURNING)
    if "title" in course:
        for mail in mails:
            assert wanted in squeeze(mail.text())
    if "joining_instructions" in course:
        assert any(wanted in squeeze(mail.text()) for mail in mails)
    if reasons:
        assert wanted in squeeze(mails[-1].text())
