"""The marker `no_program`: a test that starts nothing that was built, so that one build proves it.

Each test of tests/sql and tests/lint has it that does not ask for the fixture `handbell`; another says so
itself. It is watched: where such a test starts a program of the build under test, it fails. What the
fixtures of a session start (`handbell migrate`) is made in every build by the tests that have no marker.
"""

import os
import pathlib
import sys

import pytest

from tests.support import process, schema

MARKER = "no_program"
FOLDERS = ("sql", "lint")
FIXTURE = "handbell"
STARTS = {"subprocess.Popen", "os.exec", "os.posix_spawn", "os.system"}


class Watch:
    """Notes what is started out of a build folder while it is on."""

    def __init__(self):
        self.is_on = False
        self.started = []
        sys.addaudithook(self._hear)  # there is no way to take it away again

    def _hear(self, event, arguments):
        if not self.is_on or event not in STARTS:
            return
        words = [arguments[0]]
        if len(arguments) > 1 and isinstance(arguments[1], (list, tuple)):
            words += arguments[1]
        folder = str(schema.binary_path().parent)
        self.started += [
            os.fsdecode(word) for word in words
            if isinstance(word, (str, bytes, os.PathLike)) and folder in os.fsdecode(word)
        ]  # fmt: skip


WATCH = Watch()


def _is_in_folder(item):
    path = pathlib.Path(item.path)
    return any(path.is_relative_to(process.ROOT / "tests" / folder) for folder in FOLDERS)


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items):
    for item in items:
        if _is_in_folder(item) and FIXTURE not in getattr(item, "fixturenames", ()):
            item.add_marker(MARKER)


@pytest.fixture(autouse=True)
def start_no_program(request):
    """Fails what has the marker and starts a program all the same."""
    if request.node.get_closest_marker(MARKER) is None:
        yield
        return
    WATCH.started.clear()
    WATCH.is_on = True
    yield
    WATCH.is_on = False
    assert not WATCH.started, f"marked {MARKER}, and started {WATCH.started}"
