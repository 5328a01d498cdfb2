"""One of three workers is killed (kill -9) at each place of a mail's way: while the relay is asked, within
the mail, after its end, after the reply, after the commit, and while it shuts down.

An alert and a cancellation are at that place together. Whoever comes back says what it knows from its
journal; of whoever stays away the others take over, and know nothing.
"""

import base64
import contextlib
import pathlib
import signal
import time

import pytest

from tests.support import mixed_mail, netns, process
from tests.support.cluster import SUPERUSER
from tests.support.mail_cases import ALERT, NOTICE, found, state_mails
from tests.support.portal import in_days
from tests.support.smtp_ledger import Ledger, Rule
from tests.support.worker_group import WorkerGroup

GRACE_S = 3
SETTINGS = {"smtp": {"connections": 12}, "worker": {"lease_s": 1, "takeover_grace_s": GRACE_S}}
ONCE = {ALERT: ("sent", 1), NOTICE: ("sent", 1)}
IN_DOUBT = {ALERT: ("uncertain", 1), NOTICE: ("sent", 2)}
IN_DOUBT_NOT_TAKEN = {ALERT: ("uncertain", 0), NOTICE: ("sent", 1)}
# A case: where the relay holds the mail, and what becomes of it when its worker was killed there and
# comes back, and when others took over.
CASES = {
    "data": (Rule("data", "data", "hold", to=".*-data@.*"), ONCE, IN_DOUBT_NOT_TAKEN),
    "taken": (Rule("taken", "reply", "hold", to=".*-taken@.*"), IN_DOUBT, IN_DOUBT),
    "untaken": (
        Rule("untaken", "reply", "hold", to=".*-untaken@.*", accepts=False),
        IN_DOUBT_NOT_TAKEN, IN_DOUBT_NOT_TAKEN,
    ),
}  # fmt: skip


def kill_and_let_go(group, ledger, names):
    for name in names:
        group.kill(name)
    ledger.set_rules()
    ledger.release()


def wait_for_end(owner):
    process.wait_until(lambda: mixed_mail.is_done(owner), 30, "all has ended", 0.1)


@pytest.mark.parametrize("is_shutting_down", [False, True], ids=["", "while it shuts down"])
def test_killed_at_each_place_and_back(handbell, ledger, demo, owner, is_shutting_down):
    ledger.set_rules(*[rule for rule, _, _ in CASES.values()])
    group = WorkerGroup(handbell, ledger, settings=SETTINGS)
    state_mails(demo, CASES)
    victims = {one["client"] for one in ledger.wait_for_held(2 * len(CASES))}
    if is_shutting_down:
        for name in victims:
            group[name].process.send_signal(signal.SIGTERM)
        for name in victims:
            wait_for_log(group[name], "event=worker_stopping")
    kill_and_let_go(group, ledger, victims)
    for name in victims:
        group.start(name)
    wait_for_end(owner)
    assert found(owner, ledger) == {case: if_back for case, (_, if_back, _) in CASES.items()}


def wait_for_log(worker, text, count=1):
    process.wait_until(
        lambda: worker.log_text().count(text) >= count, 10, f"the log says {text} {count} times"
    )


@contextlib.contextmanager
def nothing_can_be_recorded(handbell):
    with handbell.cluster.connect(handbell.database, SUPERUSER, autocommit=False) as holder:
        holder.execute("select from handbell.message for update")
        yield
        holder.rollback()


def test_killed_after_the_reply_and_before_the_commit_and_back(handbell, ledger, demo, owner):
    ledger.set_rules(Rule("gate", "reply", "hold"))
    group = WorkerGroup(handbell, ledger, settings=SETTINGS)
    state_mails(demo, ["replied"])
    victims = {one["client"] for one in ledger.wait_for_held(2)}
    with nothing_can_be_recorded(handbell):
        ledger.set_rules()
        ledger.release()
        for name in victims:
            wait_for_log(group[name], "event=outcomes_refused")
            group.kill(name)
    for name in victims:
        group.start(name)
    wait_for_end(owner)
    assert found(owner, ledger) == {"replied": ONCE}


def test_killed_at_each_place_and_never_back_the_others_take_over(handbell, ledger, demo, owner):
    cases = [*CASES, "replied"]
    ledger.set_rules(
        *[rule for rule, _, _ in CASES.values()], Rule("replied", "reply", "hold", to=".*-replied@.*")
    )
    group = WorkerGroup(handbell, ledger, count=1, settings=SETTINGS)
    state_mails(demo, cases)
    ledger.wait_for_held(2 * len(cases))
    group.add()
    group.add()
    victim = group.names[0]
    with nothing_can_be_recorded(handbell):
        ledger.release("replied")
        wait_for_log(group[victim], "event=outcomes_refused")
        kill_and_let_go(group, ledger, [victim])
    wait_for_end(owner)
    expected = {case: if_away for case, (_, _, if_away) in CASES.items()}
    assert found(owner, ledger) == {**expected, "replied": IN_DOUBT}
    # Better late: its journal knows that the alert was taken.
    group.start(victim)
    process.wait_until(
        lambda: found(owner, ledger)["replied"][ALERT] == ("sent", 1), 10, "the late word counts"
    )
    wait_for_end(owner)
    late = {ALERT: ("sent", 1), NOTICE: ("sent", 2)}
    assert found(owner, ledger) == {**expected, "replied": late}


def test_killed_after_the_commit_nothing_more_happens(handbell, ledger, demo, owner):
    group = WorkerGroup(handbell, ledger, settings=SETTINGS)
    state_mails(demo, ["done"])
    wait_for_end(owner)
    for name in group.names:
        group.kill(name)
        group.start(name)
    for name in group.names:
        wait_for_log(group[name], "event=worker_started", 2)
    time.sleep(1)
    assert found(owner, ledger) == {"done": ONCE}


def large_logo():
    """It makes a mail as long as the 64 KB that a worker hands to its kernel at a time."""
    picture = b"\x89PNG\r\n\x1a\n" + bytes(44980)
    return {"type": "image/png", "base64": base64.b64encode(picture).decode(), "alt": "Westmarch"}


@pytest.mark.skipif(netns.why_not() is not None, reason=str(netns.why_not()))
def test_killed_within_the_body_and_back(handbell, demo, owner):
    """Its host has buffers of a page, so that most of the mail is still with the worker."""
    net = netns.Net("relay", "w0", "w1", "w2")
    hosts = [net[name] for name in ("w0", "w1", "w2")]
    for host in hosts:
        with host.entered():
            pathlib.Path("/proc/sys/net/ipv4/tcp_wmem").write_text("4096 4096 4096", encoding="ascii")
    ledger = Ledger(net["relay"], receive_bytes=2048)
    try:
        ledger.set_rules(Rule("gate", "body", "hold", bytes=1))
        group = WorkerGroup(handbell, ledger, settings=SETTINGS, hosts=hosts)
        demo.put_tenant(brand={"logo": large_logo()}, settle="2 seconds")
        state_mails(demo, ["body"])
        # With these the alert is longer by more than all buffers on the way hold.
        demo.put_many("course", [
            {"ref": f"more {number}", "title": f"Course {number}", "status": "published",
             "starts_at": in_days(10), "ends_at": in_days(10, 15), "categories": ["subject one"],
             "summary": "All about numbers. " * 250}
            for number in range(20)
        ])  # fmt: skip
        victims = {one["client"] for one in ledger.wait_for_held(2)}
        kill_and_let_go(group, ledger, victims)
        for name in victims:
            group.start(name)
        wait_for_end(owner)
        assert found(owner, ledger) == {"body": ONCE}
        assert max(mail.size for mail in ledger.mails().values()) > 65536 + 10000
        assert [mail.unfinished for mail in ledger.mails().values()] == [1, 1]
    finally:
        ledger.stop()
        net.close()
