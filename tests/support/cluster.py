"""A private PostgreSQL cluster: made, started, killed and removed by the tests, never as root.

It listens on a unix socket in a short path, with no TCP unless asked: on 127.0.0.1, or as one of the
hosts of support/netns.py. Knows nothing of Handbell's
schema but how it is put there (support/schema.py).
"""

import atexit
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import psycopg

from tests.support import process

PORT = 5432
SUPERUSER = "postgres"
OWNER = "handbell_owner"
SAFE = {
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "256MB",
    "max_connections": "200",
    "log_min_messages": "warning",
    "timezone": "UTC",
}
FAST = {"fsync": "off", "full_page_writes": "off"}


def find_binaries():
    """The newest PostgreSQL server on this machine, 15 at least."""
    found = {}
    for initdb in pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"):
        version = initdb.parents[1].name
        if version.isdigit() and int(version) >= 15:
            found[int(version)] = initdb.parent
    if not found:
        raise RuntimeError("no PostgreSQL server 15 or newer under /usr/lib/postgresql")
    return found[max(found)]


class Cluster:
    """One server. `is_fast` gives up safety across a crash of the machine, for tests alone."""

    def __init__(self, folder=None, is_fast=False, tcp_port=None, settings=None, host=None):
        self.host = host
        self.binaries = find_binaries()
        self.user = process.unprivileged_user()
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="hb"))
        self.owned = [self.base]
        if folder is not None:
            folder = pathlib.Path(folder)
            folder.mkdir(parents=True, exist_ok=True)
            self.owned.append(folder)
        # A server that does not run as root may be barred from root's folders.
        if folder is None or not process.can_enter(self.user, folder):
            folder = self.base
        self.data = folder / "data"
        self.socket_folder = self.base / "s"
        self.log = folder / "postgresql.log"
        self.tcp_port = tcp_port
        self.process = None
        self.environment = dict(os.environ)  # of the server
        for path in (self.base, folder, self.socket_folder):
            path.mkdir(exist_ok=True)
            self.hand_over(path)
        self.log.touch()
        self.settings = {
            **SAFE,
            "listen_addresses": (host.address if host else "127.0.0.1") if tcp_port else "",
            "port": tcp_port or PORT,
            "unix_socket_directories": str(self.socket_folder),
            **(FAST if is_fast else {}),
            **(settings or {}),
        }
        atexit.register(self.remove)

    def hand_over(self, path):
        """The server's user may read and write it."""
        path.chmod(0o755)
        if self.user is not None:
            shutil.chown(path, self.user.pw_uid, self.user.pw_gid)

    def create(self):
        """initdb, and the role that will own the schema: no superuser, as at a customer's."""
        self.run(
            "initdb", "--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8",
            f"--username={SUPERUSER}", f"--pgdata={self.data}",
        )  # fmt: skip
        if self.host is not None:
            with open(self.data / "pg_hba.conf", "a", encoding="ascii") as rules:
                rules.write("host all all samenet trust\nhost replication all samenet trust\n")
        self.start()
        with self.connect("postgres", SUPERUSER) as connection:
            connection.execute(f"create role {OWNER} login createrole createdb")
        return self

    def entered(self):
        """Within it, this thread is on the server's host."""
        return self.host.entered() if self.host else contextlib.nullcontext()

    def run(self, program, *arguments):
        """One of PostgreSQL's programs, as the server's user."""
        result = subprocess.run(
            [self.binaries / program, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            **process.as_user(self.user),
        )
        if result.returncode != 0:
            raise RuntimeError(f"{program} failed:\n{result.stdout}{result.stderr}")

    def start(self):
        arguments = [self.binaries / "postgres", "-D", self.data]
        for name, value in self.settings.items():
            arguments += ["-c", f"{name}={value}"]
        with self.entered():
            self.process = process.start(
                arguments, self.log, user=self.user, death_signal=signal.SIGQUIT, cwd="/",
                env=self.environment,
            )  # fmt: skip
        process.wait_until(self._answers, 60, "PostgreSQL answers")

    def _answers(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"PostgreSQL ended:\n{self.log.read_text()[-2000:]}")
        try:
            self.connect("postgres", SUPERUSER).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self, mode="fast"):
        """mode: fast, or immediate (as after a crash: recovery at the next start)."""
        signals = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}
        process.stop(self.process, 30, signals[mode])
        self.process = None

    def restart(self, mode="immediate"):
        self.stop(mode)
        self.start()

    def kill(self):
        """kill -9 of the postmaster; its children see that and end."""
        self.process.kill()
        self.process.wait()
        self.process = None
        process.wait_until(self._is_abandoned, 30, "the killed server's children end")

    def _is_abandoned(self):
        holders = [
            folder
            for folder in pathlib.Path("/proc").glob("[0-9]*")
            if _works_in(folder, self.data)
        ]
        return not holders

    def remove(self):
        """Stops the server and leaves nothing behind."""
        atexit.unregister(self.remove)
        if self.process is not None:
            self.stop("immediate")
        for path in self.owned:
            shutil.rmtree(path, ignore_errors=True)

    def url(self, database, user=OWNER, **more):
        """A libpq connection string."""
        fields = {"host": self.socket_folder, "port": self.tcp_port or PORT}
        fields.update(dbname=database, user=user, **more)
        return " ".join(f"{name}={value}" for name, value in fields.items())

    def connect(self, database, user=OWNER, autocommit=True, **more):
        return psycopg.connect(self.url(database, user, **more), autocommit=autocommit)


def _works_in(folder, data):
    try:
        return (folder / "cwd").resolve() == data
    except OSError:
        return False
