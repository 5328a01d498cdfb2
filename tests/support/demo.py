"""`./dev run`: the whole of Handbell on this machine alone, with a made-up portal, until Ctrl-C.

It starts what a real installation has (PostgreSQL, a mail server, worker, pages), states facts as a
portal would, and leaves the telling to tests/support/demo_story.py.
"""

import fcntl
import os
import pathlib
import shutil
import signal
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.support import demo_facts, demo_story, programs, schema  # noqa: E402
from tests.support.cluster import Cluster  # noqa: E402
from tests.support.mail_store import MailboxProcess  # noqa: E402
from tests.support.portal import Portal  # noqa: E402

DATABASE = "handbell"
TENANT = "demo"
WEB_PORT = 8025


class Ended(Exception):
    """Somebody asked us to end."""


def end_on_signals():
    def end(number, frame):
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, signal.SIG_IGN)
        raise Ended

    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, end)


def fill_standard_streams():
    """A closed standard stream would be given to the next file that is opened."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def take_run_folder():
    """build/run, empty, for us alone: (folder, lock that is held while this lives)."""
    folder = pathlib.Path(os.environ.get("HANDBELL_RUN", ROOT / "build/run")).absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        lock = open(f"{folder}.lock", "w", encoding="ascii")
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit("dev run: another one is running here (end it by its Ctrl-C)")
    except PermissionError:
        sys.exit(f"dev run: {folder}.lock belongs to another user; remove it and {folder}")
    try:
        if folder.exists():
            shutil.rmtree(folder)
    except PermissionError as error:
        sys.exit(f"dev run: {error.filename} belongs to another user; remove {folder}")
    folder.mkdir()
    return folder, lock


def find_binary():
    build = pathlib.Path(os.environ.get("HANDBELL_BUILD", ROOT / "build/release"))
    binary = pathlib.Path(os.environ.get("HANDBELL_BINARY", build / "handbell")).absolute()
    if not binary.exists():
        sys.exit(f"dev run: {binary} has not been built (./dev build release)")
    os.environ["HANDBELL_BINARY"] = str(binary)


class Demo:
    """Everything that runs."""

    def __init__(self, folder):
        self.folder = folder
        self.cluster = None
        self.mailbox = None
        self.programs = None
        self.worker = None
        self.portal = None
        self.owner = None
        self.url = None

    def start(self):
        self.cluster = Cluster(self.folder / "postgresql", is_fast=True)
        self.cluster.create()
        with self.cluster.connect("postgres") as connection:
            connection.execute(f"create database {DATABASE}")
        schema.migrate(self.cluster, DATABASE)
        self.owner = self.cluster.connect(DATABASE)
        for login, role in schema.LOGINS.items():
            self.owner.execute(f"create role {login} login in role {role}")
        schema.grant_tenant(self.owner, schema.PORTAL, TENANT)
        self.mailbox = MailboxProcess(self.folder / "mails", self.folder / "mail-server.log")
        self.programs = programs.Programs(self.folder, self.cluster, DATABASE)
        _, self.url = self.programs.start_web(WEB_PORT)
        self.portal = Portal(self.cluster.connect(DATABASE, schema.PORTAL), TENANT)

    def load(self):
        """What the portal holds already when it starts to use Handbell: nobody is mailed."""
        facts = {**demo_facts.TENANT, "base_url": self.url}
        self.portal.call("put_tenant", facts)
        for ref, name in demo_facts.SCHOOLS.items():
            urgent = f"urgent@{ref}.example.org"
            self.portal.put_establishment(ref, name=name, urgent_email=urgent)
        for ref, (kind, name) in demo_facts.CATEGORIES.items():
            self.portal.put_category(ref, kind, name=name)
        self.put_all("person", demo_facts.people())
        self.put_all("course", demo_facts.courses())
        self.portal.call("go_live")
        self.worker = self.programs.start_worker(self.mailbox.url, name="worker")

    def put_all(self, kind, facts_by_ref):
        items = [{"ref": ref, **facts} for ref, facts in facts_by_ref.items()]
        for ref, _, problem in self.portal.put_many(kind, items):
            if problem is not None:
                raise RuntimeError(f"the demo's {kind} {ref}: {problem}")

    def killed(self):
        """Worker and pages that somebody has killed. What ended by itself, or is not ours, is an error."""
        if self.mailbox.process.poll() is not None:
            raise RuntimeError("the mail server ended")
        gone = [program for program in self.programs.all if not program.is_running()]
        for program in gone:
            status = program.process.returncode
            if status >= 0:
                raise RuntimeError(f"handbell {program.word} ended with status {status}: see {program.log}")
        return gone

    def keep_running(self):
        """Starts again what was killed, as systemd does in an installation, and says so."""
        for program in self.killed():
            demo_story.say_killed(program)
            program.start()

    def wait_for_ctrl_c(self, story):
        while True:
            time.sleep(0.2)
            if self.worker in self.killed():
                demo_story.tell_kill(story)
            self.keep_running()

    def stop(self):
        """Ends everything; the mails and logs stay until the next start."""
        for connection in (self.owner, self.portal and self.portal.connection):
            if connection is not None:
                connection.close()
        if self.programs is not None:
            self.programs.stop()
        if self.mailbox is not None:
            self.mailbox.stop()
        if self.cluster is not None:
            self.cluster.remove()


def main():
    fill_standard_streams()
    find_binary()
    folder, lock = take_run_folder()
    demo = Demo(folder)
    status = 0
    try:
        end_on_signals()
        demo_story.say_start(folder)
        demo.start()
        demo.load()
        demo.wait_for_ctrl_c(demo_story.tell(demo))
    except Ended:
        print("\nEnding.", flush=True)
    except (RuntimeError, AssertionError, OSError) as error:
        print(f"\ndev run: {error}\nLogs are in {folder}.", file=sys.stderr, flush=True)
        status = 1
    finally:
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, signal.SIG_IGN)
        demo.stop()
        lock.close()
    print(f"Nothing is left running. The mails are in {folder / 'mails' / 'new'}.", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
