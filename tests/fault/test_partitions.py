"""Three workers, a database and a relay on hosts of their own, cut off from each other in each combination,
by silence and by refusal: nothing is lost, no alert goes twice, and a second copy of a notice is one whose
reply was lost on the way."""

import itertools
import random
import time
import types

import psycopg
import pytest

from tests.support import mixed_mail, netns, scale
from tests.support.portal import Portal
from tests.support.programs import Programs
from tests.support.schema import OWNER, PORTAL, Databases
from tests.support.smtp_ledger import Ledger
from tests.support.standby import Pair
from tests.support.worker_group import Pace, WorkerGroup

WORKERS = ("w0", "w1", "w2")
LINKS = [(worker, peer) for worker in WORKERS for peer in ("db", "relay")]
# Every set of links, but the one where all is well.
SETS = [
    chosen for size in range(1, len(LINKS) + 1) for chosen in itertools.combinations(LINKS, size)
]
ROUNDS_EACH = scale.pick(2, 2)
SETTINGS = {
    # The grace is longer than any partition here.
    "worker": {"lease_s": 2, "takeover_grace_s": 120},
    "database": {"connect_timeout": 2, "query_timeout": 1},
    "smtp": {
        f"{step}_timeout": 1
        for step in ("connect", "greeting", "hello", "mail", "rcpt", "data", "block", "end", "quit")
    },
}
WHY_NOT = netns.why_not()
pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))


@pytest.fixture
def site(tmp_path):
    """site(partitions): hosts, database, ledger, three workers, and the load for so many partitions."""
    ended = []

    def build(partitions, settings=SETTINGS):
        net = netns.Net("db", "db2", "relay", *WORKERS)
        ended.append(net.close)
        server = Pair(hosts=(net["db"], net["db2"])).create(has_standby=False)
        ended.append(server.remove)
        ledger = Ledger(net["relay"])
        ended.append(ledger.stop)
        name = Databases(server.primary).make()
        programs = Programs(tmp_path, server, name)
        ended.append(programs.stop)

        # The portal is on the database's own host.
        def connect(user):
            options = "-csearch_path=handbell"
            return psycopg.connect(server.primary.url(name, user), autocommit=True, options=options)

        load = mixed_mail.MixedMail(Portal(connect(PORTAL)), partitions * ROUNDS_EACH)
        load.state_people()
        load.demo.call("go_live")
        group = WorkerGroup(programs, ledger, settings=settings, hosts=[net[w] for w in WORKERS])
        return types.SimpleNamespace(
            net=net, ledger=ledger, load=load, group=group, owner=connect(OWNER),
            pace=Pace(ledger, load),
        )  # fmt: skip

    yield build
    for end in reversed(ended):
        end()


def cut_and_heal(one, links, mode, seconds):
    for worker, peer in links:
        one.net.cut(worker, peer, mode)
    time.sleep(seconds)
    for worker, peer in links:
        one.net.heal(worker, peer)


def check(one):
    account = mixed_mail.Account(one.owner, one.ledger, doubt_s=float("inf"))
    account.check(one.load.expected())
    return account


@pytest.mark.parametrize("mode", netns.MODES)
def test_no_partition_loses_a_mail_or_sends_an_alert_twice(site, mode, report):
    chance = random.Random(5)
    sets = SETS if scale.FULL else [SETS[0], SETS[1], (LINKS[0], LINKS[1]), SETS[-1]]
    one = site(len(sets))
    for number, links in enumerate(sets):
        one.pace.keep((number + 1) / (len(sets) + 1))
        cut_and_heal(one, links, mode, chance.uniform(0.3, scale.pick(2.5, 4.0)))
        one.group.check_running()
    one.pace.end()
    one.group.finish(one.owner)
    account = check(one)
    report(f"{len(sets)} partitions by {mode}, {one.load.total} mails: {account.summary()}")


@pytest.mark.parametrize("mode", netns.MODES)
def test_cut_off_from_the_database_alone_nothing_goes_twice_at_all(site, mode, report):
    count = scale.pick(3, 20)
    one = site(count)
    for number in range(count):
        one.pace.keep((number + 1) / (count + 1))
        cut_and_heal(one, [(WORKERS[number % 3], "db")], mode, scale.pick(1.5, 4.0))
    one.pace.end()
    one.group.finish(one.owner)
    account = check(one)
    report(f"{count} partitions by {mode}, {one.load.total} mails: {account.summary()}")
    assert account.duplicates(mixed_mail.NOTICES) == {}
    assert {state for _, state in account.states()} <= {"sent", "failed"}, account.states()
