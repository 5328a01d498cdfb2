"""What people type into names, titles, texts and file names, read back by three programs that know
nothing of each other: Python's email package, GMime and libetpan."""

import re

import pytest

from tests.support import mail_maker, mail_readers
from tests.support.mail_maker import attachment, event, logo

READERS = pytest.mark.parametrize("reader", mail_readers.READERS.values(), ids=mail_readers.READERS)

# What is typed, and what is left of it in a line; None: the same.
VALUES = {
    "plain": ("Ann Lee", None),
    "apostrophe": ("O'Brien", None),
    "accent": ("Siân", None),
    "accents": ("Ó Súilleabháin", None),
    "han": ("李", None),
    "arabic": ("مريم", None),
    "hebrew": ("שלום עולם", None),
    "emoji": ("👩‍🔬 🔔", None),
    "emoji run": ("🔔" * 70, None),
    "emoji before han": ("🔔" + "李" * 90, None),
    "accent before han": ("é" + "李" * 90 + "a", None),
    "300 letters": ("a" * 300, None),
    "300 accents": ("é" * 300, None),
    "300 in words": ("ab cd " * 50 + "e", None),
    "300 mixed": ("añb 李 " * 50 + "e", None),
    "one long word of quotes": ('"' * 120, None),
    "backslash": ("ends with a backslash \\", None),
    "backslashes": ("\\\\ \\\" \\", None),
    "quote": ('says "hello"', None),
    "one quote": ('"', None),
    "comma": ("Smith, Jo", None),
    "specials": ("a (b) <c> [d] @ e; f: g. h", None),
    "parenthesis": ("(", None),
    "group": ("undisclosed-recipients:;", None),
    "address": ("evil@example.com", None),
    "address in brackets": ("A <evil@example.com>", None),
    "looks encoded": ("=?x?=", None),
    "encoded header": ("=?utf-8?B?DQpCY2M6IGE=?=", None),
    "encoded word": ("=?utf-8?Q?Hi?= there", None),
    "half encoded word": ("=?utf-8?Q?", None),
    "question marks": ("a? b?= =? ?=", None),
    "underscores": ("_under_score_ =20", None),
    "percent": ("%s%n%d 100 %", None),
    "mustache": ("{{person.email}} {{{x}}}", None),
    "markup": ("<script>alert(1)</script> & &amp;", None),
    "sql": ("'; drop table person; --", None),
    "tilde": ("~ ` ^ | { }", None),
    "semicolon": ("a; charset=x", None),
    "two-part accent": ("Sia\u0302n", None),
    "override": ("\u202ecod.exe", "cod.exe"),
    "isolates": ("a\u2066b\u2069c\u200bd\ufeffe", "abcde"),
    "line feed": ("a\nBcc: evil@example.com", "a Bcc: evil@example.com"),
    "new line": ("a\r\nBcc: evil@example.com", "a Bcc: evil@example.com"),
    "folded line": ("a\r\n Bcc: evil@example.com", "a Bcc: evil@example.com"),
    "empty line": ("a\r\n\r\n<b>", "a <b>"),
    "carriage return": ("a\rb", "a b"),
    "line separator": ("a\u2028Bcc: x", "a Bcc: x"),
    "next line": ("a\u0085b", "a b"),
    "tab and blanks": (" tab\tand  blanks  ", "tab and blanks"),
    "escape": ("\u001b[31mred", "[31mred"),
    "boundary": ("--=_a", None),
}
LINES = pytest.mark.parametrize(
    "typed, expected", [(typed, typed if left is None else left) for typed, left in VALUES.values()],
    ids=VALUES,
)  # fmt: skip

BODIES = {
    "blanks at the ends of lines": "a \nb\t\n \nc",
    "dots": "a\n.\nb\n..\n.c\n",
    "dots at the end": "a\n.\n",
    "longer than a line": "x" * 5000,
    "accents longer than a line": "é" * 3000,
    "words longer than a line": "ab " * 2000,
    "just the line": "x" * 76 + "\n" + "y" * 75 + " \n" + "z" * 74 + "  \n",
    "equals": "a=3D =20\n=\n==",
    "boundaries": "--=_\n--=_a--\n\n--\n",
    "From at a line's front": "From me\nFrom you\n",
    "empty lines": "\n\n\na\n\n\n",
    "tabs": "\ta\t\tb\n",
    "emoji": "🔔" * 100 + "\n" + "👩‍🔬" * 40,
    "headers": "Bcc: evil@example.com\n\nSubject: x\n",
}

FILE_NAMES = {
    "plan.pdf": "plan.pdf",
    "Siân's plan.pdf": "Siân's plan.pdf",
    "李 مريم 👩‍🔬.pdf": "李 مريم 👩‍🔬.pdf",
    "a;b=c 100%.pdf": "a;b=c 100%.pdf",
    "=?utf-8?Q?x?=.pdf": "=utf-8Qx=.pdf",
    'say "hi".pdf': "say hi.pdf",
    "../../etc/passwd": "passwd",
    "C:\\Users\\ann\\plan.pdf": "plan.pdf",
    "a\r\nBcc: evil@example.com.pdf": "a Bcc evil@example.com.pdf",
    "plan\u202efdp.exe": "planfdp.exe",
    "...hidden": "hidden",
    "dots at the end. . .": "dots at the end",
    "..": "attachment",
    "": "attachment",
    "é" * 300 + ".pdf": "é" * 98 + ".pdf",
    "x" * 300 + ".tar.gz": "x" * 197 + ".gz",
    "no ending " + "y" * 300: "no ending " + "y" * 190,
}


@pytest.fixture(scope="module")
def maker():
    maker = mail_maker.MailMaker()
    yield maker
    maker.close()


@READERS
@LINES
def test_subject_and_names_read_as_they_were_typed(maker, reader, typed, expected):
    mail = reader(
        maker.mail(
            subject=typed,
            **{"from": [typed, "a@example.org"]},
            to=[typed, "b@example.net"],
            reply_to=[typed, "c@example.org"],
        )
    )
    assert mail.subject == expected
    assert mail.sender == [(expected, "a@example.org")]
    assert mail.to == [(expected, "b@example.net")]
    assert mail.reply_to == [(expected, "c@example.org")]
    assert mail.message_id == "hb.1.7@example.org"
    assert mail.structure == "text/plain"


@READERS
@pytest.mark.parametrize("text", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("has_html", [False, True])
def test_bodies_read_as_they_were_written(maker, reader, text, has_html):
    page = f"<pre>{text}</pre>\n" if has_html else ""
    mail = reader(maker.mail(text=text, html=page))
    whole = text if text.endswith("\n") else text + "\n"
    if not has_html and reader is mail_readers.read_by_etpan and whole.endswith("\n\n\n"):
        whole = mail.body("text/plain")  # where nothing follows, it drops empty lines at the end
        assert text.startswith(whole.rstrip("\n"))
    assert mail.body("text/plain") == whole
    assert mail.body("text/html") == (page or None)


@READERS
@pytest.mark.parametrize("typed, expected", FILE_NAMES.items(), ids=lambda name: name[:20])
def test_files_read_as_they_were_given(maker, reader, typed, expected):
    mail = reader(maker.mail(attachments=[attachment(typed)]))
    assert mail.structure == "mixed(text/plain application/pdf)"
    assert mail.parts[1].body == b"%PDF-1.7 \x00\xff"
    if reader is mail_readers.read_by_etpan and (not expected.isascii() or len(expected) > 50):
        # It reads no RFC 2231, and so shows the plain name that stands in for the true one.
        stem, _, ending = expected.rpartition(".")
        assert mail.names[0].endswith("." + ending if stem else ending[-3:])
        assert mail.names[0].isascii() and len(mail.names[0]) <= 60
    else:
        assert mail.names == [expected]


@READERS
@pytest.mark.parametrize(
    "html, has_logo, events, files, structure",
    [
        (0, 0, 0, 0, "text/plain"),
        (1, 0, 0, 0, "alternative(text/plain text/html)"),
        (1, 1, 0, 0, "alternative(text/plain related(text/html image/png))"),
        (0, 0, 1, 0, "mixed(alternative(text/plain text/calendar) text/calendar)"),
        (0, 0, 2, 0, "mixed(text/plain text/calendar text/calendar)"),
        (1, 0, 1, 0, "mixed(alternative(text/plain text/html text/calendar) text/calendar)"),
        (
            1, 1, 1, 1,
            "mixed(alternative(text/plain related(text/html image/png) text/calendar)"
            " text/calendar application/pdf)",
        ),
        (
            1, 1, 3, 2,
            "mixed(alternative(text/plain related(text/html image/png)) text/calendar"
            " text/calendar text/calendar application/pdf application/pdf)",
        ),
    ],
)  # fmt: skip
def test_a_mail_has_the_levels_it_needs_and_no_more(
    maker, reader, html, has_logo, events, files, structure
):
    given = [event(uid=f"hb.1.2.{i}@example.org") for i in range(events)]
    mail = reader(
        maker.mail(
            html="<p>Hello</p>\n" * html,
            events=given,
            attachments=[attachment(f"plan-{i}.pdf") for i in range(files)],
            **({"logo": logo()} if has_logo else {}),
        )
    )
    assert mail.structure == structure
    assert mail.body("text/plain") == "Hello\n"
    for part in mail.of_type("image/png"):
        assert (part.disposition, part.content_id) == ("inline", "logo.1@example.org")
        assert part.body == mail_maker.PNG
    calendars = [maker.calendar(**one) for one in given]
    attached = [part for part in mail.of_type("text/calendar") if part.disposition == "attachment"]
    assert [part.body for part in attached] == calendars
    assert [part.name for part in attached] == [f"session-{i + 1}.ics" for i in range(events)]
    for part in mail.of_type("text/calendar"):
        assert (part.charset, part.method) == ("utf-8", "REQUEST")
        assert part.body in calendars


@LINES
def test_every_line_is_short_and_of_seven_bits(maker, typed, expected):
    raw = maker.mail(
        subject=typed,
        **{"from": [typed, "a@example.org"]},
        to=[typed, "b@example.net"],
        text=typed + "\n" * (typed.strip() == ""),
        html=f"<p>{typed}</p>",
        logo=logo(),
        events=[event(summary=typed)],
        attachments=[attachment(typed)],
    )
    assert b"\r" not in raw.replace(b"\r\n", b"") and b"\n" not in raw.replace(b"\r\n", b"")
    assert max(map(len, raw.split(b"\r\n"))) <= 78
    assert all(32 <= byte < 127 or byte in b"\r\n\t" for byte in raw)
    words = re.findall(rb"=\?utf-8\?[QB]\?\S*?\?=", raw.split(b"\r\n\r\n")[0])
    assert all(len(word) <= 75 for word in words)
    # Each word is whole by itself: no character is split between two (RFC 2047 section 5).
    mail = mail_readers.read_by_email(raw)
    assert "\ufffd" not in mail.subject and expected == mail.subject


@pytest.mark.parametrize(
    "parts, problem",
    [
        ({"logo": logo()}, "logo: the mail has no html to show it"),
        ({"html": "x", "logo": logo(type="image/svg+xml")}, "logo: neither png nor jpeg nor gif"),
        ({"html": "x", "logo": logo(content_id="a b@c")}, "logo: malformed content id"),
        ({"html": "x", "logo": logo(content_id="")}, "logo: malformed content id"),
        ({"html": "x", "logo": logo(hex="00" * 60001)}, "logo: larger than 60000 bytes"),
        ({"attachments": [attachment("a", kind="text")]}, "attachments[0]: malformed type"),
        (
            {"attachments": [attachment("a"), attachment("b", kind="a/b\r\nBcc: c")]},
            "attachments[1]: malformed type",
        ),
        ({"attachments": [attachment("a", kind="Message/RFC822")]}, "attachments[0]: malformed type"),
        ({"attachments": [attachment("a", kind="multipart/x")]}, "attachments[0]: malformed type"),
        ({"attachments": [attachment("a")] * 21}, "attachments: more than 20"),
        ({"events": [event()] * 401}, "calendars: more than 400"),
    ],
)
def test_a_part_that_cannot_be_sent_is_refused_by_name(maker, parts, problem):
    assert maker.ask(mail_maker.mail(**parts)) == {"error": problem}
