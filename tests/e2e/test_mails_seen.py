"""Every kind of mail as people see it: looked at by a browser, light and dark, wide and narrow.

The pictures are kept in build/PRESET/mails/seen. What the browser is shown is the same whatever the
build: other tests have every build make every mail.
"""

import shutil

import pytest

from tests.support import previews

pytest.importorskip("selenium.webdriver")
from tests.support import page_check  # noqa: E402

pytestmark = pytest.mark.skipif(shutil.which("chromedriver") is None, reason="no chromedriver")

WIDE, NARROW, NARROWEST = 800, 360, 320
# Colours do not change with the width, nor boxes with the colours. What goes on 320 px goes on 360.
LOOKS = [("light", WIDE), ("dark", WIDE), ("light", NARROW), ("light", NARROWEST)]
# What is kept as pictures, besides the first sample of each kind in each language: of these, English.
PICTURED = {"branded", "many", "three_sessions"}


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = page_check.Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def pictures():
    return previews.artefacts("seen")


def page_of(raw):
    """The page, with its picture in it."""
    mail = previews.parse(raw)
    page = previews.html_of(mail)
    for part in mail.walk():
        if part.get_content_maintype() == "image":
            data = "".join(part.get_payload().split())
            page = page_check.with_picture(page, f"data:{part.get_content_type()};base64,{data}")
    return page


def look_at(browser, which, mail, pictures=None):
    """{finding: how it was looked at}, and pictures."""
    browser.open(page_of(mail.as_bytes()), str(which))
    found = dict.fromkeys(browser.tree_findings(), "told")
    for scheme, width in LOOKS:
        browser.look(width, scheme)
        if width != NARROW:
            for finding in browser.findings(which.language):
                found.setdefault(finding, (scheme, width))
        if pictures and width != NARROWEST:
            browser.shoot(pictures / f"{which}.{scheme}.{width}.png")
    return found


@pytest.mark.no_program
@pytest.mark.parametrize("language", previews.LANGUAGES)
@pytest.mark.parametrize("kind", previews.sample_names())
def test_a_mail_is_readable_by_everybody(browser, every_mail, pictures, kind, language):
    """No finding, however it is looked at."""
    for number, which in enumerate(previews.of_kind(kind, language)):
        mail = previews.parse(every_mail[which])
        is_pictured = number == 0 or (language == "en-GB" and which.sample in PICTURED)
        found = look_at(browser, which, mail, pictures if is_pictured else None)
        assert not found, (which, found)


@pytest.mark.no_program
@pytest.mark.parametrize("language", previews.LANGUAGES)
@pytest.mark.parametrize("kind", previews.sample_names())
def test_a_mail_reads_the_same_without_styles_and_pictures(browser, every_mail, kind, language):
    """Every line is there, in the same order; what was hidden may come in between."""
    which = previews.of_kind(kind, language)[-1]
    browser.open(page_of(every_mail[which]), str(which))
    browser.look(WIDE)
    styled = browser.lines()
    browser.drop_styles()
    bare = " ".join(browser.lines())
    assert len(styled) > 10
    for line in styled:
        _, is_there, bare = bare.partition(line)
        assert is_there, line


@pytest.mark.parametrize("name", ["a" * 300, "ab-cd " * 50, "李" * 100])
def test_a_long_name_makes_no_page_wide(browser, tmp_path, name):
    folder = previews.change_samples(tmp_path / "templates", previews.put_everywhere(name.strip()))
    whiches = [
        previews.Which(kind, samples[0], "en-GB")
        for kind, samples in previews.sample_names().items()
    ]
    mails = previews.show_all(whiches, templates=folder)
    for which in whiches:
        browser.open(page_of(mails[which]), str(which))
        browser.look(NARROWEST)
        assert browser.findings("en-GB") == [], which


GOOD = """<!DOCTYPE html><html lang="en-GB"><head><title>t</title>
<meta name="viewport" content="width=device-width"></head>
<body><h1>One</h1><p>Words and a <a href="https://example.org/a">first link</a>.</p>
<h2>Two</h2><p><a href="https://example.org/b">second link</a></p>END</body></html>"""
LINK = '<p><a href="https://example.org/{}"{}>{}</a></p>'
FAULTS = [
    ("contrast 1.92", "END", '<p style="color: #bbb">pale</p>'),
    ("contrast 2.85", "END", '<p style="opacity: 0.4">faded</p>'),
    ("text of 9 px", "END", '<p style="font-size: 9px">small</p>'),
    ("text on a picture", "END", '<p style="background-image: linear-gradient(red, blue)">a</p>'),
    ("language", ' lang="en-GB"', ""),
    ("language", 'lang="en-GB"', 'lang="cy"'),
    ("title", "<title>t</title>", "<title></title>"),
    ("not one h1", "h1", "p"),
    ("not one h1", "END", "<h1>Once more</h1>"),
    ("heading level skipped", "h2", "h3"),
    ("empty heading", "END", "<h2></h2>"),
    ("link to nowhere", "https://example.org/a", "#"),
    ("link without a name", "END", LINK.format("c", "", "")),
    ("told without a name", "END", LINK.format("c", ' style="padding: 9px"', "&#32;")),
    ("link that does not say where to", "second link", "Click here"),
    ("link that does not say where to", "second link", "yma"),
    ("link that does not say where to", "second link", "https://example.org/b"),
    ("one name for two links", "second link", "first link"),
    ("link by colour alone", "<a ", '<a style="text-decoration: none" '),
    ("links too close to hit one", "END", '<ul style="line-height: 1">'
     '<li><a href="https://example.org/c">c</a></li><li><a href="https://example.org/d">d</a></li></ul>'),
    ("picture without alt", "END", '<img src="data:,">'),
    ("told without a name", "END", '<p><img src="data:," width="20" height="20" title=""></p>'),
    ("picture from elsewhere", "END", '<img src="https://example.org/a.png" alt="a">'),
    ("table without role or headers", "END", "<table><tr><td>a</td></tr></table>"),
    ("layout with headers", "END", '<table role="presentation"><tr><th scope="col">a</th></tr></table>'),
    ("header without scope", "END", "<table><tr><th>a</th></tr><tr><td>b</td></tr></table>"),
    ("list of other than items", "END", "<ul><p>a</p></ul>"),
    ("item outside a list", "END", "<div><li>a</li></div>"),
    ("id twice", "END", '<p id="a">a</p><p id="a">b</p>'),
    ("zoom forbidden", "width=device-width", "width=device-width, user-scalable=no"),
    ("active part", "END", "<form></form>"),
    ("order of focus changed", "END", '<p tabindex="3">a</p>'),
    ("hidden link takes focus", "END", f'<div aria-hidden="true">{LINK.format("c", "", "c")}</div>'),
    ("scrolls sideways", '<meta name="viewport" content="width=device-width">', ""),
    ("scrolls sideways", "END", '<p style="width: 900px">wide</p>'),
    ("scrolls sideways when spaced", "END", '<p style="white-space: nowrap; font: 17px monospace">'
     "twenty-eight letters of them</p>"),
    ("cut off when spaced", "END", '<div style="height: 40px; overflow: hidden; line-height: 1">'
     "<p style='margin: 0'>one</p><p style='margin: 0'>two</p></div>"),
]  # fmt: skip


@pytest.mark.no_program
def test_the_check_finds_nothing_in_a_good_page(browser):
    browser.open(GOOD.replace("END", ""))
    for scheme in ("light", "dark"):
        browser.look(NARROWEST, scheme)
        assert browser.findings("en-GB") + browser.tree_findings() == []


@pytest.mark.no_program
@pytest.mark.parametrize("rule, before, after", FAULTS)
def test_the_check_finds_a_fault(browser, rule, before, after):
    assert before in GOOD
    browser.open(GOOD.replace(before, after).replace("END", ""))
    browser.look(NARROWEST)
    found = browser.findings("en-GB") + browser.tree_findings()
    rules = [name.partition(":")[0] for name, _ in found]
    assert rule in rules


@pytest.mark.no_program
def test_the_check_finds_what_is_pale_in_the_dark_alone(browser):
    style = "<style>:root { color-scheme: light dark } h2 { color: #555 }</style>"
    browser.open(GOOD.replace("END", style))
    browser.look(NARROWEST, "light")
    assert browser.findings("en-GB") == []
    browser.look(NARROWEST, "dark")
    assert [rule for rule, where in browser.findings("en-GB")] == ["contrast 2.51"]
