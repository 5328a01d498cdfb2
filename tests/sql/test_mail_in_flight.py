"""What happens to mail that a worker holds already: facts change, people merge, workers come back."""

import datetime
import zoneinfo

import pytest

from tests.support import process
from tests.support.queue_calls import Queue, tenant_id_of
from tests.support.schema import WORKER

URGENT_LANE = 1
SERVICE_LANE = 3
ALERT_LANE = 5
LONDON = zoneinfo.ZoneInfo("Europe/London")


@pytest.fixture
def worker(demo, connect):
    return Queue(connect(WORKER)).start()


@pytest.fixture
def tenant(demo, owner):
    return tenant_id_of(owner)


def verdicts(worker, tenant, claimed):
    return [row[0] for row in worker.mark(tenant, claimed).values()]


def message_states(owner):
    return [row[0] for row in owner.execute("select state::text from message").fetchall()]


@pytest.fixture
def cancelled(demo):
    """A course of one delegate, who is still to be told that it is off."""
    demo.put_person("p")
    demo.put_course("c")
    demo.put_booking("b", "c", "p", status="confirmed", quiet=True)
    demo.change_course("c", status="cancelled")


# ---- Workers.


def test_nothing_is_taken_from_a_worker_that_came_back(cancelled, owner, worker, tenant, connect):
    """Another worker saw it dead, and asks for its mail only after it has come back."""
    other = Queue(connect(WORKER)).start()
    worker.mark(tenant, worker.claim(tenant, URGENT_LANE))
    assert other.take_over(tenant, worker.owner) == (0, 0)
    assert message_states(owner) == ["transmitting"]


def test_a_dead_worker_and_ones_own_former_life_are_taken_over(
    cancelled, owner, worker, tenant, connect
):
    other = Queue(connect(WORKER)).start()
    worker.mark(tenant, worker.claim(tenant, URGENT_LANE))
    worker.connection.close()
    process.wait_until(
        lambda: other.connection.execute(
            "select * from handbell.dead_workers(%s, '1 hour')", [other.owner]
        ).fetchall() == [(worker.owner, False)],
        5, "the server has seen that the worker is gone",
    )  # fmt: skip
    assert other.take_over(tenant, worker.owner) == (0, 1)
    assert message_states(owner) == ["ready"]
    claimed = other.claim(tenant, URGENT_LANE)
    assert other.take_over(tenant, other.owner) == (1, 0)
    assert verdicts(other, tenant, claimed) == ["stale"]


# ---- Bookings and courses.


def test_a_confirmation_for_the_course_before_is_not_sent(demo, worker, tenant):
    demo.put_person("p")
    demo.put_course("before")
    demo.put_course("now")
    demo.put_booking("b", "before", "p", status="confirmed")
    claimed = worker.claim(tenant, SERVICE_LANE)
    demo.change_booking("b", course="now")
    assert verdicts(worker, tenant, claimed) == ["superseded"]
    claimed = worker.claim(tenant, SERVICE_LANE)
    assert [row["kind"] for _, row in claimed.values()] == ["booking_cancelled", "booking_confirmed"]
    assert verdicts(worker, tenant, claimed) == ["go", "go"]


def test_a_place_confirmed_again_is_confirmed_once(demo, worker, tenant):
    demo.put_person("p")
    demo.put_course("c")
    demo.put_booking("b", "c", "p", status="confirmed")
    claimed = worker.claim(tenant, SERVICE_LANE)
    demo.change_booking("b", status="waiting")
    demo.change_booking("b", status="confirmed")
    assert verdicts(worker, tenant, claimed) == ["superseded"]
    assert verdicts(worker, tenant, worker.claim(tenant, SERVICE_LANE)) == ["go"]


def test_a_cancelled_course_that_is_filed_away_is_still_told(cancelled, demo, worker, tenant):
    demo.change_course("c", status="finished")
    assert verdicts(worker, tenant, worker.claim(tenant, URGENT_LANE)) == ["go"]


def test_a_cancellation_that_was_taken_back_is_not_told(cancelled, demo, worker, tenant):
    demo.change_course("c", status="published")
    assert verdicts(worker, tenant, worker.claim(tenant, URGENT_LANE)) == ["superseded"]


# ---- People.


def test_what_is_on_the_wire_to_a_merged_record_is_tried_again_for_the_kept_one(
    cancelled, demo, owner, worker, tenant
):
    demo.put_person("keep")
    claimed = worker.claim(tenant, URGENT_LANE)
    assert verdicts(worker, tenant, claimed) == ["go"]
    demo.call("merge_people", "keep", "p")
    assert list(worker.record(tenant, claimed, "deferred", 451).values()) == ["ready"]
    assert verdicts(worker, tenant, worker.claim(tenant, URGENT_LANE)) == ["go"]


@pytest.mark.parametrize("told", ["gone", "keep"])
def test_what_one_of_two_merged_records_was_told_the_other_is_not(
    demo, owner, worker, tenant, told
):
    demo.put_category("maths")
    for ref in ("gone", "keep"):
        demo.put_person(ref, interests=["maths"])
    demo.put_course("open", categories=["maths"])
    worker.fan_out(tenant)
    demo.put_course("c")
    for ref in ("gone", "keep"):
        demo.put_booking(f"b-{ref}", "c", ref, status="confirmed", quiet=True)
    demo.change_course("c", status="cancelled")
    for lane in (URGENT_LANE, ALERT_LANE):
        owner.execute(
            "update message set due = now() + interval '1 hour' where person_id <>"
            " (select person_id from person where ref = %s)",
            [told],
        )
        claimed = worker.claim(tenant, lane)
        assert verdicts(worker, tenant, claimed) == ["go"]
        worker.record(tenant, claimed)
    demo.call("merge_people", "keep", "gone")
    owner.execute("update message set due = now()")
    assert worker.claim(tenant, URGENT_LANE) == {}
    assert "go" not in verdicts(worker, tenant, worker.claim(tenant, ALERT_LANE))


# ---- Going on from a place.


def test_a_claim_goes_on_behind_the_last_one_and_back_to_the_beginning(demo, owner, worker, tenant):
    demo.put_category("maths")
    for number in range(6):
        demo.put_person(f"p{number}", interests=["maths"])
    demo.put_course("c", categories=["maths"])
    worker.fan_out(tenant)
    owner.execute("update message set due = now() - interval '1 hour'")  # all the same
    first = worker.claim(tenant, ALERT_LANE, limit=2)
    place = worker.place
    second = worker.claim(tenant, ALERT_LANE, limit=2, place=place)
    assert len(first) == len(second) == 2 and not first.keys() & second.keys()
    worker.record(tenant, first, outcome="unsent")
    rest = worker.claim(tenant, ALERT_LANE, place=place)
    assert len(rest) == 2 and not rest.keys() & (first.keys() | second.keys())
    assert worker.claim(tenant, ALERT_LANE, place=worker.place) == {}
    assert worker.claim(tenant, ALERT_LANE).keys() == first.keys()


# ---- The tenant's window.


def test_an_alert_that_is_late_waits_for_the_tenants_next_window(demo, owner, worker, tenant):
    demo.put_category("maths")
    demo.put_person("p", interests=["maths"])
    demo.put_course("c", categories=["maths"])
    worker.fan_out(tenant)
    tomorrow = datetime.datetime.now(LONDON).date() + datetime.timedelta(days=1)
    demo.put_tenant(
        send_window={"from": "08:00", "to": "18:00", "days": [tomorrow.isoweekday()]}
    )
    assert worker.claim(tenant, ALERT_LANE) == {}
    (due,) = owner.execute("select due from message where not is_sealed").fetchone()
    assert due == datetime.datetime.combine(tomorrow, datetime.time(8), LONDON)
    demo.put_tenant(send_window=None)
    owner.execute("update message set due = now()")
    assert len(worker.claim(tenant, ALERT_LANE)) == 1


def test_the_window_holds_back_no_service_mail(demo, worker, tenant):
    tomorrow = datetime.datetime.now(LONDON).date() + datetime.timedelta(days=1)
    demo.put_tenant(
        send_window={"from": "08:00", "to": "18:00", "days": [tomorrow.isoweekday()]}
    )
    demo.put_person("p")
    demo.put_course("c")
    demo.put_booking("b", "c", "p", status="confirmed")
    assert len(worker.claim(tenant, SERVICE_LANE)) == 1


# ---- Turns.


def test_urgent_mail_is_told_of_however_many_tenants_have_jobs(
    cancelled, owner, worker, tenant
):
    owner.execute(
        """with made as (
               insert into tenant (tenant_id, slug, is_live, as_of)
               select %s + n, 'other' || n, true, now() from generate_series(1, 30) n
               returning tenant_id)
           insert into job (tenant_id, kind, state) select tenant_id, 'course_alert', 'matching'
           from made""",
        [tenant],
    )
    rows = worker.connection.execute("select * from handbell.due_work(0, 20)").fetchall()
    assert (tenant, "messages", URGENT_LANE, 1) in rows
    assert any(row[1] == "job" for row in rows)
