"""Joining instructions reach every delegate of a course once, whenever they booked and however the
course moved."""

import pytest

from tests.support.portal import Portal, in_days
from tests.support.queue_calls import Queue, tenant_id_of
from tests.support.schema import PORTAL, WORKER

SERVICE_LANE = 3


@pytest.fixture
def worker(demo, connect):
    return Queue(connect(WORKER)).start()


def told(owner, kind="joining_instructions"):
    """The refs of those who have such a mail waiting or in the record of what was sent."""
    rows = owner.execute(
        """select p.ref from (
               select tenant_id, person_id, kind from message
               union all
               select tenant_id, person_id, kind from message_record where state = 'sent') m
           join person p using (tenant_id, person_id) where m.kind = %s order by 1""",
        [kind],
    ).fetchall()
    return [ref for (ref,) in rows]


def make_due(owner):
    owner.execute(
        "update course_rule set due = now() - interval '1 minute'"
        " where job_id is null and kind = 'joining_instructions'"
    )


def send_all(worker, tenant):
    claimed = worker.claim(tenant, SERVICE_LANE)
    verdicts = worker.mark(tenant, claimed)
    going = {number: claimed[number] for number in claimed if verdicts[number][0] == "go"}
    if going:
        worker.record(tenant, going)


def test_a_booking_made_while_the_rule_fires_is_told(demo, owner, connect, worker):
    demo.put_person("p")
    demo.put_course("c")
    make_due(owner)
    tenant = tenant_id_of(owner)
    books = Portal(connect(PORTAL, autocommit=False))
    books.put_booking("b", "c", "p", status="confirmed", quiet=False)
    try:
        worker.fire_rules(tenant)
    except Exception as error:  # the course is busy: the next poll tells of the rule again
        assert error.sqlstate == "55P03"
    books.connection.commit()
    worker.fire_rules(tenant)
    assert told(owner) == ["p"]


def test_a_course_that_got_its_new_date_while_postponed_is_told_of_again(demo, owner, worker):
    demo.put_person("p")
    demo.put_course("c")
    demo.put_booking("b", "c", "p", status="confirmed", quiet=True)
    make_due(owner)
    tenant = tenant_id_of(owner)
    assert worker.fire_rules(tenant) == 1
    send_all(worker, tenant)
    demo.change_course("c", status="postponed")
    demo.change_course("c", starts_at=in_days(40), ends_at=in_days(40, 15))
    demo.change_course("c", status="published")
    make_due(owner)
    assert worker.fire_rules(tenant) == 1
    assert told(owner) == ["p", "p"]


def test_a_course_postponed_and_back_on_the_same_date_is_not_told_of_again(demo, owner, worker):
    demo.put_person("p")
    demo.put_course("c")
    demo.put_booking("b", "c", "p", status="confirmed", quiet=True)
    make_due(owner)
    tenant = tenant_id_of(owner)
    worker.fire_rules(tenant)
    send_all(worker, tenant)
    owner.execute(
        "update course_rule r set due = rule_due(c.tenant_id, c, k) from course c, rule k"
        " where c.tenant_id = r.tenant_id and c.course_id = r.course_id and k.kind = r.kind"
    )
    demo.change_course("c", status="postponed")
    demo.change_course("c", venue="Elsewhere")
    demo.change_course("c", status="published")
    make_due(owner)
    assert worker.fire_rules(tenant) == 0
    assert told(owner) == ["p"]


def test_what_waits_for_the_old_date_is_overtaken_by_the_new_one(demo, owner, worker):
    demo.put_person("p")
    demo.put_course("c")
    demo.put_booking("b", "c", "p", status="confirmed", quiet=True)
    make_due(owner)
    tenant = tenant_id_of(owner)
    worker.fire_rules(tenant)
    demo.change_course("c", starts_at=in_days(40), ends_at=in_days(40, 15))
    assert told(owner) == []
    make_due(owner)
    worker.fire_rules(tenant)
    assert told(owner) == ["p"]


@pytest.mark.parametrize("is_claimed", [False, True])
def test_a_place_given_up_and_taken_again_before_the_mail_left_is_told(
    demo, owner, worker, is_claimed
):
    demo.put_person("p")
    demo.put_course("c")
    demo.put_booking("b", "c", "p", status="confirmed", quiet=True)
    make_due(owner)
    tenant = tenant_id_of(owner)
    worker.fire_rules(tenant)
    claimed = worker.claim(tenant, SERVICE_LANE) if is_claimed else {}
    demo.change_booking("b", status="cancelled")
    if is_claimed:
        assert [row[0] for row in worker.mark(tenant, claimed).values()] == ["superseded"]
    assert told(owner) == []
    demo.change_booking("b", status="confirmed")
    assert told(owner) == ["p"]


def test_who_was_told_and_books_again_is_not_told_again(demo, owner, worker):
    demo.put_person("p")
    demo.put_course("c")
    demo.put_booking("b", "c", "p", status="confirmed", quiet=True)
    make_due(owner)
    tenant = tenant_id_of(owner)
    worker.fire_rules(tenant)
    send_all(worker, tenant)
    demo.change_booking("b", status="cancelled")
    demo.change_booking("b", status="confirmed")
    assert told(owner) == ["p"]


def test_of_two_places_of_one_person_giving_up_one_leaves_the_mail(demo, owner, worker):
    demo.put_person("p")
    demo.put_course("c")
    for ref in ("b1", "b2"):
        demo.put_booking(ref, "c", "p", status="confirmed", quiet=True)
    make_due(owner)
    worker.fire_rules(tenant_id_of(owner))
    demo.change_booking("b1", status="cancelled")
    assert told(owner) == ["p"]
    demo.call("remove", "booking", "b2")
    assert told(owner) == []


def test_the_brake_counts_each_course_by_itself_when_rules_fire(demo, owner, worker):
    demo.put_tenant(rules={"brake": 3})
    for number in range(4):
        demo.put_person(f"p{number}")
    for course in ("c1", "c2", "c3"):
        demo.put_course(course)
        for number in range(2):
            demo.put_booking(f"{course}b{number}", course, f"p{number}", status="confirmed", quiet=True)
    demo.put_course("crowded")
    for number in range(4):
        demo.put_booking(f"b{number}", "crowded", f"p{number}", status="confirmed", quiet=True)
    make_due(owner)
    tenant = tenant_id_of(owner)
    while worker.fire_rules(tenant):
        pass
    rows = owner.execute(
        """select c.ref, j.state from job j join course c using (tenant_id, course_id)
           where j.kind = 'joining_instructions' order by 1"""
    ).fetchall()
    assert rows == [("c1", "queued"), ("c2", "queued"), ("c3", "queued"), ("crowded", "held")]
