"""A reload changes the relay: what the one before still has, and what its troubles mean for the next."""

import asyncio
import signal
import threading
import time

import pytest

from tests.support import process
from tests.support.mail_store import MailStore


@pytest.fixture
def other_store():
    store = MailStore()
    yield store
    store.stop()


@pytest.fixture
def publish(demo):
    """publish(course, count): so many people are to hear of it."""
    demo.put_category("maths")

    def run(course, count):
        demo.put_many("person", [
            {"ref": f"{course}r{number}", "email": f"{course}r{number}@example.org",
             "consent": True, "alerts": True, "interests": ["maths"]}
            for number in range(count)
        ])  # fmt: skip
        demo.put_course(course, categories=["maths"])

    return run


def use_relay(worker, url):
    worker.settings["smtp"]["url"] = url
    worker.write_config()
    worker.process.send_signal(signal.SIGHUP)
    process.wait_until(
        lambda: "event=settings_reloaded" in worker.log_text(), 15, "the settings are reloaded"
    )


def test_stopped_after_a_reload_it_cuts_the_relay_before_in_time_to_record(
    handbell, mail_store, other_store, owner, publish
):
    async def hang(mail):
        await asyncio.sleep(60)

    mail_store.before_reply = hang
    worker = handbell.start_worker(mail_store.url, {"smtp": {"connections": 4}})
    publish("c", 4)
    mail_store.wait_for(4)
    use_relay(worker, other_store.url)
    started = time.monotonic()
    assert worker.stop() == 0
    assert time.monotonic() - started < 10
    rows = owner.execute(
        """select state, count(*) from message_record group by 1
           union all select state::text, count(*) from message group by 1"""
    ).fetchall()
    assert rows == [("uncertain", 4)]


def test_a_new_relay_does_not_wait_for_the_pause_of_the_one_before(
    handbell, other_store, owner, publish
):
    worker = handbell.start_worker(f"smtp://127.0.0.1:{process.free_port()}")
    publish("c", 10)
    process.wait_until(
        lambda: worker.log_text().count("event=relay_still_paused") >= 4, 60, "it is left alone"
    )
    use_relay(worker, other_store.url)
    owner.execute("update handbell.message set due = now()")
    started = time.monotonic()
    other_store.wait_for(10)
    assert time.monotonic() - started < 3
    assert worker.stop() == 0


def test_a_new_relay_is_not_judged_by_what_the_one_before_still_has(
    handbell, mail_store, other_store, owner, publish
):
    """Mails that hang at the relay before keep nobody from trying the new one, and their end is no
    failure of its."""
    is_over = threading.Event()

    async def hang(mail):
        while not is_over.is_set():
            await asyncio.sleep(0.05)
        return "421 4.3.2 going down"

    async def turn_away_some(mail):
        return "421 4.3.2 not yet" if len(other_store.received) <= 4 else None

    mail_store.before_reply = hang
    other_store.before_reply = turn_away_some
    worker = handbell.start_worker(mail_store.url, {"smtp": {"connections": 4}})
    publish("c", 4)
    mail_store.wait_for(4)
    use_relay(worker, other_store.url)
    publish("d", 8)
    process.wait_until(lambda: "event=relay_recovered" in worker.log_text(), 20, "it is tried")
    is_over.set()
    process.wait_until(
        lambda: owner.execute(
            "select count(*) from message where state = 'transmitting'"
        ).fetchone() == (0,),
        10,
        "the relay before has answered",
    )  # fmt: skip
    assert worker.log_text().count("event=relay_paused") == 1
    assert worker.stop() == 0
