"""An alert's courses while facts change under it: what is not told is told later, and nobody stands still."""

import pytest

from tests.sql.test_lock_order import in_background, wait_for_blocked
from tests.support.portal import Portal
from tests.support.queue_calls import Queue, tenant_id_of
from tests.support.schema import OWNER, PORTAL, WORKER

ALERT_LANE = 5


@pytest.fixture
def worker(demo, connect):
    queue = Queue(connect(WORKER)).start()
    queue.connection.execute("set statement_timeout = '8s'")
    return queue


@pytest.fixture
def tenant(demo, owner):
    owner.execute("set statement_timeout = '20s'")
    return tenant_id_of(owner)


@pytest.fixture
def holder(demo, connect):
    """The tenant's portal, in a transaction that stays open."""
    return Portal(connect(PORTAL, autocommit=False))


@pytest.fixture
def reader(demo):
    demo.put_establishment("other")
    demo.put_category("maths")
    demo.put_person("p", interests=["maths"])


@pytest.fixture
def waiting_alert(reader, demo, worker, tenant):
    demo.put_course("c", categories=["maths"])
    worker.fan_out(tenant)


def fan_out_all(worker, tenant):
    while worker.fan_out(tenant):
        pass


def verdicts(worker, tenant):
    claimed = worker.claim(tenant, ALERT_LANE)
    return [(row[0], row[2]) for row in worker.mark(tenant, claimed).values()]


def test_a_course_with_many_alerts_waiting_is_cancelled_at_once(demo, owner, worker, tenant):
    """Each alert once; compared each with each, these took nine seconds."""
    count = 8000
    demo.put_tenant(settle="1 hour", basis="contract", rules={"brake": 1_000_000})
    demo.put_category("maths")
    owner.execute(
        """insert into person (tenant_id, ref, email, alerts, as_of)
           select %s, 'r' || n, 'r' || n || '@example.org', true, now()
           from generate_series(1, %s) n""",
        [tenant, count],
    )
    owner.execute(
        """insert into tick (tenant_id, category_id, person_id, is_live, frequency)
           select p.tenant_id, k.category_id, p.person_id, true, 'immediate'
           from person p join category k using (tenant_id)"""
    )
    for course in ("c1", "c2"):
        demo.put_course(course, categories=["maths"])
        fan_out_all(worker, tenant)
    demo.connection.execute("set statement_timeout = '3s'")
    demo.change_course("c1", status="cancelled")
    left = owner.execute("select courses, count(*) from message where not is_sealed group by 1")
    assert left.fetchall() == [([2], count)]
    assert owner.execute("select count(*) from match").fetchone() == (count,)


def test_a_job_and_its_course_cancelled_at_once_close_no_circle(
    waiting_alert, owner, holder, connect
):
    jobs = Portal(connect(PORTAL, autocommit=False))
    (job,) = owner.execute("select job_id from job where kind = 'course_alert'").fetchone()
    blocker = connect(OWNER, autocommit=False)
    blocker.execute("select from message for update")

    def cancel_course():
        with holder.connection.transaction():
            holder.change_course("c", status="cancelled")

    def cancel_job():
        with jobs.connection.transaction():
            jobs.call("cancel_job", job)

    course_errors, first = in_background(cancel_course)
    assert wait_for_blocked(owner)
    job_errors, second = in_background(cancel_job)
    assert wait_for_blocked(owner, 2)
    blocker.commit()
    first.join()
    second.join()
    assert course_errors == job_errors == []


@pytest.fixture
def two_of_one(demo, worker, tenant):
    """Two records of one person: an alert waits for the one, a course is to be matched for the other."""
    demo.put_tenant(settle="1 hour")
    for ref, ticked in (("keep", "maths"), ("gone", "art")):
        demo.put_category(ticked)
        demo.put_person(ref, interests=[ticked])
    demo.put_course("art", categories=["art"])
    worker.fan_out(tenant)
    demo.put_course("maths", categories=["maths"])


def assert_one_alert_of_both(owner):
    rows = owner.execute(
        "select p.ref, cardinality(m.courses) from message m join person p using (tenant_id, person_id)"
    )
    assert rows.fetchall() == [("keep", 2)]


def test_a_merge_while_matching_is_under_way_takes_what_it_finds(
    two_of_one, owner, holder, connect, tenant
):
    matcher = Queue(connect(WORKER, autocommit=False))
    matcher.fan_out(tenant)
    errors, merging = in_background(lambda: holder.call("merge_people", "keep", "gone"))
    assert wait_for_blocked(owner)
    matcher.connection.commit()
    merging.join()
    assert errors == []
    holder.connection.commit()
    assert_one_alert_of_both(owner)


def test_matching_leaves_a_merge_that_is_not_committed_alone(
    two_of_one, owner, holder, worker, tenant
):
    holder.call("merge_people", "keep", "gone")
    worker.fan_out(tenant)
    holder.connection.commit()
    fan_out_all(worker, tenant)
    assert_one_alert_of_both(owner)


def test_what_joins_an_alert_that_waited_too_long_is_told(waiting_alert, demo, owner, worker, tenant):
    owner.execute(
        "update message set due = due - interval '8 days', expires_at = expires_at - interval '8 days'"
    )
    demo.put_course("d", categories=["maths"])
    fan_out_all(worker, tenant)
    assert verdicts(worker, tenant) == [("go", [1, 2])]


def test_courses_that_join_alerts_which_wait_already_are_no_mails_for_the_brake(
    demo, owner, worker, tenant
):
    demo.put_tenant(settle="1 hour", rules={"brake": 5})
    demo.put_category("maths")
    demo.put_category("art")
    for number in range(8):
        demo.put_person(f"p{number}", interests=["maths"])
    demo.put_person("a", interests=["art"])
    demo.put_course("first", categories=["maths"])
    fan_out_all(worker, tenant)
    (job,) = owner.execute("select job_id from job where state = 'held'").fetchone()
    demo.call("release", job)
    fan_out_all(worker, tenant)
    demo.put_many("course", [
        {"ref": ref, "title": ref, "status": "published", "categories": [category],
         "starts_at": "2099-01-01T09:00Z"}
        for ref, category in (("c1", "maths"), ("c2", "maths"), ("c3", "art"))
    ])  # fmt: skip
    fan_out_all(worker, tenant)
    assert owner.execute("select distinct state from job").fetchall() == [("queued",)]


def test_a_course_that_opens_while_its_alert_is_dropped_is_told_after_all(
    waiting_alert, demo, owner, connect, worker, tenant
):
    """It opens when the look that found it full is not committed yet."""
    marks = Queue(connect(WORKER, autocommit=False), owner=worker.owner)
    claimed = worker.claim(tenant, ALERT_LANE)
    demo.change_course("c", full=True)
    assert [row[0] for row in marks.mark(tenant, claimed).values()] == ["superseded"]
    opens = Portal(connect(PORTAL))

    def open_and_match():
        opens.change_course("c", full=False)
        fan_out_all(worker, tenant)

    errors, opening = in_background(open_and_match)
    assert wait_for_blocked(owner)
    marks.connection.commit()
    opening.join()
    assert errors == []
    assert verdicts(worker, tenant) == [("go", [1])]


def test_a_course_being_opened_while_its_alert_is_dropped_is_told_after_all(
    waiting_alert, demo, owner, connect, holder, worker, tenant
):
    """It was opened before the look, and that is committed and matched while the look is not."""
    marks = Queue(connect(WORKER, autocommit=False), owner=worker.owner)
    claimed = worker.claim(tenant, ALERT_LANE)
    demo.change_course("c", full=True)
    holder.change_course("c", full=False)
    assert [row[0] for row in marks.mark(tenant, claimed).values()] == ["superseded"]
    holder.connection.commit()
    fan_out_all(worker, tenant)
    marks.connection.commit()
    fan_out_all(worker, tenant)
    assert verdicts(worker, tenant) == [("go", [1])]


def test_a_course_that_was_closed_to_its_reader_is_told_when_it_opens(
    waiting_alert, demo, worker, tenant
):
    demo.change_course("c", open_to=["other"])
    fan_out_all(worker, tenant)
    assert verdicts(worker, tenant) == [("superseded", None)]
    demo.change_course("c", open_to=[])
    fan_out_all(worker, tenant)
    assert verdicts(worker, tenant) == [("go", [1])]


def test_who_booked_before_the_alert_left_is_not_reported_as_told(
    waiting_alert, demo, worker, tenant
):
    demo.put_course("d", categories=["maths"])
    fan_out_all(worker, tenant)
    demo.put_booking("b", "c", "p", status="confirmed", quiet=True)
    claimed = worker.claim(tenant, ALERT_LANE)
    assert [row[2] for row in worker.mark(tenant, claimed).values()] == [[2]]
    worker.record(tenant, claimed)
    rows = demo.connection.execute(
        """select course, state, recipients from handbell.course_report
           where kind = 'course_alert'"""
    )
    assert rows.fetchall() == [("d", "sent", 1)]
    assert not demo.why("c", "p")["matched"][0]
