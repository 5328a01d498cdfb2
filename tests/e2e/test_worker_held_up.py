"""What holds others up must not hold up the worker: open transactions, a silent database and relay."""

import asyncio
import os
import signal
import time

import pytest

from tests.support import process
from tests.support.portal import Portal
from tests.support.schema import PORTAL, WORKER


@pytest.fixture
def readers(demo):
    demo.put_category("maths")
    for number in range(20):
        demo.put_person(f"r{number}", interests=["maths"])


@pytest.mark.parametrize("held", ["a cancellation", "a course", "a change", "a merge"])
def test_urgent_mail_overtakes_what_an_open_transaction_holds(
    handbell, mail_store, demo, owner, connect, readers, held
):
    """The alerts of `c` are due, and cannot be claimed, matched or marked until the portal is done."""
    demo.put_person("d", email="d@example.org")
    demo.put_course("doomed")
    demo.put_booking("b", "doomed", "d", status="confirmed", quiet=True)
    demo.put_course("c", categories=["maths"])
    if held == "a change":
        demo.put_booking("b c", "c", "d", status="confirmed", quiet=True)
        demo.change_course("c", venue="Town Hall")
    holder = Portal(connect(PORTAL, autocommit=False))
    if held == "a course":
        holder.change_course("c", summary="In work")
    else:
        owner.execute("select fan_out(tenant_id, 1000) from tenant")
        if held == "a cancellation":
            holder.change_course("c", status="cancelled")
        elif held == "a change":
            holder.change_course("c", venue="Guildhall")
        else:
            holder.call("merge_people", "r0", "r1")
    worker = handbell.start_worker(mail_store.url)
    process.wait_until(lambda: "event=worker_started" in worker.log_text(), 15, "it has started")
    time.sleep(1)
    started = time.monotonic()
    demo.change_course("doomed", status="cancelled", cancel_reason="Snow")
    (mail,) = mail_store.wait_for(1, to="d@example.org")
    assert "Snow" in mail.text()
    assert time.monotonic() - started < 2.0
    holder.connection.rollback()
    mail_store.wait_for(22 if held == "a change" else 21)
    worker.check_running()


def test_urgent_mail_waits_behind_no_claim_and_no_mark_of_alerts(
    handbell, mail_store, demo, owner, readers
):
    """The two sessions that claim and mark alerts stand still: a cancellation needs neither."""
    demo.put_person("d", email="d@example.org")
    demo.put_course("doomed")
    demo.put_booking("b", "doomed", "d", status="confirmed", quiet=True)
    worker = handbell.start_worker(mail_store.url)
    process.wait_until(lambda: "event=worker_started" in worker.log_text(), 15, "it has started")

    def find_sessions():
        return {pid for (pid,) in owner.execute(
            """select pid from pg_stat_activity where datname = current_database()
               and application_name in ('handbell claim', 'handbell mark')"""
        )}  # fmt: skip

    sessions = find_sessions()
    assert len(sessions) == 2
    for pid in sessions:
        os.kill(pid, signal.SIGSTOP)
    try:
        demo.put_course("c", categories=["maths"])
        process.wait_until(
            lambda: owner.execute("select count(*) = 20 from message").fetchone()[0], 10, "the alerts"
        )
        demo.change_course("doomed", status="cancelled", cancel_reason="Snow")
        (mail,) = mail_store.wait_for(1, to="d@example.org")
        assert "Snow" in mail.text()
        assert find_sessions() == sessions, "it did not wait until they were given up"
    finally:
        for pid in sessions:
            os.kill(pid, signal.SIGCONT)
    mail_store.wait_for(21)


def test_stopped_while_database_and_relay_are_silent_it_ends_within_ten_seconds(
    handbell, mail_store, demo, owner, readers
):
    async def hang(mail):
        await asyncio.sleep(60)

    mail_store.before_reply = hang
    worker = handbell.start_worker(mail_store.url, {"smtp": {"connections": 4}})
    demo.put_course("c", categories=["maths"])
    mail_store.wait_for(4)
    sessions = [pid for (pid,) in owner.execute(
        "select pid from pg_stat_activity where usename = %s", [WORKER]
    )]  # fmt: skip
    assert sessions
    for pid in sessions:
        os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(1.5)
        started = time.monotonic()
        assert worker.stop() == 0
        assert time.monotonic() - started < 10
    finally:
        for pid in sessions:
            os.kill(pid, signal.SIGCONT)
