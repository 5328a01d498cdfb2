"""A mail's page in a real browser: how it looks, and what an accessibility check finds in it.

Debian packages no such checker for pages; this one asks Chromium for computed colours, laid-out boxes
(page_check.js) and the tree that a screen reader is given. It can fail: see test_mails_seen.py.
"""

import base64
import pathlib
import re
import shutil

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

SCRIPT = pathlib.Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
ARGUMENTS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-sync", "--disable-background-networking", "--disable-component-update",
    "--hide-scrollbars", "--allow-file-access-from-files", "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip
DROP_STYLES = """
document.querySelectorAll('style').forEach((element) => element.remove());
document.querySelectorAll('img').forEach((image) => image.replaceWith(image.alt));
for (const element of document.querySelectorAll('*')) {
  for (const name of ['style', 'class', 'bgcolor', 'align', 'width']) element.removeAttribute(name);
}
"""
# What a screen reader must be told of by name.
NAMED_ROLES = ("link", "image", "img", "heading", "button")


class Browser:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.width = 0
        options = webdriver.ChromeOptions()
        for argument in (*ARGUMENTS, f"--user-data-dir={self.folder / 'profile'}"):
            options.add_argument(argument)
        self.driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))

    def close(self):
        self.driver.quit()

    def open(self, page, name="page"):
        path = self.folder / f"{name}.html"
        path.write_text(page, encoding="utf-8")
        self.driver.get(path.as_uri())

    def look(self, width, scheme="light", height=900):
        """As on a screen that many CSS pixels wide, by a reader who likes it light or dark."""
        self.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
        )
        self.width = width
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )

    def shoot(self, path):
        """The whole page, as high as it is."""
        height = self.driver.execute_script("return document.documentElement.scrollHeight")
        shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", {
            "captureBeyondViewport": True,
            "clip": {"x": 0, "y": 0, "width": self.width, "height": height, "scale": 1},
        })  # fmt: skip
        path.write_bytes(base64.b64decode(shot["data"]))

    def findings(self, lang):
        """[(rule, where)] of the page as it is looked at now."""
        found = self.driver.execute_script(SCRIPT, {"lang": lang, "width": self.width})
        return [tuple(finding) for finding in found]

    def lines(self):
        """What can be read, line by line, as it is looked at now."""
        text = self.driver.execute_script("return document.body.innerText")
        return [" ".join(line.split()) for line in text.splitlines() if line.strip()]

    def drop_styles(self):
        """As a mail program shows the page that knows no style and loads no picture."""
        self.driver.execute_script(DROP_STYLES)

    def tree_findings(self):
        """What a screen reader would be told, however the page looks: nothing without a name, no
        table that only lays out."""
        nodes = self.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        found = []
        for node in nodes:
            if node.get("ignored"):
                continue
            role = node.get("role", {}).get("value", "")
            name = node.get("name", {}).get("value", "").strip()
            if role in NAMED_ROLES and not name:
                found.append(("told without a name", role))
            if role.startswith("LayoutTable"):
                found.append(("told of a table that lays out", role))
        return found


def with_picture(page, uri):
    """A mail's page as a browser can show it: its picture inside."""
    return re.sub(r'src="cid:[^"]*"', f'src="{uri}"', page)
