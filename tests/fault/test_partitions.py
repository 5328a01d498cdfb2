"""Three workers, a database and a relay on hosts of their own, cut off from each other in each combination,
by silence and by refusal: nothing is lost, no alert goes twice, and a second copy of a notice is one whose
reply was lost on the way."""

import itertools
import random
import time
import types

import psycopg
import pytest

from tests.support import mixed_mail, netns, process, scale
from tests.support.mail_cases import ALERT, NOTICE, found, state_mails
from tests.support.portal import Portal
from tests.support.programs import Programs
from tests.support.schema import OWNER, PORTAL, Databases
from tests.support.smtp_ledger import Ledger, Rule
from tests.support.standby import Pair
from tests.support.worker_group import Pace, WorkerGroup

WORKERS = ("w0", "w1", "w2")
SERVERS = ("db", "db2")
LINKS = [(worker, peer) for worker in WORKERS for peer in ("db", "relay")]
# Every set of links, but the one where all is well.
SETS = [
    chosen for size in range(1, len(LINKS) + 1) for chosen in itertools.combinations(LINKS, size)
]
SETTINGS = {
    # The grace is longer than any partition here.
    "worker": {"lease_s": 2, "takeover_grace_s": 120},
    "database": {"connect_timeout": 2, "query_timeout": 1},
    "smtp": {
        f"{step}_timeout": 1
        for step in ("connect", "greeting", "hello", "mail", "rcpt", "data", "block", "end", "quit")
    },
}
# In turn: one after the other, in the same run.
MODES = scale.pick(("in turn",), netns.MODES)
WHY_NOT = netns.why_not()
pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))


@pytest.fixture
def site(tmp_path):
    """site(): hosts, database, ledger. Its start(rounds) begins a load on three workers."""
    ended = []

    def build(settings=None, has_standby=False):
        net = netns.Net(*SERVERS, "relay", *WORKERS)
        ended.append(net.close)
        pair = Pair(hosts=[net[name] for name in SERVERS]).create(has_standby)
        ended.append(pair.remove)
        ledger = Ledger(net["relay"])
        ended.append(ledger.stop)
        name = Databases(pair.primary).make()
        programs = Programs(tmp_path, pair, name)
        ended.append(programs.stop)

        # The portal and its staff are on the primary's own host.
        def connect(user):
            options = "-csearch_path=handbell"
            return psycopg.connect(pair.primary.url(name, user), autocommit=True, options=options)

        demo = Portal(connect(PORTAL))
        demo.put_tenant()
        group = WorkerGroup(programs, ledger, count=0, settings=settings or SETTINGS)
        return types.SimpleNamespace(
            net=net, pair=pair, ledger=ledger, connect=connect, demo=demo, group=group
        )

    yield build
    for end in reversed(ended):
        end()


def start_load(one, rounds):
    one.load = mixed_mail.MixedMail(one.demo, rounds, reconnect=lambda: one.connect(PORTAL))
    one.load.state_people()
    for worker in WORKERS:
        one.group.add(one.net[worker])
    one.pace = Pace(one.ledger, one.load)
    return one


def cut_and_heal(one, links, mode, number, seconds):
    mode = netns.MODES[number % 2] if mode == "in turn" else mode
    for worker, peer in links:
        one.net.cut(worker, peer, mode)
    time.sleep(seconds)
    for worker, peer in links:
        one.net.heal(worker, peer)


def finish(one):
    """The account of a load, once all that is to hold of any does."""
    owner = one.connect(OWNER)
    assert not mixed_mail.is_done(owner), "all was sent before the last partition"
    one.pace.end()
    one.group.finish(owner)
    account = mixed_mail.Account(owner, one.ledger, doubt_s=float("inf"))
    account.check(one.load.expected())
    return account


@pytest.mark.parametrize("mode", MODES)
def test_no_partition_loses_a_mail_or_sends_an_alert_twice(site, mode, report):
    chance = random.Random(5)
    sets = SETS if scale.FULL else [(LINKS[0], LINKS[1]), SETS[-1]]
    one = start_load(site(), len(sets) * scale.pick(1, 2))
    for number, links in enumerate(sets):
        one.pace.keep((number + 1) / (len(sets) + 1))
        cut_and_heal(one, links, mode, number, chance.uniform(0.3, scale.pick(2.0, 4.0)))
        one.group.check_running()
    account = finish(one)
    report(f"{len(sets)} partitions by {mode}, {one.load.total} mails: {account.summary()}")


@pytest.mark.parametrize("mode", MODES)
def test_cut_off_from_the_database_alone_nothing_goes_twice_at_all(site, mode, report):
    count = scale.pick(2, 20)
    one = start_load(site(), count * 2)
    for number in range(count):
        one.pace.keep((number + 1) / (count + 1))
        cut_and_heal(one, [(WORKERS[number % 3], "db")], mode, number, scale.pick(1.5, 4.0))
    account = finish(one)
    report(f"{count} partitions by {mode}, {one.load.total} mails: {account.summary()}")
    account.check_nothing_twice()


def test_while_primary_and_standby_are_parted_commits_wait_and_nothing_goes_twice(site, report):
    count = scale.pick(1, 10)
    one = start_load(site(has_standby=True), count * 2)
    for number in range(count):
        one.pace.keep((number + 1) / (count + 1))
        cut_and_heal(one, [SERVERS], "in turn", number, scale.pick(1.5, 4.0))
    account = finish(one)
    report(f"{count} partitions, {one.load.total} mails: {account.summary()}")
    account.check_nothing_twice()


def test_the_primarys_host_falls_silent_and_its_standby_goes_on_nothing_goes_twice(site, report):
    count = scale.pick(1, 5)
    one = start_load(site(has_standby=True), count * 3)
    for number in range(count):
        one.pace.keep((number + 1) / (count + 1))
        gone = SERVERS[one.pair.place]
        others = [name for name in one.net.hosts if name != gone]
        for other in others:
            one.net.cut(gone, other)
        one.pair.promote()
        one.net.heal_all()
        one.pair.add_standby()
    account = finish(one)
    report(f"{count} hosts lost, {one.load.total} mails: {account.summary()}")
    account.check_nothing_twice()


@pytest.mark.parametrize("mode", scale.pick(netns.MODES[1:], netns.MODES))
def test_cut_off_for_longer_than_the_grace_the_others_take_over(site, mode):
    """It still gets the relay's replies, too late for the notice; its alert is not sent by others."""
    one = site({**SETTINGS, "worker": {"lease_s": 1, "takeover_grace_s": 2}, "smtp": {}})
    cut_off = one.group.add(one.net["w0"])
    one.ledger.set_rules(Rule("gate", "reply", "hold", client=cut_off))
    state_mails(one.demo, ["late"])
    one.ledger.wait_for_held(2)
    one.group.add(one.net["w1"])
    one.net.cut("w0", "db", mode)
    owner = one.connect(OWNER)
    taken_over = {ALERT: ("uncertain", 1), NOTICE: ("sent", 2)}
    process.wait_until(lambda: found(owner, one.ledger) == {"late": taken_over}, 60, "taken over", 0.2)
    state_mails(one.demo, ["next"], "two")
    process.wait_until(lambda: mixed_mail.is_done(owner), 20, "the other one sends")
    one.ledger.set_rules()
    one.ledger.release()
    one.net.heal("w0", "db")
    once = {ALERT: ("sent", 1), NOTICE: ("sent", 1)}
    late = {ALERT: ("sent", 1), NOTICE: ("sent", 2)}
    process.wait_until(
        lambda: found(owner, one.ledger) == {"late": late, "next": once}, 30, "the late word counts", 0.2
    )
    assert {mail.clients[0] for mail in one.ledger.mails().values() if "next" in mail.to[0]} == {
        "w1.example"
    }
