"""Renews the README's picture, docs/course-alert.png, from the mails as they are now:

    HANDBELL_BINARY=build/release/handbell /usr/bin/python3 -m tests.support.readme_picture
"""

import html
import pathlib
import tempfile

from tests.support import page_check, previews, process
from tests.support.previews import Which

PICTURE = process.ROOT / "docs/course-alert.png"
HEIGHT, GAP = 760, 24
# A wide screen and a phone beside it.
SHOWN = {640: Which("course_alert", "branded", "en-GB"), 360: Which("joining_instructions", "branded", "en-GB")}


def frame(width, which):
    page = html.escape(previews.show(which, "html").decode())
    return f'<iframe srcdoc="{page}" style="width:{width}px;height:{HEIGHT}px"></iframe>'


def main():
    style = (
        f"body {{ margin: {GAP}px; display: flex; gap: {GAP}px; background: #dddad3 }}"
        " iframe { border: 0; flex: none }"
    )
    frames = "".join(frame(width, which) for width, which in SHOWN.items())
    with tempfile.TemporaryDirectory() as folder:
        browser = page_check.Browser(pathlib.Path(folder))
        try:
            browser.look(sum(SHOWN) + GAP * 3, height=HEIGHT + GAP * 2)
            browser.open(f"<!DOCTYPE html><title>t</title><style>{style}</style>{frames}")
            browser.shoot(PICTURE)
        finally:
            browser.close()


if __name__ == "__main__":
    main()
