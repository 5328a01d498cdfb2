"""Runs the program smtp_driver (tests/support/smtp_driver.c) and reads its outcomes."""

import dataclasses
import os
import pathlib
import subprocess

from tests.support import process

# Short enough for a suite, long enough for a loaded machine: the peer is a thread of the test.
TIMEOUTS = {
    "connect_ms": 3000,
    "greeting_ms": 3000,
    "hello_ms": 3000,
    "mail_ms": 3000,
    "rcpt_ms": 3000,
    "data_ms": 3000,
    "block_ms": 3000,
    "end_ms": 3000,
    "quit_ms": 300,
    "idle_ms": 5000,
}
SHORT_MS = 250
MAIL = b"From: <news@demo.example>\r\nSubject: a mail\r\n\r\nIts text.\r\n"


@dataclasses.dataclass
class Outcome:
    name: str
    kind: str
    scope: str
    verb: str
    code: int
    enhanced: str
    data_ends: int
    text: str

    @property
    def short(self):
        return (self.kind, self.scope, self.verb, self.code)


class Run:
    """What a run of the driver printed."""

    def __init__(self, completed):
        self.status = completed.returncode
        self.errors = completed.stderr
        self.outcomes = []
        self.statistics = {}
        for line in completed.stdout.splitlines():
            words = line.split("\t")
            if words[0] == "statistics":
                self.statistics = {k: int(v) for k, v in (word.split("=") for word in words[1:])}
            else:
                words[4], words[6] = int(words[4]), int(words[6])
                self.outcomes.append(Outcome(*words))

    def __getitem__(self, name):
        return next(outcome for outcome in self.outcomes if outcome.name == name)


def driver():
    """Where the program lies: beside the other programs of the build under test."""
    binary = pathlib.Path(os.environ.get("HANDBELL_BINARY", process.ROOT / "build/debug/handbell"))
    folder = pathlib.Path(os.environ.get("HANDBELL_BUILD", binary.parent))
    path = folder.absolute() / "smtp_driver"
    if not path.exists():
        raise RuntimeError(f"{path} is missing: build it with ./dev build")
    return path


def start(url, steps, **options):
    """Runs the steps (texts) in the background; options as smtp_driver takes them."""
    settings = {"connections": 1, **TIMEOUTS, "url": url, **options}
    running = subprocess.Popen(
        [driver(), *(f"{key}={value}" for key, value in settings.items())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    return running, "".join(step + "\n" for step in steps)


def run(url, steps, **options):
    """Runs the steps to their end. A driver that hangs, or is killed by a sanitizer, fails the test."""
    running, text = start(url, steps, **options)
    try:
        out, errors = running.communicate(text, timeout=30)
    except subprocess.TimeoutExpired:
        running.kill()
        running.communicate()
        raise
    result = Run(subprocess.CompletedProcess(running.args, running.returncode, out, errors))
    assert result.status in (0, 66, 78), result.errors
    return result


class Mails:
    """Writes mails to files and gives the driver's steps for them."""

    def __init__(self, folder):
        self.folder = folder
        self.count = 0

    def step(self, name="m", sender="bounce@demo.example", to="p1@school.example", **options):
        self.count += 1
        path = self.folder / f"mail-{self.count}"
        path.write_bytes(options.get("content", MAIL))
        words = [f"mail {name} {sender} {to} {path}", *options.get("words", ())]
        return " ".join(words)
