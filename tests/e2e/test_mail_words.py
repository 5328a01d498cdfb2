"""What mails say, and how: the promises of their wording and of their layout's structure.

Every kind, sample and language, as `handbell preview` shows it.
"""

import html.parser
import re

import pytest

from tests.support import previews

KINDS = previews.sample_names()
EACH = pytest.mark.parametrize(
    "kind, language", [(kind, language) for kind in KINDS for language in previews.LANGUAGES]
)
# What says at once that there is nothing to travel to.
CANCELLED = {"en-GB": "Cancelled", "cy": "Wedi'i ganslo"}
# Words that are the same in both languages.
SAME_IN_BOTH = {"cost", "on_day"}
HTML_BYTES = 20_000


class Page(html.parser.HTMLParser):
    """The page as it reads with styles off: words in order, and the tags in order."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.words = ""
        self.open = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)
        self.words += " "

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            continue
        self.words += " "

    def handle_data(self, data):
        if not {"style", "title"} & set(self.open):
            self.words += data


def squeeze(text):
    return " ".join(text.split())


def words_of(path):
    """{name: text} of a words file."""
    text = re.sub(r"\\\n\s*", "", path.read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return {name.strip(): said.strip() for name, said in (line.split("=", 1) for line in lines)}


@EACH
def test_the_page_says_all_that_the_text_says(every_mail, kind, language):
    """And with styles off it reads in the same order: each line of the text is in the page."""
    for which in previews.of_kind(kind, language):
        mail = previews.parse(every_mail[which])
        seen = squeeze(Page(previews.html_of(mail)).words).casefold()
        for line in previews.text_of(mail).splitlines():
            said = squeeze(re.sub(r"^\d+\. |^- |^--$|https?://\S+", "", line.casefold())).rstrip(":")
            # Times and the headline's day stand on a line of their own in the page.
            for part in re.split(r", (?=\d|dydd |\w+ \d+ \w+$)", said):
                assert part.removeprefix("subject: ").removeprefix("pwnc: ") in seen, (which, line)


@EACH
def test_the_text_is_set_with_care(every_mail, kind, language):
    for which in previews.of_kind(kind, language):
        text = previews.text_of(previews.parse(every_mail[which]))
        assert not text.startswith("\n") and text.endswith("\n") and not text.endswith("\n\n"), which
        assert "\n\n\n" not in text, which  # no blank line is doubled
        assert not re.search(r":\n(\n|$)", text), which  # nothing is announced that does not come
        assert not re.search(r"[ \t]\n", text), which
        assert not re.search(r"^\s*[,.:;)]|\(\)| ,", text, re.M), which


@EACH
def test_a_page_is_small_and_has_one_heading_of_its_own(every_mail, kind, language):
    for which in previews.of_kind(kind, language):
        page = previews.html_of(previews.parse(every_mail[which]))
        tags = Page(page).tags
        assert len(page.encode()) <= HTML_BYTES, which
        assert [attrs["lang"] for tag, attrs in tags if "lang" in attrs] == [language] * 2, which
        tables = [attrs.get("role") for tag, attrs in tags if tag == "table"]
        assert set(tables) == {"presentation"}, which
        levels = [int(tag[1]) for tag, _ in tags if re.fullmatch("h[1-6]", tag)]
        assert levels.count(1) == 1 and levels[0] == 1, which
        assert all(after <= before + 1 for before, after in zip(levels, levels[1:])), which


@pytest.mark.parametrize("language", previews.LANGUAGES)
def test_a_cancellation_says_so_at_once(every_mail, language):
    for which in previews.of_kind("course_cancelled", language):
        mail = previews.parse(every_mail[which])
        first = squeeze(str(mail["Subject"])).split(" ")[:5]
        assert CANCELLED[language] in " ".join(first), which
        assert previews.text_of(mail).splitlines()[0].startswith(CANCELLED[language]), which
        page = Page(previews.html_of(mail)).words
        heading = squeeze(page).index(CANCELLED[language])
        assert heading < squeeze(page).index("Hel"), which  # before the greeting


@EACH
def test_a_shared_mailbox_learns_from_the_subject_for_whom_a_mail_is(every_mail, kind, language):
    name = "Bryony O’Brien"
    for which in previews.of_kind(kind, language):
        mail = previews.parse(every_mail[which])
        is_shared = "office@" in str(mail["To"]) and which.sample != "provider"
        assert (f"{name})" in str(mail["Subject"])) == is_shared, which


@pytest.mark.parametrize("kind", [*KINDS, "partials"])
def test_every_word_is_said_in_welsh(kind):
    folder = previews.TEMPLATES / kind
    english = words_of(folder / "words.en-GB")
    welsh = words_of(folder / "words.cy")
    assert english.keys() == welsh.keys()
    for name, said in english.items():
        assert (welsh[name] == said) == (name in SAME_IN_BOTH), name
        assert re.findall(r"\{\{[#^/]?tenant\.\w+\}\}", said) == re.findall(
            r"\{\{[#^/]?tenant\.\w+\}\}", welsh[name]
        ), name


@pytest.mark.parametrize("language", previews.LANGUAGES)
def test_a_logo_beside_the_name_does_not_say_it_again(every_mail, language):
    mail = previews.parse(every_mail[previews.Which("course_alert", "branded", language)])
    page = previews.html_of(mail)
    assert 'alt=""' in page and page.count("Westmarch Learning") == 1


def test_old_and_new_stand_side_by_side_and_read_in_a_line(every_mail):
    (which,) = [each for each in previews.of_kind("course_changed", "en-GB") if each.sample == "one"]
    page = previews.html_of(previews.parse(every_mail[which]))
    (row,) = re.findall(r"<tr>\s*<td class=\"half.*?</tr>", page, re.S)
    assert row.count("<td") == 2 and row.count("width:50%") == 2
    assert re.search(
        r"Before Tuesday 11 May 2027 9\.30am .* Now Wednesday 12 May 2027 9\.30am",
        squeeze(Page(row).words),
    )


def test_every_session_of_a_course_is_told_with_its_own_zone(every_mail):
    for kind in ("booking_confirmed", "joining_instructions", "reminder"):
        (which,) = [w for w in previews.of_kind(kind, "en-GB") if w.sample == "three_sessions"]
        text = previews.text_of(previews.parse(every_mail[which]))
        told = re.findall(r"^Session (\d)\n  (\w+ \d+ \w+) 2027, .* (GMT|BST)$", text, re.M)
        assert told == [
            ("1", "Tuesday 23 March", "GMT"),
            ("2", "Tuesday 30 March", "BST"),
            ("3", "Tuesday 20 April", "BST"),
        ]
