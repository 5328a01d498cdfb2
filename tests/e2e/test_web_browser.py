"""The opt-out's page in a real browser: by keyboard alone, without script, on a narrow screen."""

import pathlib
import shutil

import pytest

from tests.support import tokens

webdriver = pytest.importorskip("selenium.webdriver")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(DRIVER is None, reason="no chromedriver")

CONTRAST = """
const luminance = colour => {
  const parts = colour.match(/[\\d.]+/g).slice(0, 3).map(part => part / 255)
    .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
};
const backgroundOf = element => {
  for (let at = element; at; at = at.parentElement) {
    const colour = getComputedStyle(at).backgroundColor;
    if (!colour.endsWith(', 0)')) return colour;
  }
  return 'rgb(255, 255, 255)';
};
return [...document.querySelectorAll('h1, h2, p, a, button')].map(element => {
  const pair = [luminance(getComputedStyle(element).color), luminance(backgroundOf(element))];
  return [element.textContent, (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05)];
});
"""


@pytest.fixture(params=["light", "dark"])
def browser(request, tmp_path):
    """Chromium without a window, 320 CSS pixels wide where the page is asked for so."""
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        f"--user-data-dir={tmp_path / 'profile'}", "--no-first-run", "--disable-sync",
        "--disable-background-networking", "--disable-component-update",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": request.param}]},
    )
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 320, "height": 640, "deviceScaleFactor": 1, "mobile": True},
    )
    yield driver
    driver.quit()


@pytest.fixture
def link(handbell, demo, owner):
    """The link of a person whose name is as hard as names get."""
    demo.put_person(
        "p1", first_name="Anne-Marie", last_name="O'Brien-" + "Featherstonehaugh" * 3, interests=[]
    )
    ids = owner.execute("select tenant_id, person_id from person").fetchone()
    _, url = handbell.start_web()
    return f"{url}/u/{tokens.make_token(tokens.read_keys(handbell.key_file)[0], *ids)}"


def press_by_keyboard(browser):
    """Tabs to the first thing that takes the focus, which must be the button, and presses Enter."""
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    ActionChains(browser).send_keys(Keys.TAB).perform()
    focused = browser.switch_to.active_element
    assert focused.tag_name == "button"
    outline = focused.value_of_css_property("outline-style")
    width = focused.value_of_css_property("outline-width")
    assert (outline, width) == ("solid", "3px")
    heading = browser.find_element("tag name", "h1").text
    ActionChains(browser).send_keys(Keys.ENTER).perform()
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 10).until(
        lambda now: now.find_element("tag name", "h1").text != heading
    )


def check_page(browser):
    """What WCAG 2.2 AA asks of each page, as far as a program sees it."""
    assert browser.find_element("tag name", "html").get_attribute("lang") == "en-GB"
    assert len(browser.find_elements("tag name", "h1")) == 1
    assert browser.title.startswith(browser.find_element("tag name", "h1").text)
    assert len(browser.find_elements("tag name", "main")) == 1
    width = browser.execute_script("return document.documentElement.scrollWidth")
    assert width <= 320, f"scrolls sideways: {width}"
    ratios = browser.execute_script(CONTRAST)
    assert len(ratios) > 5
    assert not [(text, ratio) for text, ratio in ratios if ratio < 4.5]
    for button in browser.find_elements("tag name", "button"):
        assert button.size["height"] >= 44 and button.size["width"] >= 44
    # The style sheet's hash is right: nothing was blocked, and nothing was asked for but the page.
    found = [entry for entry in browser.get_log("browser") if "favicon" not in entry["message"]]
    assert not found
    assert browser.find_element("tag name", "main").value_of_css_property("border-radius") == "12px"
    assert browser.get_cookies() == []


def test_the_button_and_its_undo_work_by_keyboard_alone(browser, link, owner):
    topics = "select topic from opt_out"
    browser.get(link)
    check_page(browser)
    assert owner.execute(topics).fetchall() == []
    press_by_keyboard(browser)
    assert browser.find_element("tag name", "h1").text == "Course alerts are stopped"
    check_page(browser)
    assert owner.execute(topics).fetchall() == [("alerts",)]
    press_by_keyboard(browser)
    assert browser.find_element("tag name", "h1").text == "Your choice is undone"
    check_page(browser)
    assert owner.execute(topics).fetchall() == []
    press_by_keyboard(browser)
    assert owner.execute(topics).fetchall() == [("alerts",)]
    assert browser.current_url == link


def test_a_refused_link_is_readable_too(browser, link):
    browser.get(link[:-1])
    assert browser.find_element("tag name", "h1").text == "This link does not work"
    width = browser.execute_script("return document.documentElement.scrollWidth")
    assert width <= 320


def test_no_page_needs_a_script():
    folder = pathlib.Path(__file__).parents[2] / "templates/pages"
    assert not [page for page in folder.glob("*.mustache") if "<script" in page.read_text()]
