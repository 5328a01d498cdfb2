"""A plugin of pytest: several processes share all tests, file by file, the slowest first.

`-p tests.support.file_queue`, with a folder in HANDBELL_TEST_QUEUE that they have in common. Each claims a
file by a mark there that only one can make, so that none is left out and none is run twice. Whoever
claims a file and dies leaves no report, which counts as a failure (dev-test.sh).
"""

import itertools
import os
import pathlib

import pytest

# By what was measured; a file that is not named comes behind them, those of most tests first. The second
# stands for all that are TOGETHER.
SLOWEST = (
    "sql/test_matching.py", "e2e/test_mail_words.py", "e2e/test_restore.py", "e2e/test_dkim.py",
    "e2e/test_injection.py", "e2e/test_opt_out_race.py", "fault/test_smtp_replies.py",
    "fault/test_partitions.py",
    "e2e/test_check_dns.py", "fault/test_relays.py", "fault/test_database_trouble.py",
    "e2e/test_demo.py", "fault/test_full.py", "fault/test_stopped.py", "fault/test_web_clients.py",
    "fault/test_clocks.py", "fault/test_no_memory.py", "systemd/test_machine.py",
    "fault/test_database_kills.py", "fault/test_random_kills.py", "sql/test_races.py",
    "sql/test_keep.py",
)  # fmt: skip

# This fixture of a session is dear, and leaves files where one process of a build may write alone.
TOGETHER = "every_mail"


def _rank(path, count):
    places = [place for place, name in enumerate(SLOWEST) if path.endswith(name)]
    return (places[0] if places else len(SLOWEST), -count, path)


def in_order(items):
    """[(file, its tests)], the slowest first. Files that share TOGETHER are as one, named as the first."""
    files = {}
    for item in items:
        files.setdefault(item.nodeid.partition("::")[0], []).append(item)
    sharing = [
        path for path, tests in files.items()
        if any(TOGETHER in getattr(test, "fixturenames", ()) for test in tests)
    ]  # fmt: skip
    for path in sharing[1:]:
        files[sharing[0]] += files.pop(path)
    return sorted(files.items(), key=lambda file: _rank(file[0], len(file[1])))


def claim(folder, path):
    """Whether the file is ours: nobody else had claimed it."""
    try:
        os.close(os.open(folder / path.replace("/", "%"), os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        return False
    return True


def claimed(folder, items):
    """The tests of one file after another, each claimed when the one before it is about to end."""
    for path, tests in in_order(items):
        if claim(folder, path):
            yield from tests


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session):
    """As pytest's own loop, of what this process claims."""
    folder = os.environ.get("HANDBELL_TEST_QUEUE")
    if folder is None or session.testsfailed or session.config.option.collectonly:
        return None
    # A fixture of the session lives until there is no next test: it is claimed before this one begins.
    ours = itertools.chain(claimed(pathlib.Path(folder), session.items), [None])
    item = next(ours)
    while item is not None:
        following = next(ours)
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
        item = following
    return True
