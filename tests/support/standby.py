"""A primary and its standby (streaming replication), to be killed, promoted and wired anew.

Stands in for a Cluster: its URLs name both servers, and libpq finds the one that takes writes. Knows
nothing of Handbell's schema.
"""

import atexit
import contextlib
import os
import pathlib
import shutil
import signal
import tempfile

from tests.support import process
from tests.support.cluster import OWNER, PORT, SUPERUSER, Cluster

# The tests kill processes, never the machine: what was written is there, synchronised or not.
SETTINGS = {"fsync": "off", "wal_keep_size": "512MB", "max_wal_senders": "5"}


class Pair:
    """Two servers in two places. `hosts` are two of tests/support/netns.py; without them both are
    reached by unix sockets. `is_synchronous`: no commit is answered before the standby has it."""

    def __init__(self, is_synchronous=True, hosts=(None, None), settings=None):
        self.is_synchronous = is_synchronous
        self.hosts = tuple(hosts)
        self.settings = {**SETTINGS, **(settings or {})}
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="hb"))
        self.base.chmod(0o755)
        self.place = 0  # of the primary
        self.primary = self._make_server(0)
        self.standby = None
        self.held_senders = []
        atexit.register(self.remove)

    def _make_server(self, place):
        host = self.hosts[place]
        server = Cluster(tcp_port=PORT if host else None, settings=self.settings, host=host)
        sockets = self.base / str(place)
        sockets.mkdir(exist_ok=True)
        server.hand_over(sockets)
        server.settings["unix_socket_directories"] += f",{sockets}"
        return server

    def create(self, has_standby=True):
        """The servers are up; Databases(pair.primary) puts Handbell there (support/schema.py)."""
        self.primary.create()
        if has_standby:
            self.add_standby()
        return self

    def add_standby(self):
        """A copy of the primary that follows it; returns once it streams."""
        standby = self._make_server(1 - self.place)
        standby.run(
            "pg_basebackup", "--no-sync", "--checkpoint=fast", "--wal-method=stream",
            f"--dbname={self.primary.url('postgres', SUPERUSER)}", f"--pgdata={standby.data}",
        )  # fmt: skip
        (standby.data / "standby.signal").touch()
        source = {"host": self.primary.socket_folder, "port": PORT}
        if self.primary.host is not None:
            source["host"] = self.primary.host.address
        standby.settings["primary_conninfo"] = _conninfo(
            {**source, "user": SUPERUSER, "application_name": "standby"}
        )
        standby.start()
        self.standby = standby
        process.wait_until(self.is_streaming, 30, "the standby streams")
        if self.is_synchronous:
            self._set_synchronous("*")
        return standby

    def is_streaming(self):
        rows = self._ask(self.primary, "select state from pg_stat_replication")
        return ("streaming",) in rows

    def wait_until_caught_up(self):
        """The standby has all that the primary has written by now."""
        ((written,),) = self._ask(self.primary, "select pg_current_wal_insert_lsn()::text")
        process.wait_until(
            lambda: self._ask(
                self.primary,
                f"select count(*) from pg_stat_replication where flush_lsn >= '{written}'",
            ) == [(1,)],
            30,
            "the standby has caught up",
        )  # fmt: skip

    @staticmethod
    def _ask(server, statement):
        with server.connect("postgres", SUPERUSER, options="-cstatement_timeout=10s") as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def _set_synchronous(self, names):
        self._ask(self.primary, f"alter system set synchronous_standby_names = '{names}'")
        self._ask(self.primary, "select pg_reload_conf()")
        process.wait_until(
            lambda: self._ask(self.primary, "show synchronous_standby_names") == [(names,)],
            10,
            "the setting holds",
        )

    @contextlib.contextmanager
    def standby_held_up(self):
        """Meanwhile nothing reaches the standby: what an asynchronous primary commits then is lost with
        it, and a synchronous one answers no commit."""
        self.held_senders = [row[0] for row in self._ask(
            self.primary, "select pid from pg_stat_replication where state = 'streaming'")]  # fmt: skip
        for sender in self.held_senders:
            os.kill(sender, signal.SIGSTOP)
        try:
            yield
        finally:
            for sender in self.held_senders:
                os.kill(sender, signal.SIGCONT)
            self.held_senders = []

    def kill_primary(self):
        """kill -9 of the primary's postmaster; its children see that and end."""
        self.primary.process.kill()
        for sender in self.held_senders:  # they see nothing
            os.kill(sender, signal.SIGKILL)
        self.held_senders = []
        self.primary.kill()

    def promote(self):
        """The standby is the primary from now on and alone; the one before must be gone, and is removed."""
        self.primary.remove()
        self.primary, self.standby, self.place = self.standby, None, 1 - self.place
        self._ask(self.primary, "select pg_promote(true, 60)")
        process.wait_until(
            lambda: self._ask(self.primary, "select pg_is_in_recovery()") == [(False,)],
            60,
            "the standby is promoted",
        )
        self._set_synchronous("")

    def fail_over(self):
        """kill -9 of the primary, promotion of the standby, and a new standby for that one."""
        self.kill_primary()
        self.promote()
        self.add_standby()

    def remove(self):
        atexit.unregister(self.remove)
        for server in (self.standby, self.primary):
            if server is not None:
                server.remove()
        self.standby = None
        shutil.rmtree(self.base, ignore_errors=True)

    # ---- What a Cluster answers.

    def url(self, database, user=OWNER, **more):
        """A libpq connection string of both places: it holds after a fail-over, too."""
        folders = [host.address if host else self.base / str(n) for n, host in enumerate(self.hosts)]
        return _conninfo(
            {
                "host": ",".join(str(folder) for folder in folders),
                "port": f"{PORT},{PORT}",
                "dbname": database,
                "user": user,
                "target_session_attrs": "read-write",
                **more,
            }
        )

    def connect(self, database, user=OWNER, autocommit=True, **more):
        """A connection to the present primary, by its own unix socket."""
        return self.primary.connect(database, user, autocommit, **more)


def _conninfo(fields):
    return " ".join(f"{name}={value}" for name, value in fields.items())
