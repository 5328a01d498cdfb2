"""Drives worker/io/pg.h through tests/support/pg_driver.c: steps in, events out."""

import os
import pathlib
import subprocess
import threading
from typing import NamedTuple

from tests.support import process


class Call(NamedTuple):
    """What became of a call."""

    number: int
    kind: str
    sqlstate: str
    rows: int
    value: str
    text: str


def driver():
    binary = pathlib.Path(os.environ.get("HANDBELL_BINARY", process.ROOT / "build/debug/handbell"))
    return binary.absolute().parent / "pg_driver"


class PgClient:
    """One driver process. `up` etc. count the connection's states so far."""

    def __init__(self, url, call_timeout_ms=10000, connect_timeout_ms=10000):
        self.lines = []
        self.process = subprocess.Popen(
            [driver(), url, str(call_timeout_ms), str(connect_timeout_ms)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n").split("\t"))

    def write(self, *steps):
        """In one write: the driver takes them in one turn of its loop."""
        self.process.stdin.write("".join(f"{step}\n" for step in steps))
        self.process.stdin.flush()

    def calls(self):
        """What is known so far, in the order in which it became known."""
        return [
            Call(int(line[0]), line[1], line[2], int(line[3]), line[4], line[5])
            for line in list(self.lines)
            if line[0].isdigit()
        ]

    def states(self, name):
        """The reasons given with each `up`, `down` or `unfit`."""
        return [line[2] for line in list(self.lines) if line[:2] == ["state", name]]

    def events(self, name):
        return [line for line in list(self.lines) if line[0] == name]

    def wait_for_calls(self, count, timeout_s=20):
        process.wait_until(
            lambda: len(self.calls()) >= count, timeout_s, f"{count} answers, not {self.lines}"
        )
        return self.calls()

    def wait_for_state(self, name, count=1, timeout_s=20):
        process.wait_until(
            lambda: len(self.states(name)) >= count, timeout_s, f"{name}, not {self.lines}"
        )
        return self.states(name)

    def close(self):
        """Ends the driver; its exit status."""
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        status = self.process.wait(20)
        self.reader.join(20)
        self.process.stdout.close()
        return status
