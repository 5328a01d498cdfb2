"""A whole installation on hosts of its own (support/netns.py): primary and standby, relay, three workers; and
the load that it carries while it is cut up."""

import psycopg

from tests.support import mixed_mail, netns
from tests.support.portal import Portal
from tests.support.programs import Programs
from tests.support.schema import OWNER, PORTAL, Databases
from tests.support.smtp_ledger import Ledger
from tests.support.standby import Pair
from tests.support.worker_group import Pace, WorkerGroup

WORKERS = ("w0", "w1", "w2")
SERVERS = ("db", "db2")
# Impatient, so that a partition of a second is felt; the grace is longer than any partition.
SETTINGS = {
    "worker": {"lease_s": 2, "takeover_grace_s": 120},
    "database": {"connect_timeout": 2, "query_timeout": 1},
    "smtp": {
        f"{step}_timeout": 1
        for step in ("connect", "greeting", "hello", "mail", "rcpt", "data", "block", "end", "quit")
    },
}


class Site:
    """Without workers at first. `pair` the servers, `ledger` the relay, `demo` the portal, which is on the
    primary's own host, as its staff (`connect`) are."""

    def __init__(self, folder, settings=None, has_standby=False):
        self.net = netns.Net(*SERVERS, "relay", *WORKERS)
        self.pair = Pair(hosts=[self.net[name] for name in SERVERS])
        self.ledger = Ledger(self.net["relay"])
        self.load = None
        self.pace = None
        self.programs = None
        try:
            self.pair.create(has_standby)
            self.database = Databases(self.pair.primary).make()
            self.programs = Programs(folder, self.pair, self.database)
            self.group = WorkerGroup(
                self.programs, self.ledger, count=0, settings=settings or SETTINGS
            )
            self.demo = Portal(self.connect(PORTAL))
            self.demo.put_tenant()
        except BaseException:
            self.close()
            raise

    def connect(self, user=OWNER):
        return psycopg.connect(
            self.pair.primary.url(self.database, user),
            autocommit=True,
            options="-csearch_path=handbell",
        )

    def start_load(self, rounds):
        """Three workers, and people for so many rounds of mixed mail."""
        self.load = mixed_mail.MixedMail(
            self.demo, rounds, reconnect=lambda: self.connect(PORTAL)
        )
        self.load.state_people()
        for worker in WORKERS:
            self.group.add(self.net[worker])
        self.pace = Pace(self.ledger, self.load)
        return self

    def finish(self, timeout_s=120):
        """The rest goes in peace: the account, once all holds that is to hold whatever was cut."""
        owner = self.connect()
        assert not mixed_mail.is_done(owner), "all was sent before the last trouble"
        self.pace.end()
        self.group.finish(owner, timeout_s)
        account = mixed_mail.Account(owner, self.ledger, doubt_s=float("inf"))
        account.check(self.load.expected())
        return account

    def close(self):
        if self.programs is not None:
            self.programs.stop()
        self.ledger.stop()
        self.pair.remove()
        self.net.close()
