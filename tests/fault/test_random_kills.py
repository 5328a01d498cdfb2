"""Three workers, killed again and again at random in mixed mail: nothing is lost, nobody is alerted twice,
and a second copy of a notice is one that was on the wire when its sender was killed."""

import random
import time

from tests.support import mixed_mail, scale
from tests.support.worker_group import Pace, WorkerGroup

KILLS = scale.pick(14, 200)
ROUNDS = scale.pick(14, 200)
LATE_KILLS = scale.pick(3, 40)
# The grace is longer than any pause here: each comes back and says what became of its own.
SETTINGS = {"worker": {"lease_s": 2, "takeover_grace_s": 60}}


def test_killed_at_random_in_mixed_mail_nothing_is_lost_and_no_alert_goes_twice(
    handbell, ledger, demo, owner, report
):
    chance = random.Random(11)
    load = mixed_mail.MixedMail(demo, ROUNDS)
    load.state_people()
    pace = Pace(ledger, load)
    group = WorkerGroup(handbell, ledger, settings=SETTINGS)
    for kill in range(KILLS):
        pace.keep(kill / KILLS)
        pace.pause(0.5)
        victim = chance.choice(group.names)
        group.kill(victim)
        time.sleep(chance.choice([0.0, 0.0, 0.1]))
        group.start(victim)
    assert not mixed_mail.is_done(owner), "all was sent before the last kill"
    pace.end()
    group.finish(owner)
    account = mixed_mail.Account(owner, ledger)
    report(f"{KILLS} kills, {load.total} mails: {account.summary()}")
    account.check(load.expected())
    assert account.unexplained_doubts() == []


def test_killed_and_back_after_the_others_took_over_no_alert_goes_twice(
    handbell, ledger, demo, owner, report
):
    """The others know nothing of what was on the wire: a notice may go twice that the relay had taken just
    before its sender was killed, and no other."""
    chance = random.Random(12)
    load = mixed_mail.MixedMail(demo, LATE_KILLS * 4)
    load.state_people()
    pace = Pace(ledger, load)
    group = WorkerGroup(
        handbell, ledger, settings={"worker": {"lease_s": 1, "takeover_grace_s": 2}}
    )
    for kill in range(LATE_KILLS):
        pace.keep(kill / LATE_KILLS)
        pace.pause(0.5)
        victim = group.names[kill % 2]
        group.kill(victim)
        time.sleep(chance.choice(scale.pick([0.0, 0.0, 8.0], [0.0, 2.0, 4.0, 8.0, 14.0])))
        group.start(victim)
    assert not mixed_mail.is_done(owner), "all was sent before the last kill"
    pace.end()
    group.finish(owner)
    account = mixed_mail.Account(owner, ledger, doubt_s=float("inf"))
    report(f"{LATE_KILLS} kills, {load.total} mails: {account.summary()}")
    assert account.copies_without_kill(group.kills) == []
    account.check(load.expected(), duplicates_are_explained=False)
