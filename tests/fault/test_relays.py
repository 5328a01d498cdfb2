"""Several relays: shares, a stalled one, one that is away and comes back, limits, 421 and reloads."""

import asyncio
import contextlib
import json
import re
import signal
import time

import pytest

from tests.support import process
from tests.support.mail_store import MailStore
from tests.support.portal import Portal
from tests.support.queue_calls import is_quiet


@pytest.fixture
def other_store():
    store = MailStore()
    yield store
    with contextlib.suppress(AssertionError):  # a test may have stopped it
        store.stop()


@pytest.fixture
def publish(demo):
    """publish(course, count): so many people are to hear of it, at once."""

    def run(course, count):
        demo.put_category(course)
        demo.put_many("person", [
            {"ref": f"{course}r{number}", "email": f"{course}r{number}@example.org",
             "consent": True, "alerts": True, "interests": [course]}
            for number in range(count)
        ])  # fmt: skip
        demo.put_course(course, categories=[course])

    return run


def start(handbell, store, other, smtp=None, smtp2=None, worker=None):
    settings = {
        "smtp": {"connections": 4, **(smtp or {})},
        "smtp2": {"url": other if isinstance(other, str) else other.url, "connections": 4,
                  **(smtp2 or {})},
        "worker": worker or {},
    }  # fmt: skip
    started = handbell.start_worker(store.url, settings)
    wait_for_log(started, "event=worker_started")
    return started


def wait_for_log(worker, text, timeout_s=20, count=1):
    process.wait_until(
        lambda: worker.check_running() and worker.log_text().count(text) >= count,
        timeout_s,
        f"the log says {text}",
    )


def wait_for_relays(owner, *states, timeout_s=20):
    """Until the workers' word of all relays is this, in the order of their numbers."""
    process.wait_until(
        lambda: [row[0] for row in owner.execute("select state from relay order by relay")]
        == list(states),
        timeout_s,
        f"the relays are {states}",
    )


def reload(worker, count=1):
    worker.write_config()
    worker.process.send_signal(signal.SIGHUP)
    wait_for_log(worker, "event=settings_reloaded", count=count)


def states(owner):
    return dict(
        owner.execute(
            """select state, count(*) from (select state from message_record
               union all select state::text from message) s group by 1"""
        ).fetchall()
    )


async def hang(mail):
    await asyncio.sleep(60)


async def take_a_while(mail):
    await asyncio.sleep(0.04)


def test_mail_is_shared_out_by_weight(handbell, mail_store, other_store, owner, publish):
    worker = start(handbell, mail_store, other_store, smtp={"weight": 3})
    wait_for_relays(owner, "up", "up")
    publish("c", 80)
    process.wait_until(
        lambda: len(mail_store.received) + len(other_store.received) == 80, 20, "all are there"
    )
    assert len(mail_store.received) == 60
    assert worker.stop() == 0
    assert states(owner) == {"sent": 80}


def test_a_relay_that_stalls_slows_no_other(
    handbell, mail_store, other_store, owner, publish, demo, report
):
    """The pace is the first relay's own: it answers 40 ms late, on four connections."""
    mail_store.before_reply = take_a_while
    worker = start(handbell, mail_store, other_store, worker={"in_memory": 100, "batch": 10})
    wait_for_relays(owner, "up", "up")

    def seconds(course, count):
        before = len(mail_store.received)
        publish(course, count)
        mail_store.wait_for(before + 1)
        begun = time.monotonic()
        mail_store.wait_for(before + count // 2, timeout_s=60)
        return time.monotonic() - begun

    alone = seconds("c", 300)
    process.wait_until(lambda: is_quiet(owner), 30, "all are sent")
    other_store.before_reply = hang
    beside = seconds("d", 300)
    report(f"{100 * alone / beside:.0f} % of its rate beside a relay that stalls")
    assert alone / beside >= 0.8
    assert owner.execute("select count(*) from message where relay = 1").fetchone()[0] < 10
    # What is urgent goes through the relay that answers, and does not wait for the other's room.
    demo.put_course("u")
    for number in range(4):
        demo.put_person(f"u{number}", email=f"u{number}@example.org")
        demo.put_booking(f"ub{number}", "u", f"u{number}", status="confirmed", quiet=True)
    demo.change_course("u", status="cancelled")
    process.wait_until(
        lambda: owner.execute(
            "select count(*) from message where relay = 1 and lane = 1").fetchone()[0] == 0,
        5, "those of the first relay are out",
    )  # fmt: skip
    other_store.stop()
    assert worker.stop() == 0


def test_mail_fails_over_and_new_mail_returns(handbell, mail_store, owner, publish):
    port = process.free_port()
    worker = start(handbell, mail_store, f"smtp://127.0.0.1:{port}")
    wait_for_relays(owner, "up", "up")
    publish("c", 40)
    process.wait_until(lambda: len(mail_store.received) >= 20, 20, "the first has its half")
    wait_for_relays(owner, "up", "down")
    owner.execute("update message set due = now() where due < now() + interval '1 min'")
    mail_store.wait_for(40, timeout_s=30)
    publish("d", 10)
    mail_store.wait_for(50)
    assert "event=mail_fails_over" in worker.log_text()
    back = MailStore(port)
    try:
        wait_for_relays(owner, "up", "up", timeout_s=40)
        publish("e", 40)
        back.wait_for(20, timeout_s=30)
        mail_store.wait_for(70, timeout_s=30)
        assert len(mail_store.received) == 70 and len(back.received) == 20
        process.wait_until(lambda: is_quiet(owner), 30, "nothing is left")
        assert worker.stop() == 0
        assert set(mail_store.message_ids().values()) == {1}
        assert states(owner) == {"sent": 90}
    finally:
        back.stop()


def test_a_relay_that_is_down_is_tried_without_a_mail(handbell, owner, publish):
    port = process.free_port()
    worker = handbell.start_worker(f"smtp://127.0.0.1:{port}")
    wait_for_relays(owner, "up")
    publish("c", 4)
    wait_for_relays(owner, "down")

    def attempts():
        return owner.execute("select array_agg(attempts order by message_id) from message").fetchone()

    before = attempts()
    tried = worker.log_text().count("event=relay_still_paused")
    owner.execute("update message set due = now() where state = 'ready'")
    wait_for_log(worker, "event=relay_still_paused", count=tried + 1)
    time.sleep(0.5)  # it would be recorded by then
    assert attempts() == before
    back = MailStore(port)
    try:
        back.wait_for(4, timeout_s=30)
        assert worker.stop() == 0
    finally:
        back.stop()


def test_no_more_go_than_the_limit_says_also_across_a_restart(
    handbell, mail_store, owner, publish, demo
):
    settings = {"smtp": {"per_minute": 20, "per_day": 1000, "connections": 3}}
    worker = handbell.start_worker(mail_store.url, settings)
    wait_for_log(worker, "event=worker_started")
    other = handbell.start_worker(mail_store.url, settings)
    publish("c", 40)
    mail_store.wait_for(18)
    # What is urgent has its share.
    demo.put_person("p", email="p@example.org")
    demo.put_course("u")
    demo.put_booking("b", "u", "p", status="confirmed", quiet=True)
    demo.change_course("u", status="cancelled")
    mail_store.wait_for(1, to="p@example.org", timeout_s=10)
    assert worker.stop() == 0 and other.stop() == 0
    again = handbell.start_worker(mail_store.url, settings)
    wait_for_log(again, "event=worker_started")
    time.sleep(3)
    assert len(mail_store.received) == 19
    # A minute later, by the database's books, the next may go.
    owner.execute("update relay_use set at = at - interval '70 s' where span = 'minute'")
    assert again.stop() == 0
    again.start()
    mail_store.wait_for(19 + 18)
    time.sleep(1)
    assert len(mail_store.received) == 19 + 18
    (used,) = owner.execute(
        "select sum(urgent + bulk) from relay_use where span = 'day'").fetchone()  # fmt: skip
    assert used >= 37
    assert again.stop() == 0
    assert "claimed" not in states(owner) and "transmitting" not in states(owner)


def test_the_envelopes_sender_is_each_mails_own_where_the_relay_takes_that(
    handbell, mail_store, other_store, owner, publish, demo
):
    worker = start(handbell, mail_store, other_store, smtp={"envelope": "verp"})
    wait_for_relays(owner, "up", "up")
    demo.call("put_tenant", {"bounce_domain": "bounces.demo.example"})
    publish("c", 20)
    mail_store.wait_for(10)
    other_store.wait_for(10)
    senders = {mail.sender for mail in mail_store.received}
    assert len(senders) == 10
    for sender in senders:
        assert re.fullmatch(r"b-[a-z2-7]{55}@bounces\.demo\.example", sender)
        assert len(sender.partition("@")[0]) <= 64
    fixed = {mail.sender for mail in other_store.received}
    assert len(fixed) == 1 and not fixed.pop().startswith("b-")
    demo.call("put_tenant", {"bounce_domain": None})
    publish("d", 2)
    mail_store.wait_for(11)
    assert not mail_store.received[-1].sender.startswith("b-")
    assert worker.stop() == 0
    # They are words that nobody but us can make: none is in a log.
    assert not any(sender in worker.log_text() for sender in senders)


def test_421_cuts_the_sessions_and_loses_nothing(handbell, mail_store, owner, publish):
    """It takes two mails at a time; who comes beside them is told 421."""
    inside = []
    most = []

    async def two_at_a_time(mail):
        if len(inside) >= 2:
            return "421 4.3.2 too many connections"
        inside.append(mail)
        most.append(len(inside))
        await asyncio.sleep(0.05)
        inside.remove(mail)
        return None

    mail_store.before_reply = two_at_a_time
    worker = handbell.start_worker(mail_store.url, {"smtp": {"connections": 16}})
    publish("c", 40)
    wait_for_log(worker, "event=relay_sessions_cut")

    def is_done():
        owner.execute("update message set due = now() where state = 'ready' and due > now()")
        return states(owner) == {"sent": 40}

    process.wait_until(is_done, 60, "all are through")
    assert worker.stop() == 0
    taken = [mail.message_id for mail in mail_store.received if mail.reply.startswith("250")]
    assert len(taken) == len(set(taken)) == 40
    turned_away = len(mail_store.received) - 40
    assert turned_away < 40, "it learns how many sessions the relay takes"


def test_a_reload_adds_a_relay_and_takes_one_away(
    handbell, mail_store, other_store, owner, publish
):
    worker = handbell.start_worker(mail_store.url)
    wait_for_relays(owner, "up")
    worker.settings["smtp2"] = {"url": other_store.url, "name": "second", "connections": 2}
    reload(worker)
    wait_for_relays(owner, "up", "up")
    publish("c", 20)
    other_store.wait_for(10)
    other_store.before_reply = hang
    publish("d", 60)
    process.wait_until(lambda: len(other_store.received) > 10, 20, "some hang")
    del worker.settings["smtp2"]
    reload(worker, 2)
    worker.settings["smtp"]["connections"] = 5
    reload(worker, 3)  # while the one before is still waiting for what hangs
    wait_for_relays(owner, "up", "gone")
    hanging = len(other_store.received) - 10
    mail_store.wait_for(10 + 60 - hanging, timeout_s=30)
    other_store.stop()
    assert worker.stop() == 0
    found = states(owner)
    assert found["sent"] == 80 - hanging and found["uncertain"] == hanging


def test_workers_that_do_not_agree_on_a_relay_say_so(handbell, mail_store, other_store):
    one = start(handbell, mail_store, other_store)
    two = start(handbell, mail_store, other_store, smtp2={"weight": 5})
    for worker in (one, two):
        wait_for_log(worker, 'event=relay_settings_differ section=smtp2')
    assert "section=smtp " not in one.log_text() + two.log_text()


def test_a_limit_that_one_worker_has_holds_for_all(handbell, mail_store, owner, publish):
    """As while workers are reloaded one after the other."""
    limited = handbell.start_worker(mail_store.url, {"smtp": {"per_minute": 10}})
    wait_for_log(limited, "event=worker_started")
    other = handbell.start_worker(mail_store.url)
    for worker in (limited, other):
        wait_for_log(worker, "event=relay_settings_differ section=smtp ")
    time.sleep(0.6)  # a tick
    publish("c", 40)
    mail_store.wait_for(9)
    time.sleep(2)
    assert len(mail_store.received) == 9
    assert limited.stop() == 0 and other.stop() == 0


def test_a_limit_that_cannot_be_asked_for_is_said_once_and_its_end_is(
    handbell, mail_store, owner, publish
):
    allow = "on function relay_allow(smallint, integer, boolean, interval, integer, integer, integer)"
    owner.execute(f"revoke execute {allow} from handbell_worker")
    try:
        worker = handbell.start_worker(mail_store.url, {"smtp": {"per_minute": 100}})
        wait_for_log(worker, "event=worker_started")
        publish("c", 3)
        wait_for_log(worker, "event=relay_limit_not_asked")
        time.sleep(3.5)  # it asks again each second
        assert worker.log_text().count("event=relay_limit_not_asked") == 1
        assert mail_store.received == []
    finally:
        owner.execute(f"grant execute {allow} to handbell_worker")
    mail_store.wait_for(3)
    wait_for_log(worker, "event=relay_limit_asked_again relay=1")
    assert worker.stop() == 0
    assert worker.log_text().count("event=relay_limit_") == 2


def test_status_shows_each_relay(handbell, mail_store, owner, publish):
    port = process.free_port()
    start(handbell, mail_store, f"smtp://127.0.0.1:{port}",
          smtp={"name": "main", "per_minute": 100, "weight": 3}, smtp2={"name": "spare"})  # fmt: skip
    wait_for_relays(owner, "up", "up")
    publish("c", 40)
    mail_store.wait_for(30)

    def shown():
        return json.loads(handbell.run("status", "--json").stdout)["relays"]

    process.wait_until(lambda: [r["rate"] for r in shown()][0] == 30, 10, "the rate is told")
    main, spare = shown()
    assert (main["name"], main["state"], main["weight"], main["due"]) == ("main", "up", 3, 0)
    assert main["minute"] == {"used": 30, "limit": 100}
    assert main["day"] == {"used": 30, "limit": None} and main["sessions"] == 4
    assert spare["name"] == "spare" and spare["minute"] == {"used": 0, "limit": None}
    text = handbell.run("status").stdout
    assert re.search(r"^main +0 +30 +4 +30/100 +- +up for ", text, re.M)
    assert re.search(r"^spare +\d+ +\d+ +\d +- +- +(up|down) for ", text, re.M)


def test_the_urgent_mail_of_two_tenants_takes_turns(handbell, mail_store, demo, make_login):
    """One cancels for a hundred and twenty people; another's six do not wait for them all."""

    async def slowly(mail):
        await asyncio.sleep(0.05)

    def cancel(portal, letter, count):
        portal.put_course("u")
        for number in range(count):
            portal.put_person(f"p{number}", email=f"{letter}{number}@example.org")
            portal.put_booking(f"b{number}", "u", f"p{number}", status="confirmed", quiet=True)
        return lambda: portal.change_course("u", status="cancelled")

    def count(letter):
        return len([m for m in list(mail_store.received) if m.recipient.startswith(letter)])

    mail_store.before_reply = slowly
    other = Portal(make_login(tenants=["other"]), "other")
    other.put_tenant()
    cancel_many, cancel_few = cancel(demo, "m", 120), cancel(other, "f", 6)
    worker = handbell.start_worker(mail_store.url, {"smtp": {"connections": 2}})
    wait_for_log(worker, "event=worker_started")
    cancel_many()
    process.wait_until(lambda: count("m") >= 10, 20, "the many have begun")
    before = count("m")
    cancel_few()
    process.wait_until(lambda: count("f") == 6, 20, "the few are told")
    assert count("m") - before <= 40
    process.wait_until(lambda: count("m") == 120, 20, "the many are told")
    assert worker.stop() == 0
