"""A reload changes the relay: what the one before still has, and what its troubles mean for the next."""

import asyncio
import signal
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
