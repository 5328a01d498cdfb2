"""When a mail is tried again, how its attempts are counted, and that none goes past its time."""

import pytest

from tests.sql.test_lock_order import in_background, wait_for_blocked
from tests.support import process
from tests.support.queue_calls import Queue, tenant_id_of
from tests.support.schema import WORKER

SERVICE_LANE = 3


@pytest.fixture
def worker(demo, connect):
    return Queue(connect(WORKER)).start()


@pytest.fixture
def tenant(demo, owner):
    return tenant_id_of(owner)


@pytest.fixture
def notice(demo):
    """One mail that is due."""
    demo.put_course("c")
    demo.put_person("p")
    demo.put_booking("b", "c", "p", status="confirmed")


def claim_and_mark(worker, tenant):
    claimed = worker.claim(tenant, SERVICE_LANE)
    assert {row[0] for row in worker.mark(tenant, claimed).values()} == {"go"}
    return claimed


def expire_in(owner, seconds):
    owner.execute("update message set expires_at = now() + make_interval(secs => %s)", [seconds])


def waits(owner):
    """In how many seconds it is due, and how long before its end that is."""
    return owner.execute(
        "select round(extract(epoch from due - now()))::integer,"
        " round(extract(epoch from expires_at - due))::integer from message").fetchone()  # fmt: skip


@pytest.mark.parametrize("left_s, wait_s, due_in_s", [
    (7200, 600, 600),
    (601, 600, 600),
    (600, 3600, 540),  # it would come too late: one more chance, a minute before the end
    (125, 3600, 65),
    (110, 3600, None),  # no time for another chance
    (30, 10, 10),
])  # fmt: skip
def test_a_wait_past_its_end_is_cut_short_or_is_its_end(
    notice, owner, worker, tenant, left_s, wait_s, due_in_s
):
    claimed = claim_and_mark(worker, tenant)
    expire_in(owner, left_s)
    (state,) = worker.record(tenant, claimed, "deferred", 451, wait_s).values()
    assert state == ("failed" if due_in_s is None else "ready")
    if due_in_s is None:
        ended = owner.execute("select state, reason, code from message_record").fetchall()
        assert ended == [("failed", "expired", 451)]
    else:
        assert abs(waits(owner)[0] - due_in_s) <= 2 and waits(owner)[1] > 0


@pytest.mark.parametrize("left_s, wait_s, due_in_s", [(7200, 300, 300), (100, 300, 100)])
def test_what_was_not_tried_waits_without_being_counted(
    notice, owner, worker, tenant, left_s, wait_s, due_in_s
):
    claimed = claim_and_mark(worker, tenant)
    expire_in(owner, left_s)
    assert set(worker.record(tenant, claimed, "unsent", 0, wait_s).values()) == {"ready"}
    assert abs(waits(owner)[0] - due_in_s) <= 2
    assert owner.execute("select attempts, doubts from message").fetchone() == (0, 0)


def test_an_outcome_told_again_while_the_first_call_is_not_committed_counts_once(
    notice, owner, worker, tenant, connect
):
    """As after a lost connection whose server process goes on."""
    claimed = claim_and_mark(worker, tenant)
    first = Queue(connect(WORKER, autocommit=False), worker.owner)
    assert set(first.record(tenant, claimed, "deferred", 451, 60).values()) == {"ready"}
    errors, second = in_background(lambda: worker.record(tenant, claimed, "deferred", 451, 60))
    assert wait_for_blocked(owner)
    first.connection.commit()
    second.join(10)
    assert not errors
    assert owner.execute("select state::text, attempts from message").fetchone() == ("ready", 1)


def test_what_is_given_back_at_once_keeps_its_place(notice, owner, worker, tenant):
    before = owner.execute("select due from message").fetchone()
    worker.record(tenant, claim_and_mark(worker, tenant), "unsent", 0, 0)
    assert owner.execute("select due from message").fetchone() == before


def test_attempts_are_counted_across_workers_and_their_deaths(
    notice, owner, worker, tenant, connect
):
    for attempt in range(1, 4):
        dead = Queue(connect(WORKER)).start()
        claimed = claim_and_mark(dead, tenant)
        assert [data["attempt"] for _, data in claimed.values()] == [attempt - 1]
        dead.connection.close()
        process.wait_until(
            lambda: worker.take_over(tenant, dead.owner) == (0, 1), 10, "it is taken over")
        assert owner.execute("select attempts, doubts from message").fetchone() == (attempt, attempt)
    worker.record(tenant, claim_and_mark(worker, tenant))
    assert owner.execute("select state, attempts from message_record").fetchall() == [("sent", 4)]


@pytest.mark.parametrize("kind", ["ready", "claimed"])
def test_after_a_long_outage_what_is_past_its_time_is_skipped(
    notice, owner, worker, tenant, kind
):
    claimed = worker.claim(tenant, SERVICE_LANE) if kind == "claimed" else None
    owner.execute("update message set due = due - interval '8 days',"
                  " expires_at = now() - interval '1 s'")  # fmt: skip
    claimed = claimed or worker.claim(tenant, SERVICE_LANE)
    assert [row[0] for row in worker.mark(tenant, claimed).values()] == ["expired"]
    assert owner.execute("select state, reason, attempts from message_record").fetchall() == [
        ("skipped", "expired", 0)]  # fmt: skip
