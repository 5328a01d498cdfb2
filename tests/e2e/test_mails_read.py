"""Every kind of mail, in every language, with every sample, read by programs that did not write it;
and the names and titles that break others, through whole mails, in every header and part."""

import html.parser
import re

import pytest

from tests.support import previews
from tests.support.dkim_keys import DkimKeys
from tests.support.mail_readers import READERS
from tests.support.previews import Which

DOMAIN = "westmarch.example.org"
EACH = pytest.mark.parametrize(
    "whiches",
    [
        pytest.param(previews.of_kind(kind, language), id=f"{kind}.{language}")
        for kind in previews.sample_names()
        for language in previews.LANGUAGES
    ],
)


def check_readers_agree(raw, which):
    """Python's email package, GMime and libetpan read the same; returns what they read."""
    read = {name: reader(raw) for name, reader in READERS.items()}
    first = read.pop("email")
    for name, other in read.items():
        assert other == first, (which, name)
    return first


@EACH
def test_three_programs_read_the_same(every_mail, whiches):
    for which in whiches:
        mail = check_readers_agree(every_mail[which], which)
        assert mail.subject.strip() and mail.body("text/plain") and mail.body("text/html"), which
        assert mail.sender == [("Westmarch CPD Online", f"courses@{DOMAIN}")], which
        assert len(mail.to) == 1 and mail.to[0][0], which


@pytest.mark.parametrize("kind", previews.sample_names())
def test_what_they_read_is_what_was_rendered(every_mail, kind):
    which = Which(kind, previews.sample_names()[kind][0], "cy")
    mail = READERS["gmime"](every_mail[which])
    assert mail.body("text/plain") == previews.show(which, "text").decode()
    assert mail.body("text/html") == previews.show(which, "html").decode()


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    made = DkimKeys(tmp_path_factory.mktemp("dkim"))
    made.make(DOMAIN, "s1")
    made.make(DOMAIN, "e1", "ed25519")
    return made


@pytest.fixture(scope="module")
def signed(keys):
    """{which: its bytes, signed}"""
    environment = {"HANDBELL_DKIM_KEY_DIR": str(keys.folder)}
    return previews.show_all(previews.all_mails(), environment=environment)


@EACH
def test_both_signatures_verify(keys, signed, every_mail, whiches):
    for which in whiches:
        found = keys.verify(signed[which])
        assert found == [("ed25519-sha256", "e1", True), ("rsa-sha256", "s1", True)], which
        assert signed[which].endswith(every_mail[which]), which
        assert not any(good for _, _, good in keys.verify(signed[which] + b"more\r\n")), which


def test_keys_that_may_not_be_read_are_said_and_not_used(tmp_path, every_mail):
    made = DkimKeys(tmp_path)
    made.make(DOMAIN, "s1")
    (tmp_path / DOMAIN / "s1.pem").chmod(0o644)
    done = previews.run(
        "--kind", "reminder", "--sample", environment={"HANDBELL_DKIM_KEY_DIR": str(tmp_path)}
    )
    assert done.returncode == 0
    assert done.stdout == every_mail[Which("reminder", "one", "en-GB")]
    assert done.stderr.startswith(b"handbell preview: shown without signatures: ")


# What people are called and courses are named, and what of it is shown.
HARD = {
    "apostrophe": "O'Brien",
    "accent": "Siân",
    "irish": "Ó Súilleabháin",
    "chinese": "李",
    "arabic": "مريم",
    "emoji": "Science 👩‍🔬 🔔",
    "long": "a" * 300,
    "long_words": ("ab cd " * 50).strip(),
    "long_accents": "é" * 300,
    "backslash": "ends with a backslash \\",
    "encoded": "=?x?=",
    "encoded_word": "=?utf-8?B?DQpCY2M6IGE=?=",
    "quotes": 'says "hello", twice; (or <more>)',
    "comma": "Smith, Jo",
    "mustache": "{{person.email}} {{{x}}} {{#y}}",
    "percent": "%s%n%d",
    "script": "<script>alert(1)</script>",
    "ampersand": "a & b &amp; c",
    "calendar": "BEGIN:VEVENT;a:b\\nc^n",
    "boundary": "--=_5e9cb8a03c0f711dafc21cd3a--",
}
# Right-to-left override and its kin, line ends, what has no width.
NEUTRALISED = {
    "override": ("\u202ecod.exe", "cod.exe"),
    "isolates": ("a\u2066b\u2069c", "abc"),
    "header": ("a\r\nBcc: evil@example.com", "a Bcc: evil@example.com"),
    "separators": ("a\u2028b\u2029c\u0085d", "a b c d"),
    "escape": ("\u001b[31mred", "[31mred"),
}
TYPED = {name: (text, text) for name, text in HARD.items()} | NEUTRALISED


class Page(html.parser.HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)

    def handle_data(self, data):
        self.text += data


def squeezed(text):
    return " ".join(text.split())


@pytest.mark.parametrize("name", TYPED)
def test_a_hard_name_is_right_in_every_header_and_part(tmp_path, name):
    typed, shown = TYPED[name]
    folder = previews.change_samples(tmp_path / "templates", previews.put_everywhere(typed))
    language = previews.LANGUAGES[len(name) % 2]
    whiches = [
        Which(kind, sample, language)
        for kind, samples in previews.sample_names().items()
        for sample in dict.fromkeys([samples[0], "booker" if "booker" in samples else samples[0]])
    ]
    mails = previews.show_all(whiches, templates=folder)
    for which in whiches:
        check_hard_mail(mails[which], shown, which)


def check_hard_mail(raw, shown, which):
    assert max(map(len, raw.split(b"\r\n"))) <= 998 and max(raw) < 128, which
    mail = check_readers_agree(raw, which)
    assert [name for name, _ in mail.sender + mail.to] == [shown, shown], which
    assert shown in mail.subject, which
    assert squeezed(shown) in squeezed(mail.body("text/plain")), which
    page = Page(mail.body("text/html"))
    assert squeezed(shown) in squeezed(page.text) and "script" not in page.tags, which
    assert "Bcc" not in previews.parse(raw), which
    for part in mail.of_type("text/calendar"):
        entry = calendar_texts(part.body)
        assert shown in entry["SUMMARY"], which
        place = entry["LOCATION"].partition(", Market Street")[0].partition(", Mill Lane")[0]
        # Lines of a place are joined by commas.
        assert place in (shown, shown.replace(" ", ", "), "a, Bcc: evil@example.com"), which


def calendar_texts(content):
    """{property: its text} of the event (RFC 5545 sections 3.1 and 3.3.11). By hand: the icalendar
    module takes an escaped backslash before a comma for an escaped comma."""
    lines = content.decode().replace("\r\n ", "").split("\r\n")
    event = lines[lines.index("BEGIN:VEVENT") : lines.index("END:VEVENT")]
    found = {}
    for line in event:
        name, _, value = line.partition(":")
        found[name.partition(";")[0]] = re.sub(
            r"\\(.)", lambda escape: "\n" if escape[1] in "nN" else escape[1], value
        )
    return found
