"""The brake holds what would mail too many, counts mails and not matches, and lets go of all it held."""

import threading
import time

import pytest

from tests.support.people import make_person
from tests.support.portal import Portal
from tests.support.queue_calls import Queue, tenant_id_of
from tests.support.schema import OWNER, PORTAL, WORKER


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


@pytest.fixture
def places(demo):
    """Twelve courses with three delegates each; the brake is at ten."""
    demo.put_tenant(rules={"brake": 10})
    demo.put_many("person", [{"ref": f"d{number}", **make_person()} for number in range(3)])
    for number in range(12):
        demo.put_course(f"c{number}")
    demo.put_many("booking", [
        {"ref": f"b{number}", "course": f"c{number // 3}", "person": f"d{number % 3}",
         "status": "confirmed", "quiet": True}
        for number in range(36)
    ])  # fmt: skip
    return demo


def cancel_one_by_one(portal, numbers):
    """Each in a transaction of its own, as a nightly comparison may do it."""
    for number in numbers:
        portal.change_course(f"c{number}", status="cancelled")


def job_states(owner, kind="course_cancelled"):
    return [state for _, state in jobs(owner, kind)]


def test_courses_cancelled_call_by_call_are_held_once_they_pass_the_brake(places, owner, worker):
    cancel_one_by_one(places, range(3))
    assert job_states(owner) == ["queued"] * 3
    claimed = worker.claim(tenant_id_of(owner), 1, limit=4)
    cancel_one_by_one(places, range(3, 7))
    # What a worker has taken goes; the others that had not left are held with the rest.
    assert job_states(owner)[2:] == ["held"] * 5
    states = owner.execute("select state::text, count(*) from message group by 1 order by 1")
    assert states.fetchall() == [("claimed", 4), ("held", 17)]
    worker.mark(tenant_id_of(owner), claimed)
    assert set(worker.record(tenant_id_of(owner), claimed).values()) == {"sent"}
    assert worker.claim(tenant_id_of(owner), 1) == {}
    for job, state in jobs(owner, "course_cancelled"):
        assert places.call("release", job) == (state == "held")
    assert len(worker.claim(tenant_id_of(owner), 1)) == 17


def test_what_was_released_or_is_older_than_ten_minutes_adds_up_with_nothing(places, owner):
    cancel_one_by_one(places, range(4))
    assert job_states(owner) == ["held"] * 4
    for job, _ in jobs(owner, "course_cancelled"):
        places.call("release", job)
    cancel_one_by_one(places, [4, 5, 6])
    assert job_states(owner) == ["queued"] * 7
    owner.execute("update job set created_at = created_at - interval '11 minutes'")
    cancel_one_by_one(places, [7, 8, 9])
    assert job_states(owner) == ["queued"] * 10
    cancel_one_by_one(places, [10])
    assert job_states(owner) == ["queued"] * 7 + ["held"] * 4


def test_places_cancelled_call_by_call_add_up_and_places_given_do_not(places, owner):
    for number in range(36):
        places.change_booking(f"b{number}", status="requested")
        places.change_booking(f"b{number}", status="confirmed")
    assert set(job_states(owner, "booking_confirmed")) == {"queued"}
    for number in range(12):
        places.change_booking(f"b{number}", status="cancelled")
    assert job_states(owner, "booking_cancelled") == ["held"] * 12


def test_a_place_booked_late_is_told_of_its_cancellation_beside_a_held_mass(places, owner):
    cancel_one_by_one(places, [0])
    owner.execute("update job set created_at = created_at - interval '1 hour'")
    cancel_one_by_one(places, range(1, 5))
    places.put_booking("late", "c0", "d0", status="confirmed")
    places.put_person("other")
    places.put_booking("later", "c0", "other", status="confirmed")
    assert job_states(owner) == ["queued"] + ["held"] * 4


def test_holding_what_was_queued_before_waits_for_nobody(places, owner, connect):
    """Another session has one of those jobs: it is left as it is."""
    cancel_one_by_one(places, range(3))
    session = connect(OWNER, autocommit=False)
    session.execute("select from job where job_id = %s for update", [jobs(owner, "course_cancelled")[0][0]])
    places.connection.execute("set lock_timeout = '2s'")
    cancel_one_by_one(places, [3])
    session.rollback()
    assert job_states(owner) == ["queued"] + ["held"] * 3


def test_status_shows_every_tenants_held_jobs_and_urgent_ones_first(places, owner):
    """However many another has of them."""
    owner.execute(
        """insert into job (tenant_id, kind, state, recipients)
           select tenant_id, 'booking_declined', 'held', 1 from tenant
           cross join generate_series(1, 100)"""
    )
    cancel_one_by_one(places, range(4))
    owner.execute("insert into tenant_slug (slug, tenant_id) values ('other', 1 << 40)")
    owner.execute("insert into tenant (tenant_id, slug, as_of) values (1 << 40, 'other', now())")
    owner.execute(
        "insert into job (tenant_id, kind, state) values (1 << 40, 'course_alert', 'held')"
    )
    ((status,),) = owner.execute("select queue_status()").fetchall()
    shown = [(job["tenant"], job["kind"]) for job in status["held_jobs"]]
    assert len(shown) == 50 and status["held"] == 105
    assert shown[:4] == 4 * [("demo", "course_cancelled")]
    assert ("other", "course_alert") in shown


def test_an_urgent_notice_held_beyond_its_time_counts_as_told_to_nobody(places, owner, worker):
    cancel_one_by_one(places, range(4))
    view = "select person, state, reason from handbell.not_told where course = 'c0' order by 1"
    assert places.connection.execute(view).fetchall() == []
    owner.execute("update message set expires_at = now()")
    people = ["d0", "d1", "d2"]
    rows = places.connection.execute(view).fetchall()
    assert rows == [(person, "held", "expired") for person in people]
    places.call("release", jobs(owner, "course_cancelled")[0][0])
    worker.mark(tenant_id_of(owner), worker.claim(tenant_id_of(owner), 1))
    rows = places.connection.execute(view).fetchall()
    assert rows == [(person, "skipped", "expired") for person in people]
