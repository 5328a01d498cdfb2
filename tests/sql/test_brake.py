"""The brake holds what would mail too many, counts mails and not matches, and lets go of all it held."""

import threading
import time

import pytest

from tests.support.people import make_person
from tests.support.portal import Portal
from tests.support.queue_calls import Queue, tenant_id_of
from tests.support.schema import PORTAL, WORKER


@pytest.fixture
def worker(demo, connect):
    return Queue(connect(WORKER)).start()


def jobs(owner, kind):
    return owner.execute(
        "select job_id, state from job where kind = %s order by job_id", [kind]
    ).fetchall()


def fan_out_all(worker, owner):
    while worker.fan_out(tenant_id_of(owner)):
        pass


def publish(portal, courses):
    portal.put_many("course", [
        {"ref": ref, "title": ref, "status": "published", "categories": ["maths"],
         "starts_at": "2099-01-01T09:00Z"}
        for ref in courses
    ])  # fmt: skip


@pytest.fixture
def readers(demo):
    """Four people who tick maths; the brake is at five."""
    demo.put_tenant(rules={"brake": 5}, settle="1 hour")
    demo.put_category("maths")
    for number in range(4):
        demo.put_person(f"p{number}", interests=["maths"])


def test_courses_published_together_that_go_in_one_mail_each_count_once(
    readers, demo, owner, worker
):
    publish(demo, ["c1", "c2", "c3"])
    fan_out_all(worker, owner)
    assert [state for _, state in jobs(owner, "course_alert")] == ["queued"] * 3
    assert owner.execute("select count(*) from message").fetchone() == (4,)


def test_courses_published_together_that_mail_different_people_add_up(
    readers, demo, owner, worker
):
    demo.put_category("art")
    for number in range(4):
        demo.put_person(f"a{number}", interests=["art"])
    demo.put_many("course", [
        {"ref": ref, "title": ref, "status": "published", "categories": [ref],
         "starts_at": "2099-01-01T09:00Z"}
        for ref in ("art", "maths")
    ])  # fmt: skip
    fan_out_all(worker, owner)
    assert [state for _, state in jobs(owner, "course_alert")] == ["queued", "held"]


def test_a_mail_added_to_a_job_while_it_is_released_goes_with_it(demo, owner, worker, connect):
    demo.put_tenant(rules={"brake": 1})
    for number in range(3):
        demo.put_person(f"p{number}")
    demo.put_course("c")
    for number in range(2):
        demo.put_booking(f"b{number}", "c", f"p{number}", status="confirmed", quiet=True)
    owner.execute("update course_rule set due = now() - interval '1 minute'")
    worker.fire_rules(tenant_id_of(owner))
    ((job, state),) = jobs(owner, "joining_instructions")
    assert state == "held"
    releases = Portal(connect(PORTAL, autocommit=False))
    releases.call("release", job)
    books = Portal(connect(PORTAL))
    booking = threading.Thread(
        target=lambda: books.put_booking("b2", "c", "p2", status="confirmed")
    )
    booking.start()
    time.sleep(0.3)  # it waits for the job, or did not and has read that it is held
    releases.connection.commit()
    booking.join()
    states = owner.execute(
        "select state::text, count(*) from message where job_id = %s group by 1", [job]
    ).fetchall()
    assert states == [("ready", 3)]


def test_a_wrong_column_that_cancels_three_hundred_courses_mails_nobody(demo, owner, worker):
    courses = [f"c{number}" for number in range(300)]
    demo.put_category("maths")
    demo.put_many("person", [{"ref": f"d{number}", **make_person()} for number in range(8)])
    publish(demo, courses)
    for start in (0, 1200):
        demo.put_many("booking", [
            {"ref": f"b{number}", "course": courses[number % 300], "person": f"d{number // 300}",
             "status": "confirmed", "quiet": True}
            for number in range(start, start + 1200)
        ])  # fmt: skip
    fan_out_all(worker, owner)
    outcomes = demo.put_many("course", [{"ref": ref, "status": "cancelled"} for ref in courses])
    assert {row[1] for row in outcomes} == {"changed"}
    told = owner.execute("select state::text, count(*) from message group by 1").fetchall()
    assert told == [("held", 2400)]
    assert worker.claim(tenant_id_of(owner), 1) == {}
    held = demo.connection.execute(
        "select job from handbell.job_report where tenant = 'demo' and state = 'held'"
    ).fetchall()
    assert len(held) == 300
    # One of them was meant.
    demo.call("release", held[0][0])
    assert len(worker.claim(tenant_id_of(owner), 1)) == 8
