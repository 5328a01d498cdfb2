"""Clocks that jump: the worker's, the database's, and both changes of the clocks by the tenant's time."""

import asyncio
import datetime
import re
import time

import pytest

from tests.support import fake_time, process, schema
from tests.support.cluster import Cluster
from tests.support.fake_time import FakeTime
from tests.support.queue_calls import is_quiet

HOUR_S = 3600
JUMPS = 12

pytestmark = pytest.mark.skipif(fake_time.library() is None, reason="libfaketime is not installed")


@pytest.fixture(scope="module")
def cluster(no_log_names_a_person, tmp_path_factory):
    """A server whose clock the tests set: cluster.clock."""
    folder = tmp_path_factory.mktemp("clocks")
    server = Cluster(is_fast=True)
    server.clock = FakeTime(server.base / "clock")
    server.environment.update(server.clock.environment)
    server.create()
    yield server
    (folder / "postgresql.log").write_bytes(server.log.read_bytes())
    server.remove()


@pytest.fixture(scope="module")
def databases(cluster):
    return schema.Databases(cluster)


@pytest.fixture
def database_clock(cluster):
    cluster.clock.jump(-cluster.clock.offset_s)
    yield cluster.clock
    cluster.clock.jump(-cluster.clock.offset_s)


@pytest.fixture
def worker_clock(tmp_path, monkeypatch):
    """The clock of every worker that is started from now on."""
    if b"__asan_init" in schema.binary().read_bytes():
        pytest.skip("the sanitizer must be the first library that is loaded")
    clock = FakeTime(tmp_path / "clock")
    for name, value in clock.environment.items():
        monkeypatch.setenv(name, value)
    return clock


def state_readers(demo, count):
    demo.put_category("maths")
    demo.put_many("person", [
        {"ref": f"r{number}", "email": f"r{number}@example.org", "consent": True, "alerts": True,
         "interests": ["maths"]}
        for number in range(count)
    ])  # fmt: skip


def publish(demo, database_clock, ref="c", **facts):
    """A course that everybody is alerted to, in ten days by the database's clock."""
    starts_at = time.strftime("%Y-%m-%dT10:00:00Z", time.gmtime(database_clock.now().timestamp() + 864000))
    demo.put_course(ref, **{"categories": ["maths"], "starts_at": starts_at, "ends_at": None, **facts})


def tally(worker, word):
    """What the worker's summary lines add up to."""
    return sum(map(int, re.findall(rf"event=messages_handled .* {word}=(\d+)", worker.log_text())))


def is_all_sent(owner, count):
    rows = owner.execute("select state, count(*) from message_record group by 1").fetchall()
    return is_quiet(owner) and rows == [("sent", count)]


def check_undisturbed(worker, mail_store):
    """No mail went twice, and the jumps cost neither a lease nor a mark: each would have given back
    all that was in hand. (A few are allowed to a machine that is busy with other things.)"""
    assert set(mail_store.message_ids().values()) == {1}
    assert worker.stop() == 0
    assert tally(worker, "unsent") + tally(worker, "stale") < JUMPS
    assert tally(worker, "deferred") + tally(worker, "uncertain") == 0
    assert "database_away" not in worker.log_text() and "relay_paused" not in worker.log_text()


def jump_back_and_forth(clock, mail_store, count):
    """An hour forward, back, forward ... while `count` mails go."""
    for number in range(JUMPS):
        mail_store.wait_for(count * (number + 1) // (JUMPS + 2))
        clock.jump(HOUR_S if number % 2 == 0 else -HOUR_S)


def answer_after(delay_s):
    async def slowly(mail):
        await asyncio.sleep(delay_s)

    return slowly


def test_jumps_of_the_workers_clock_give_nothing_back_and_send_nothing_twice(
    handbell, mail_store, demo, owner, database_clock, worker_clock
):
    mail_store.before_reply = answer_after(0.05)
    worker = handbell.start_worker(mail_store.url, {"worker": {"lease_s": 5}})
    state_readers(demo, 600)
    publish(demo, database_clock)
    jump_back_and_forth(worker_clock, mail_store, 600)
    process.wait_until(lambda: is_all_sent(owner, 600), 30, "all is sent, once")
    check_undisturbed(worker, mail_store)
    hours = {mail.message["Date"].datetime.hour for mail in mail_store.mails()}
    assert len(hours) >= 2, "the worker's clock did jump"


def test_jumps_of_the_databases_clock_lose_nothing_and_send_nothing_twice(
    handbell, mail_store, demo, owner, database_clock
):
    mail_store.before_reply = answer_after(0.05)
    worker = handbell.start_worker(mail_store.url, {"worker": {"lease_s": 5}})
    state_readers(demo, 600)
    publish(demo, database_clock)
    jump_back_and_forth(database_clock, mail_store, 600)
    process.wait_until(lambda: is_all_sent(owner, 600), 30, "all is sent, once")
    check_undisturbed(worker, mail_store)


def test_nothing_that_settles_goes_early_when_the_workers_clock_jumps(
    handbell, mail_store, demo, owner, database_clock, worker_clock
):
    """Its own clock says nothing about when a mail is due: the database's alone does."""
    demo.put_tenant(settle="4 seconds")
    handbell.start_worker(mail_store.url)
    state_readers(demo, 3)
    publish(demo, database_clock)
    worker_clock.jump(HOUR_S)
    process.wait_until(
        lambda: owner.execute("select count(*) from message").fetchone() == (3,), 10, "it is matched"
    )
    worker_clock.jump(-2 * HOUR_S)
    process.wait_until(lambda: is_all_sent(owner, 3), 15, "all is sent")
    early, late = owner.execute(
        """select bool_or(r.ended_at < j.created_at + interval '4 s'),
                  bool_or(r.ended_at > j.created_at + interval '8 s')
           from message_record r, job j where j.tenant_id = r.tenant_id and j.kind = r.kind"""
    ).fetchone()
    assert (early, late) == (False, False)


def test_what_is_stated_after_the_databases_clock_was_set_back_is_no_older_word(demo, database_clock):
    """A portal that says no `as_of` says what holds now: a cancellation must not be `stale` for an hour."""
    database_clock.jump(HOUR_S)
    facts = {
        "category": {"kind": "subject"}, "establishment": {"name": "A school"}, "tenant": {},
        "person": {}, "course": {"starts_at": "2040-01-01T10:00:00Z", "title": "A day"},
        "booking": {"course": "x", "person": "x"},
    }  # fmt: skip
    changes = {
        "category": {"name": "Maths"}, "establishment": {"name": "Its new name"},
        "tenant": {"name": "Another"}, "person": {"alerts": True},
        "course": {"status": "cancelled"}, "booking": {"status": "cancelled"},
    }  # fmt: skip
    for kind, stated in facts.items():
        demo.call(f"put_{kind}", *(() if kind == "tenant" else ("x",)), stated)
    database_clock.jump(-HOUR_S)
    for kind, change in changes.items():
        refs = () if kind == "tenant" else ("x",)
        assert demo.call(f"put_{kind}", *refs, change) == "changed", kind
        # What it does say of when goes by that.
        past = {**facts[kind], **change, "name": "Older", "as_of": "2020-01-01T00:00:00Z"}
        if kind in ("tenant", "establishment", "category"):
            assert demo.call(f"put_{kind}", *refs, past) == "stale", kind


def test_a_relays_limit_lasts_no_longer_for_a_clock_that_was_set_back(demo, owner, database_clock):
    def allow(count):
        return owner.execute(
            "select granted, wait_ms from relay_allow(1::smallint, %s, false, '3 s', 30, 1000, 0)", [count]
        ).fetchone()

    owner.execute("""insert into relay (relay, name, weight, per_minute, per_day, urgent_share, state)
                     values (1, 'one', 1, 30, 0, 0, 'up')""")  # fmt: skip
    database_clock.jump(HOUR_S)
    assert allow(30)[0] == 30 and allow(1)[0] == 0
    database_clock.jump(-HOUR_S)
    granted, wait_ms = allow(1)
    assert granted == 0 and 30_000 < wait_ms < 70_000, "it counts as allowed just now"
    database_clock.jump(70)
    assert allow(31)[0] == 30


# ---- The tenant's hour, on the days when it is another one by UTC.


def state_a_day_of_everything(demo, eight):
    """At `eight` in London, of a Sunday: a daily and a weekly digest, what waits for the send window, and
    the reminder of a course that begins at eight on Monday."""
    demo.put_tenant(
        time_zone="Europe/London", rules={"digest_hour": 8, "digest_weekday": 7, "reminder_days": 1,
                                     "joining_instructions_days": None},
        send_window={"from": "08:00", "to": "20:00", "days": [1, 2, 3, 4, 5, 6, 7]},
    )  # fmt: skip
    demo.put_category("maths")
    for ref in ("daily", "weekly", "immediate"):
        demo.put_person(ref, email=f"{ref}-reader@example.org", interests=["maths"],
                        frequency=ref)  # fmt: skip
    demo.put_person("delegate", email="delegate-of-all@example.org")
    monday = datetime.datetime.fromisoformat(eight) + datetime.timedelta(days=1)
    demo.put_course("next", starts_at=monday.isoformat(), ends_at=None)
    demo.put_booking("b", "next", "delegate", status="confirmed", quiet=True)


@pytest.mark.parametrize("day, midnight, eight", [
    ("2027-03-28", "2027-03-28T00:00:00+00:00", "2027-03-28T07:00:00+00:00"),
    ("2026-10-25", "2026-10-24T23:00:00+00:00", "2026-10-25T08:00:00+00:00"),
])  # fmt: skip
def test_on_the_day_of_a_change_of_the_clocks_all_goes_at_the_tenants_hour_and_once(
    handbell, mail_store, demo, owner, database_clock, day, midnight, eight
):
    database_clock.set(midnight)
    state_a_day_of_everything(demo, eight)
    worker = handbell.start_worker(mail_store.url)
    demo.put_course("new", categories=["maths"], starts_at="2027-06-01T10:00:00Z", ends_at=None)
    matched = "select count(*) from message where kind = 'course_alert'"
    process.wait_until(lambda: owner.execute(matched).fetchone() == (3,), 15, "it is matched")
    database_clock.set(f"{day}T00:59:58+00:00")  # two seconds before the change
    time.sleep(4)
    database_clock.set(eight)
    database_clock.jump(-4)
    time.sleep(1.5)
    assert mail_store.mails() == []
    mail_store.wait_for(4, 20)
    process.wait_until(lambda: is_all_sent(owner, 4), 10, "all is recorded")
    assert owner.execute(
        "select bool_and(ended_at >= %s::timestamptz and ended_at < %s::timestamptz + interval '5 s')"
        " from message_record", [eight, eight],
    ).fetchone() == (True,)  # fmt: skip
    # Nor once more an hour later, when the other reading of the clock would have it.
    database_clock.jump(HOUR_S)
    time.sleep(1.5)
    assert len(mail_store.received) == 4
    worker.check_running()
