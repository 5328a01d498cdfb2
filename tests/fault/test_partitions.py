"""Three workers, a database and a relay on hosts of their own, cut off from each other in each combination,
by silence and by refusal: nothing is lost, no alert goes twice, and a second copy of a notice is one whose
reply was lost on the way."""

import itertools
import random
import time

import pytest

from tests.support import mixed_mail, netns, process, scale
from tests.support.mail_cases import ALERT, NOTICE, found, state_mails
from tests.support.site import SERVERS, SETTINGS, WORKERS
from tests.support.smtp_ledger import Rule

LINKS = [(worker, peer) for worker in WORKERS for peer in ("db", "relay")]
# Every set of links, but the one where all is well.
SETS = [
    chosen for size in range(1, len(LINKS) + 1) for chosen in itertools.combinations(LINKS, size)
]
# In turn: one after the other, in the same run.
MODES = scale.pick(("in turn",), netns.MODES)


def cut_and_heal(one, links, mode, number, seconds):
    mode = netns.MODES[number % 2] if mode == "in turn" else mode
    for worker, peer in links:
        one.net.cut(worker, peer, mode)
    time.sleep(seconds)
    for worker, peer in links:
        one.net.heal(worker, peer)


@pytest.mark.parametrize("mode", MODES)
def test_no_partition_loses_a_mail_or_sends_an_alert_twice(make_site, mode, report):
    chance = random.Random(5)
    sets = SETS if scale.FULL else [(LINKS[0], LINKS[1]), SETS[-1]]
    one = make_site().start_load(len(sets) * scale.pick(1, 2))
    for number, links in enumerate(sets):
        one.pace.keep((number + 1) / (len(sets) + 1))
        cut_and_heal(one, links, mode, number, chance.uniform(0.3, scale.pick(2.0, 4.0)))
        one.group.check_running()
    account = one.finish()
    report(f"{len(sets)} partitions by {mode}, {one.load.total} mails: {account.summary()}")


@pytest.mark.parametrize("mode", MODES)
def test_cut_off_from_the_database_alone_nothing_goes_twice_at_all(make_site, mode, report):
    count = scale.pick(2, 20)
    one = make_site().start_load(count * 2)
    for number in range(count):
        one.pace.keep((number + 1) / (count + 1))
        cut_and_heal(one, [(WORKERS[number % 3], "db")], mode, number, scale.pick(1.5, 4.0))
    account = one.finish()
    report(f"{count} partitions by {mode}, {one.load.total} mails: {account.summary()}")
    account.check_nothing_twice()


def test_while_primary_and_standby_are_parted_commits_wait_and_nothing_goes_twice(make_site, report):
    count = scale.pick(1, 10)
    one = make_site(has_standby=True).start_load(count * 2)
    for number in range(count):
        one.pace.keep((number + 1) / (count + 1))
        cut_and_heal(one, [SERVERS], "in turn", number, scale.pick(1.5, 4.0))
    account = one.finish()
    report(f"{count} partitions, {one.load.total} mails: {account.summary()}")
    account.check_nothing_twice()


def test_the_primarys_host_falls_silent_and_its_standby_goes_on_nothing_goes_twice(make_site, report):
    count = scale.pick(1, 5)
    one = make_site(has_standby=True).start_load(count * 3)
    for number in range(count):
        one.pace.keep((number + 1) / (count + 1))
        gone = SERVERS[one.pair.place]
        others = [name for name in one.net.hosts if name != gone]
        for other in others:
            one.net.cut(gone, other)
        one.pair.promote()
        one.net.heal_all()
        one.pair.add_standby()
    account = one.finish()
    report(f"{count} hosts lost, {one.load.total} mails: {account.summary()}")
    account.check_nothing_twice()


@pytest.mark.parametrize("mode", scale.pick(netns.MODES[1:], netns.MODES))
def test_cut_off_for_longer_than_the_grace_the_others_take_over(make_site, mode):
    """It still gets the relay's replies, too late for the notice; its alert is not sent by others."""
    one = make_site({**SETTINGS, "worker": {"lease_s": 1, "takeover_grace_s": 2}, "smtp": {}})
    cut_off = one.group.add(one.net["w0"])
    one.ledger.set_rules(Rule("gate", "reply", "hold", client=cut_off))
    state_mails(one.demo, ["late"])
    one.ledger.wait_for_held(2)
    one.group.add(one.net["w1"])
    one.net.cut("w0", "db", mode)
    owner = one.connect()
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
