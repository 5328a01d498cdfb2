"""Renews the README's picture, docs/course-alert.png, from the mail as it is now:

    HANDBELL_BINARY=build/release/handbell /usr/bin/python3 -m tests.support.readme_picture
"""

import pathlib
import tempfile

from tests.support import page_check, previews, process
from tests.support.previews import Which

PICTURE = process.ROOT / "docs/course-alert.png"
SHOWN = Which("course_alert", "branded", "en-GB")


def main():
    page = previews.show(SHOWN, "html").decode()
    with tempfile.TemporaryDirectory() as folder:
        browser = page_check.Browser(pathlib.Path(folder))
        try:
            browser.open(page)
            browser.look(720, height=300)
            browser.shoot(PICTURE)
        finally:
            browser.close()


if __name__ == "__main__":
    main()
