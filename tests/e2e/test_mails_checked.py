"""Every kind of mail, in every language, with every sample: what other programs make of it.

tidy finds no error in its page, SpamAssassin nothing of spam, icalendar reads its calendar parts.
What tidy and SpamAssassin say of a mail is the same whatever the build that made it.
"""

import concurrent.futures
import email
import os
import re
import subprocess

import icalendar
import pytest

from tests.support import previews

ALL = previews.all_mails()
EACH = pytest.mark.parametrize(
    "whiches",
    [
        pytest.param(previews.of_kind(kind, language), id=f"{kind}.{language}")
        for kind in previews.sample_names()
        for language in previews.LANGUAGES
    ],
)
SPAM_LIMIT = 1.0
# No memory of other mails, and no point less for a relay that is near.
SPAM_SETTINGS = "use_bayes 0\nuse_auto_welcomelist 0\nscore ALL_TRUSTED 0\n"
# The page's rules are of today's mail programs, which want what HTML 5 calls obsolete: tables that
# lay out, their attributes, and styles in the body.
TIDY = [
    "tidy", "-quiet", "-utf8", "-errors", "--show-info", "no", "--gnu-emacs", "yes",
    "--warn-proprietary-attributes", "no",
]  # fmt: skip


def test_every_kind_has_samples_and_every_sample_a_kind():
    assert sorted(previews.sample_names()) == previews.kinds_with_templates()


@EACH
def test_a_mail_is_of_short_lines_and_plain_bytes(every_mail, whiches):
    for which in whiches:
        raw = every_mail[which]
        assert raw.endswith(b"\r\n") and b"\n" not in raw.replace(b"\r\n", b""), which
        assert b"\r" not in raw.replace(b"\r\n", b"") and b"\0" not in raw, which
        assert max(map(len, raw.split(b"\r\n"))) <= 998, which
        assert all(byte < 128 for byte in raw), which  # so there is no 8-bit to declare
        assert len(raw) < 100_000, which
        for part in previews.parse(raw).walk():
            assert not part.defects, which
            is_text = part.get_content_maintype() == "text"
            assert not is_text or part.get_content_charset() == "utf-8", which


@EACH
def test_nothing_of_a_mail_is_fetched_or_run(every_mail, whiches):
    for which in whiches:
        page = previews.html_of(previews.parse(every_mail[which]))
        sources = re.findall(r"""(?:src|background|poster|srcset)\s*=\s*["']?([^"'\s>]*)""", page)
        assert all(source.startswith("cid:") for source in sources), which
        active = r"(?i)@import|url\(|<link|<script|<iframe|<object|<form|<svg|\son\w+="
        assert not re.search(active, page), which


@EACH
def test_the_text_has_every_link_of_the_page(every_mail, whiches):
    for which in whiches:
        mail = previews.parse(every_mail[which])
        page, text = previews.html_of(mail), previews.text_of(mail)
        assert "{{" not in text + page, which
        links = re.findall(r'href="(https?://[^"]*)"', page)
        assert not [link for link in links if link.replace("&amp;", "&") not in text], which


def tidy(pages, folder):
    """{name: what tidy finds in its page}, by one run."""
    for name, page in pages.items():
        (folder / f"{name}.html").write_text(page, encoding="utf-8")
    done = subprocess.run(
        [*TIDY, *sorted(f"{name}.html" for name in pages)],
        cwd=folder, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    found = {name: [] for name in pages}
    for line in done.stderr.splitlines():
        name, is_of_page, what = line.partition(".html:")
        if is_of_page:
            found[name].append(what)
    return found


@pytest.fixture(scope="module")
def tidied(every_mail, tmp_path_factory):
    pages = {
        str(which): previews.html_of(previews.parse(raw)) for which, raw in every_mail.items()
    }
    return tidy(pages, tmp_path_factory.mktemp("tidy"))


@pytest.mark.no_program
@EACH
def test_tidy_finds_no_error(every_mail, tidied, whiches):
    for which in whiches:
        assert every_mail[which] and tidied[str(which)] == [], which


@pytest.mark.no_program
def test_tidy_finds_errors(every_mail, tmp_path):
    good = previews.html_of(previews.parse(next(iter(every_mail.values()))))
    faults = {
        "good": good,
        "open": good.replace("</body>", "<p><b>words</p></body>"),
        "unknown": good.replace("</body>", "<blonk>words</blonk></body>"),
        "picture": good.replace("</body>", "<p><img src='cid:a'></p></body>"),
    }
    found = tidy(faults, tmp_path)
    usual = found.pop("good")
    assert [name for name, findings in found.items() if len(findings) <= len(usual)] == []


def judge(mails, folder):
    """{name: (points, rules)} by SpamAssassin with the rules that Debian ships: without network, and
    without a memory of other mails. The mails come as if a relay had brought them."""
    (folder / "home").mkdir()
    (folder / "settings").write_text(SPAM_SETTINGS, encoding="utf-8")
    paths = []
    for name, raw in mails.items():
        date = email.message_from_bytes(raw)["Date"]
        received = (
            f"X-Name: {name}\r\nReceived: from relay.westmarch.example.org (relay.westmarch.example.org"
            f" [10.4.7.25])\r\n\tby mx.example.org with ESMTPS id 4a7;\r\n\t{date}\r\n"
        )
        paths.append(folder / f"{name}.eml")
        paths[-1].write_bytes(received.encode() + raw)
    # A run a processor, each of many mails: the rules take a second to read.
    runs = [paths[i :: os.cpu_count()] for i in range(min(os.cpu_count(), len(paths)))]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        outputs = pool.map(lambda part: run_spamassassin(part, folder), runs)
        return {name: verdict for output in outputs for name, verdict in read_verdicts(output)}


def run_spamassassin(paths, folder):
    done = subprocess.run(
        ["spamassassin", "--local", "--prefspath", folder / "settings", "--nocreate-prefs", *paths],
        env={"HOME": str(folder / "home"), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        capture_output=True, check=True, timeout=300,
    )  # fmt: skip
    assert not done.stderr, done.stderr.decode()
    return done.stdout.decode(errors="replace")


def read_verdicts(output):
    """(name, (points, rules)) of each mail that SpamAssassin gives back."""
    status = r"^X-Spam-Status: \w+, score=(\S+) required=\S+ tests=((?:\S|,\s)*)"
    for mail in re.split(r"(?m)^X-Spam-Checker-Version: ", output)[1:]:
        points, rules = re.search(status, mail, re.M).groups()
        name = re.search(r"^X-Name: (\S+)", mail, re.M).group(1)
        yield name, (float(points), set(re.split(r",\s*", rules)))


GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"


@pytest.fixture(scope="module")
def spam(every_mail, tmp_path_factory):
    """{name: (points, rules)}: of every mail, and of two that are made worse: with the string that
    exists for this (GTUBE), and with habits of spam."""
    mails = {str(which): raw for which, raw in every_mail.items()}
    good = next(iter(every_mail.values()))
    mails["gtube"] = good.replace(b"\r\nHello", b"\r\n" + GTUBE + b"\r\n\r\nHello", 1)
    shouting = good.replace(b"Subject: ", b"Subject: YOU WON $1,000,000 CASH NOW!!! ", 1)
    mails["shouts"] = re.sub(rb"(?m)^(Message-ID|Date): .*\r\n", b"", shouting)
    return judge(mails, tmp_path_factory.mktemp("spam"))


@pytest.mark.no_program
@EACH
def test_spamassassin_finds_nothing_of_spam(every_mail, spam, whiches):
    for which in whiches:
        points, rules = every_mail[which] and spam[str(which)]
        assert points < SPAM_LIMIT, (which, rules)


@pytest.mark.no_program
def test_spamassassin_finds_spam(spam):
    assert spam["gtube"][0] > 900
    assert spam["shouts"][0] >= SPAM_LIMIT


@EACH
def test_every_calendar_part_is_one_entry_of_one_session(every_mail, whiches):
    for which in whiches:
        for part in previews.parse(every_mail[which]).walk():
            if part.get_content_type() == "text/calendar":
                check_calendar_part(part, which)


def check_calendar_part(part, which):
    calendar = icalendar.Calendar.from_ical(part.get_payload(decode=True))
    assert calendar.errors == [], which
    assert part["Content-Type"].params["method"].upper() == calendar["METHOD"], which
    assert calendar["METHOD"] in ("REQUEST", "CANCEL"), which
    (event,) = calendar.walk("VEVENT")
    (zone,) = calendar.walk("VTIMEZONE")
    assert event.errors == zone.errors == [], which
    assert zone["TZID"] == event["DTSTART"].params["TZID"], which
    assert event["ATTENDEE"].params["RSVP"] == "FALSE", which
    assert event["UID"].endswith("@westmarch.example.org"), which


# A course of each sample's name, and how many sessions it has.
SESSIONS = {"one": 1, "online": 1, "three_sessions": 3, "shared_mailbox": 1, "branded": 1}
METHODS = {
    "booking_confirmed": "REQUEST",
    "joining_instructions": "REQUEST",
    "course_cancelled": "CANCEL",
    "booking_cancelled": "CANCEL",
}


@pytest.mark.parametrize("language", previews.LANGUAGES)
@pytest.mark.parametrize("kind", METHODS)
def test_a_mail_has_an_entry_for_each_session(every_mail, kind, language):
    """Attached, for saving; a single session's once more, for programs that offer to enter it."""
    for which in previews.of_kind(kind, language):
        if which.sample not in SESSIONS:
            continue
        mail = previews.parse(every_mail[which])
        methods = {}
        for content in previews.calendars_of(mail):
            calendar = icalendar.Calendar.from_ical(content)
            (event,) = calendar.walk("VEVENT")
            methods.setdefault(str(event["UID"]), []).append(str(calendar["METHOD"]))
        assert len(methods) == SESSIONS[which.sample], which
        copies = 2 if len(methods) == 1 else 1
        assert all(each == [METHODS[kind]] * copies for each in methods.values()), which
