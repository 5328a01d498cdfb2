"""`./dev run`, as a newcomer meets it: mails within a minute, a clean end by Ctrl-C."""

import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import pytest

from tests.support import process, schema

WITHIN_S = 60


class Run:
    """The demo as a process of its own. `user`: who runs it; None: ourselves."""

    def __init__(self, folder, user=None):
        self.run = folder / "run"
        self.output = folder / "output"
        environment = {**os.environ, "HANDBELL_RUN": str(self.run), "HOME": str(folder),
                       "HANDBELL_BINARY": str(schema.binary()), "PYTHONDONTWRITEBYTECODE": "1"}  # fmt: skip
        with open(self.output, "wb") as stream:
            # With standard input closed, not merely empty.
            self.process = subprocess.Popen(
                ["/bin/sh", "-c", 'exec "$@" <&-', "sh", sys.executable,
                 str(process.ROOT / "tests/support/demo.py")],
                stdout=stream, stderr=subprocess.STDOUT, env=environment,
                start_new_session=True, **process.as_user(user),
            )  # fmt: skip

    def text(self):
        return self.output.read_text()

    def mails(self):
        return list((self.run / "mails/new").glob("*"))

    def wait(self):
        def is_told():
            assert self.process.poll() is None, self.text()
            return "Everything stays up until Ctrl-C." in self.text()

        process.wait_until(is_told, WITHIN_S, "the demo has told its story")

    def children(self):
        """Command lines of all that has the run folder, or this demo's cluster, in it."""
        wanted = str(self.run).encode()
        found = []
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                line = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if wanted in line:
                found.append(line)
        return found

    def end(self, with_signal):
        self.process.send_signal(with_signal)
        status = self.process.wait(30)
        assert status == 0, self.text()
        process.wait_until(lambda: not self.children(), 5, "nothing is left running")
        assert "Nothing is left running." in self.text()


@pytest.fixture
def folder():
    """A folder that every user may enter."""
    with tempfile.TemporaryDirectory(prefix="hb-demo-") as name:
        yield pathlib.Path(name)


@pytest.fixture
def web_port_is_taken():
    with socket.socket() as taker:
        taker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taker.bind(("127.0.0.1", 8025))
            taker.listen()
        except OSError:
            pass  # it is taken already
        yield


def check_story(text, mails):
    assert "1. 11 courses are published" in text
    assert re.search(r"Sorrel Quenby +has opted out of alerts", text)
    assert re.search(r"Sorrel Quenby +has a place; opted out of alerts", text)
    assert "booked for Dervla Oxenholme" in text
    assert re.search(r"Bryony Ravensdale +Course changed: Phonics that sticks", text)
    assert re.search(r"Fenella Hollinshead +Reminder", text)
    assert re.search(r"alert +\d+ +\d+", text), "handbell status says nothing"
    assert len(mails) > 50


def kill_its_worker(demo):
    """As it invites its reader to do: what comes meanwhile goes when it has started it again."""
    before, told = len(demo.mails()), demo.text().count("none of them twice")
    line = next(line for line in demo.children() if b"\0worker\0" in line)
    pids = [path.parent.name for path in pathlib.Path("/proc").glob("[0-9]*/cmdline") if read(path) == line]
    (pid,) = map(int, pids)
    assert told or f"kill -9 {pid}" in demo.text()
    os.kill(pid, signal.SIGKILL)
    process.wait_until(lambda: demo.text().count("none of them twice") > told, 30, "it goes on")
    assert len(demo.mails()) == before + 5
    assert "The worker is killed (signal 9)" in demo.text()


def read(path):
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_mails_are_there_within_a_minute_a_killed_worker_goes_on_and_ctrl_c_leaves_nothing(folder, web_port_is_taken):
    demo = Run(folder)
    try:
        demo.wait()
        check_story(demo.text(), demo.mails())
        (url,) = re.findall(r"An opt-out page +(\S+)", demo.text())
        assert ":8025/" not in url
        with urllib.request.urlopen(url, timeout=10) as answer:
            assert answer.status == 200
        assert demo.children()
        for _ in range(2):
            kill_its_worker(demo)
        demo.end(signal.SIGINT)
    finally:
        demo.process.kill()
    assert len(demo.mails()) > 50, "the mails stay"


def test_a_second_start_begins_anew_and_sigterm_ends_it_early(folder):
    (folder / "run/mails/new").mkdir(parents=True)
    (folder / "run/mails/new/old").touch()
    demo = Run(folder)
    try:
        process.wait_until(lambda: "Logs and mails" in demo.text(), 20, "the demo starts")
        time.sleep(1)
        demo.end(signal.SIGTERM)
    finally:
        demo.process.kill()
    assert not (folder / "run/mails/new/old").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="it is tried as another user by root alone")
def test_an_ordinary_user_can_run_it(folder):
    user = process.unprivileged_user()
    readable = ["/usr/bin/test", "-r", str(process.ROOT / "tests/support/demo.py")]
    if subprocess.run(readable, check=False, **process.as_user(user)).returncode != 0:
        pytest.skip("the checkout lies where no other user may read")
    os.chown(folder, user.pw_uid, user.pw_gid)
    demo = Run(folder, user)
    try:
        demo.wait()
        check_story(demo.text(), demo.mails())
        demo.end(signal.SIGINT)
    finally:
        demo.process.kill()
