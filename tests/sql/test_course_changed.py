"""A course that changes is told once to everybody concerned: from what each of them knew to what holds."""

import pytest

from tests.support.portal import Portal, in_days
from tests.support.queue_calls import Queue, tenant_id_of
from tests.support.schema import PORTAL, WORKER, grant_tenant

URGENT_LANE = 1
SERVICE_LANE = 3
PLACES = ["requested", "approved", "waiting", "offered", "confirmed"]


@pytest.fixture
def worker(demo, connect):
    return Queue(connect(WORKER)).start()


@pytest.fixture
def tenant(demo, owner):
    return tenant_id_of(owner)


@pytest.fixture
def course(demo):
    """A course in ten days with one confirmed delegate, p."""
    demo.put_person("p")
    demo.put_course("c", venue="County Hall")
    demo.put_booking("b", "c", "p", status="confirmed", quiet=True)
    return demo


def notices(owner, kind="course_changed"):
    """[(person, state, reason)] of all such mails, waiting or ended."""
    return owner.execute(
        """select p.ref, a.state, a.reason from any_message a
           join person p using (tenant_id, person_id) where a.kind = %s order by a.message_id""",
        [kind],
    ).fetchall()


def waiting(owner):
    return sorted(person for person, state, _ in notices(owner) if state in ("ready", "held"))


def claim_both(worker, tenant):
    return worker.claim(tenant, URGENT_LANE) | worker.claim(tenant, SERVICE_LANE)


def send(worker, tenant):
    """Sends what is due; returns the data of what went."""
    claimed = claim_both(worker, tenant)
    verdicts = worker.mark(tenant, claimed)
    going = {number: claimed[number] for number in claimed if verdicts[number][0] == "go"}
    if going:
        worker.record(tenant, going)
    return [data for _, data in going.values()]


def test_each_who_counts_on_the_course_is_told_once(demo, owner):
    demo.put_course("c", tutors=[], venue="County Hall")
    for status in [*PLACES, "declined", "cancelled", "transferred", "attended", "absent"]:
        demo.put_person(status)
        demo.put_booking(f"b {status}", "c", status, status=status, quiet=True)
    demo.put_person("tutor")
    demo.put_person("booker")
    demo.change_booking("b waiting", booked_by="booker")
    demo.change_course("c", tutors=["tutor"])
    assert demo.change_course("c", venue="Town Hall") == "changed"
    assert waiting(owner) == sorted([*PLACES, "tutor"])
    assert demo.change_course("c", venue="Town Hall") == "unchanged"
    assert waiting(owner) == sorted([*PLACES, "tutor"])


@pytest.mark.parametrize("facts", [
    {"title": "Another"}, {"venue": "Town Hall"}, {"venue_address": "Market Street"},
    {"online_url": "https://meet.example.org/a"}, {"starts_at": in_days(11), "ends_at": in_days(11, 15)},
    {"ends_at": in_days(10, 16)}, {"sessions": []}, {"status": "postponed"},
])  # fmt: skip
def test_what_a_delegate_goes_by_is_told(course, owner, facts):
    course.change_course("c", **facts)
    assert waiting(owner) == ["p"]


@pytest.mark.parametrize("facts", [
    {"summary": "A typo less"}, {"cost": "£20"}, {"full": True}, {"arrival_notes": "Ring the bell"},
    {"joining_instructions": "Bring a pen"}, {"status": "draft"}, {"status": "finished"}, {"title": "Course c"},
])  # fmt: skip
def test_other_facts_are_no_news(course, owner, facts):
    course.change_course("c", **facts)
    assert notices(owner) == []


def test_refs_stated_later_are_no_news_and_keep_the_sessions_keys(course, owner):
    course.change_course("c", sessions=[
        {"ref": "s1", "starts_at": in_days(10), "ends_at": in_days(10, 15), "venue": "County Hall"}
    ])  # fmt: skip
    assert notices(owner) == []
    assert owner.execute("select key, ref from course_session").fetchall() == [(1, "s1")]


def test_the_notice_holds_old_and_new(course, owner, worker, tenant):
    course.change_course("c", title="New title", venue="Town Hall", starts_at=in_days(12), ends_at=in_days(12, 15))
    (data,) = send(worker, tenant)
    assert data["change"]["title"] == "Course c"
    (old,) = data["change"]["sessions"]
    assert (old["key"], old["venue"]) == (1, "County Hall")
    assert old["starts_local"] == in_days(10)[:16]
    assert data["change"]["status"] == "published"
    assert data["roles"]["delegate"] is True and data["roles"]["tutor"] is False


@pytest.mark.parametrize("old, new, shown", [
    ("2027-03-27T09:30:00Z", "2027-03-28T08:30:00Z", ("2027-03-27T09:30", "GMT", "2027-03-28T09:30", "BST")),
    ("2027-10-30T08:30:00Z", "2027-10-31T09:30:00Z", ("2027-10-30T09:30", "BST", "2027-10-31T09:30", "GMT")),
])  # fmt: skip
def test_old_and_new_are_by_the_tenants_clock_across_both_changes_of_it(
    course, owner, worker, tenant, old, new, shown
):
    course.put_course("far", starts_at=old, ends_at=None)
    course.put_booking("b far", "far", "p", status="confirmed", quiet=True)
    course.change_course("far", starts_at=new)
    (data,) = send(worker, tenant)
    (before,) = data["change"]["sessions"]
    (after,) = worker.courses[data["courses"][0]]["sessions"]
    assert (before["starts_local"], before["zone"], after["starts_local"], after["zone"]) == shown
    assert after["starts_unix"] - before["starts_unix"] == 24 * 3600 + (-3600 if "03" in old[5:7] else 3600)


def test_a_second_change_waits_for_no_second_mail(course, owner, worker, tenant):
    course.change_course("c", venue="Town Hall")
    course.change_course("c", venue="Guildhall")
    (data,) = send(worker, tenant)
    assert data["change"]["sessions"][0]["venue"] == "County Hall"
    assert send(worker, tenant) == []


def test_a_change_back_before_the_notice_left_is_told_to_nobody(course, owner, worker, tenant):
    course.change_course("c", venue="Town Hall")
    course.change_course("c", venue="County Hall")
    assert notices(owner) == [("p", "skipped", "superseded")]
    assert send(worker, tenant) == []


def test_a_change_back_after_the_notice_left_is_told(course, owner, worker, tenant):
    course.change_course("c", venue="Town Hall")
    assert len(send(worker, tenant)) == 1
    course.change_course("c", venue="County Hall")
    (data,) = send(worker, tenant)
    assert data["change"]["sessions"][0]["venue"] == "Town Hall"


def test_each_hears_from_what_they_knew(course, owner, worker, tenant):
    """p's notice of the first change waits (the relay put it off); q has had theirs."""
    course.put_person("q")
    course.put_booking("bq", "c", "q", status="confirmed", quiet=True)
    course.change_course("c", venue="Town Hall")
    claimed = claim_both(worker, tenant)
    worker.mark(tenant, claimed)
    (late,) = [number for number in claimed if claimed[number][1]["person"]["id"] == 1]
    worker.record(tenant, {late: claimed.pop(late)}, outcome="deferred", code=451, retry_after_s=60)
    worker.record(tenant, claimed)
    course.change_course("c", venue="Guildhall")
    owner.execute("update message set due = now()")
    told = {data["person"]["id"]: data["change"]["sessions"][0]["venue"] for data in send(worker, tenant)}
    assert told == {1: "County Hall", 2: "Town Hall"}
    course.change_course("c", venue="County Hall")
    assert len(send(worker, tenant)) == 2


def test_back_to_what_only_one_of_them_knew(course, owner, worker, tenant):
    course.put_person("q")
    course.put_booking("bq", "c", "q", status="confirmed", quiet=True)
    course.change_course("c", venue="Town Hall")
    claimed = claim_both(worker, tenant)
    worker.mark(tenant, claimed)
    (late,) = [number for number in claimed if claimed[number][1]["person"]["id"] == 1]
    worker.record(tenant, {late: claimed.pop(late)}, outcome="deferred", code=451, retry_after_s=60)
    worker.record(tenant, claimed)
    course.change_course("c", venue="County Hall")
    owner.execute("update message set due = now()")
    assert [data["person"]["id"] for data in send(worker, tenant)] == [2]


def test_what_is_claimed_is_written_anew(course, owner, worker, tenant):
    course.change_course("c", venue="Town Hall")
    claimed = claim_both(worker, tenant)
    course.change_course("c", venue="Guildhall")
    assert [row[0] for row in worker.mark(tenant, claimed).values()] == ["stale"]
    (data,) = send(worker, tenant)
    assert data["change"]["sessions"][0]["venue"] == "County Hall"
    assert send(worker, tenant) == []


def test_what_is_on_the_wire_tells_its_own_change_and_the_next_is_told_by_another(
    course, owner, worker, tenant
):
    course.change_course("c", venue="Town Hall")
    claimed = claim_both(worker, tenant)
    worker.mark(tenant, claimed)
    course.change_course("c", venue="Guildhall")
    worker.record(tenant, claimed)
    (data,) = send(worker, tenant)
    assert data["change"]["sessions"][0]["venue"] == "Town Hall"


def test_what_comes_back_from_the_wire_tells_all_so_that_one_mail_goes(course, owner, worker, tenant):
    course.change_course("c", venue="Town Hall")
    claimed = claim_both(worker, tenant)
    worker.mark(tenant, claimed)
    course.change_course("c", venue="Guildhall")
    worker.record(tenant, claimed, outcome="deferred", code=451, retry_after_s=0)
    (data,) = send(worker, tenant)
    assert data["change"]["sessions"][0]["venue"] == "County Hall"
    assert sorted(notices(owner)) == [("p", "sent", None), ("p", "skipped", "superseded")]


@pytest.mark.parametrize("lack", ["lane = 3", "expires_at = now() + interval '1 h'"])
def test_later_news_goes_by_itself_where_the_notice_that_came_back_is_slower_or_nearly_over(
    course, owner, worker, tenant, lack
):
    course.change_course("c", venue="Town Hall")
    claimed = claim_both(worker, tenant)
    worker.mark(tenant, claimed)
    course.change_course("c", venue="Guildhall")
    worker.record(tenant, claimed, outcome="deferred", code=451, retry_after_s=1800)
    owner.execute("update message set lane = 1")
    owner.execute(f"update message set {lack} where epoch = 1")
    (data,) = send(worker, tenant)
    assert data["change"]["sessions"][0]["venue"] == "Town Hall"
    assert sorted(notices(owner)) == [("p", "sent", None), ("p", "waiting", None)]


def test_a_notice_released_late_tells_what_holds_by_then(demo, owner, worker, tenant):
    demo.put_tenant(rules={"brake": 1})
    demo.put_course("c", venue="County Hall")
    for number in range(2):
        demo.put_person(f"p{number}")
        demo.put_booking(f"b{number}", "c", f"p{number}", status="confirmed", quiet=True)
    demo.change_course("c", venue="Town Hall")
    demo.change_course("c", venue="Guildhall")
    assert [state for _, state, _ in notices(owner)] == ["held", "held"]
    (job,) = owner.execute("select job_id from job where state = 'held'").fetchone()
    assert demo.call("release", job) is True
    assert len(send(worker, tenant)) == 2
    assert send(worker, tenant) == []


def test_whom_an_urgent_change_did_not_reach_is_listed_to_be_telephoned(demo, owner, worker, tenant):
    for person in ("soon", "later"):
        demo.put_person(person)
        demo.put_course(person, starts_at=in_days(1 if person == "soon" else 9), ends_at=None)
        demo.put_booking(f"b {person}", person, person, status="confirmed", quiet=True)
        demo.change_person(person, email=None)
        demo.change_course(person, venue="Town Hall")
    assert send(worker, tenant) == []
    rows = demo.connection.execute("select person, kind, reason from handbell.not_told").fetchall()
    assert rows == [("soon", "course_changed", "no_address")]


def test_the_brake_counts_urgent_changes_apart(demo, owner):
    demo.put_tenant(rules={"brake": 2})
    for course, day in (("soon", 1), ("later", 9)):
        demo.put_course(course, starts_at=in_days(day), ends_at=None)
        for number in range(2):
            demo.put_person(f"{course}{number}")
            demo.put_booking(f"{course}{number}", course, f"{course}{number}", status="confirmed", quiet=True)
    demo.put_many("course", [{"ref": "soon", "venue": "A"}, {"ref": "later", "venue": "A"}])
    assert {state for _, state, _ in notices(owner)} == {"ready"}
    demo.put_many("course", [{"ref": "soon", "title": "B"}, {"ref": "later", "title": "B"}])
    assert {state for _, state, _ in notices(owner)} == {"ready"}


def test_a_wrong_column_is_held_and_its_correction_tells_nobody(demo, owner, worker, tenant):
    demo.put_tenant(rules={"brake": 5})
    courses = [f"c{number}" for number in range(6)]
    for course in courses:
        demo.put_person(course)
        demo.put_course(course, venue="County Hall")
        demo.put_booking(f"b {course}", course, course, status="confirmed", quiet=True)
    demo.put_many("course", [{"ref": course, "venue": "Market Street"} for course in courses])
    assert [state for _, state, _ in notices(owner)] == ["held"] * 6
    demo.put_many("course", [{"ref": course, "venue": "County Hall"} for course in courses])
    assert [row[1:] for row in notices(owner)] == [("skipped", "superseded")] * 6
    for (job,) in owner.execute("select job_id from job where state = 'held'").fetchall():
        demo.call("release", job)
    assert send(worker, tenant) == []


@pytest.mark.parametrize("old, new, lane", [
    (10, 11, SERVICE_LANE), (1, 10, URGENT_LANE), (10, 1, URGENT_LANE), (3, 4, SERVICE_LANE),
])  # fmt: skip
def test_a_change_within_48_hours_is_urgent(demo, owner, old, new, lane):
    demo.put_person("p")
    demo.put_course("c", starts_at=in_days(old), ends_at=in_days(old, 15))
    demo.put_booking("b", "c", "p", status="confirmed", quiet=True)
    demo.change_course("c", starts_at=in_days(new), ends_at=in_days(new, 15))
    assert owner.execute("select lane from message where kind = 'course_changed'").fetchall() == [(lane,)]


def test_only_a_session_that_changes_makes_it_urgent(demo, owner, worker, tenant):
    demo.put_person("p")
    sessions = [{"starts_at": in_days(1)}, {"starts_at": in_days(9)}]
    demo.put_course("c", sessions=sessions)
    demo.put_booking("b", "c", "p", status="confirmed", quiet=True)
    demo.change_course("c", sessions=[sessions[0], {"starts_at": in_days(10)}])
    assert owner.execute("select lane from message where kind = 'course_changed'").fetchall() == [(3,)]
    demo.change_course("c", sessions=[{"starts_at": in_days(1, 10)}, {"starts_at": in_days(10)}])
    (data,) = worker.claim(tenant, URGENT_LANE).values()
    assert data[1]["is_urgent"] is True and len(data[1]["change"]["sessions"]) == 2


def test_a_session_that_is_over_is_history(demo, owner):
    demo.put_person("p")
    sessions = [{"starts_at": in_days(-9), "venue": "A"}, {"starts_at": in_days(9)}]
    demo.put_course("c", sessions=sessions)
    demo.put_booking("b", "c", "p", status="confirmed", quiet=True)
    demo.change_course("c", sessions=[{**sessions[0], "venue": "B"}, sessions[1]])
    assert notices(owner) == []
    demo.change_course("c", sessions=[{"starts_at": in_days(-8), "venue": "B"}])
    assert waiting(owner) == ["p"]


def test_a_course_put_off_is_told_and_its_new_dates_when_it_is_on_again(course, owner, worker, tenant):
    course.change_course("c", status="postponed")
    (data,) = send(worker, tenant)
    assert data["change"]["status"] == "published"
    course.change_course("c", starts_at=in_days(40), ends_at=in_days(40, 15))
    assert send(worker, tenant) == []
    course.change_course("c", status="published")
    (data,) = send(worker, tenant)
    assert data["change"]["status"] == "postponed"
    assert data["change"]["sessions"][0]["starts_local"] == in_days(10)[:16]


def test_a_course_put_off_by_mistake_is_told_to_nobody(course, owner):
    course.change_course("c", status="postponed")
    course.change_course("c", status="published")
    assert notices(owner) == [("p", "skipped", "superseded")]


def test_a_course_on_again_after_it_was_called_off_is_told_to_those_who_heard(
    course, owner, worker, tenant
):
    course.put_person("q")
    course.put_person("booker")
    course.put_booking("bq", "c", "q", status="confirmed", quiet=True, booked_by="booker")
    course.change_course("c", status="cancelled")
    claimed = worker.claim(tenant, URGENT_LANE)
    worker.mark(tenant, claimed)
    worker.record(tenant, claimed)
    course.change_course("c", status="published")
    assert waiting(owner) == ["booker", "p", "q"]
    assert {data["change"]["status"] for data in send(worker, tenant)} == {"cancelled"}


def test_a_course_called_off_by_mistake_is_told_to_nobody(course, owner, worker, tenant):
    course.change_course("c", status="cancelled")
    course.change_course("c", status="published")
    assert send(worker, tenant) == [] and notices(owner) == []


def test_a_cancellation_takes_the_notice_back(course, owner, worker, tenant):
    course.change_course("c", venue="Town Hall")
    claimed = claim_both(worker, tenant)
    course.change_course("c", status="cancelled")
    assert [row[0] for row in worker.mark(tenant, claimed).values()] == ["superseded"]
    assert [data["kind"] for data in send(worker, tenant)] == ["course_cancelled"]


def test_what_changed_while_it_was_no_course_yet_is_no_news_and_while_unpublished_is(
    demo, owner, worker, tenant
):
    demo.put_person("p")
    demo.put_course("c", status="draft", venue="A")
    demo.put_booking("b", "c", "p", status="confirmed", quiet=True)
    demo.change_course("c", venue="B")
    demo.change_course("c", status="published")
    demo.change_course("c", status="draft")
    assert notices(owner) == []
    demo.change_course("c", venue="C")
    assert notices(owner) == []
    demo.change_course("c", status="published")
    (data,) = send(worker, tenant)
    assert data["change"]["sessions"][0]["venue"] == "B"


def test_a_loading_tenant_tells_nobody_and_counts_what_is_there_as_told(portal, owner, demo):
    grant_tenant(owner, PORTAL, "other")
    other = Portal(portal, tenant="other")
    other.put_tenant(is_live=False)
    other.put_person("p")
    other.put_course("c", venue="A")
    other.put_booking("b", "c", "p", status="confirmed")
    other.change_course("c", venue="B")
    other.call("go_live")
    assert notices(owner) == []
    assert other.change_course("c", venue="C") == "changed"
    (before,) = owner.execute("select before from job where kind = 'course_changed'").fetchone()
    assert before["sessions"][0]["venue"] == "B"


def test_whoever_left_meanwhile_is_not_told(course, owner, worker, tenant):
    course.change_course("c", venue="Town Hall")
    course.change_booking("b", status="cancelled", quiet=True)
    assert send(worker, tenant) == []
    assert notices(owner) == [("p", "skipped", "superseded")]


def test_a_notice_expires_with_the_last_session_and_after_a_week_at_most(course, owner):
    course.change_course("c", starts_at=in_days(2), ends_at=in_days(2, 15))
    (days,) = owner.execute(
        "select extract(epoch from expires_at - now()) / 86400 from message where kind = 'course_changed'"
    ).fetchone()
    assert 6.9 < days < 7.1
    course.put_course("soon", starts_at=in_days(3), ends_at=in_days(3, 15))
    course.put_booking("b2", "soon", "p", status="confirmed", quiet=True)
    course.change_course("soon", starts_at=in_days(2), ends_at=in_days(2, 15))
    (is_end,) = owner.execute(
        "select expires_at = %s from message m join job j using (tenant_id, job_id)"
        " join course c using (tenant_id, course_id) where c.ref = 'soon'", [in_days(3, 15)]
    ).fetchone()  # fmt: skip
    assert is_end


def test_two_records_of_one_person_get_one_notice(course, owner, worker, tenant):
    course.put_person("q")
    course.put_booking("bq", "c", "q", status="confirmed", quiet=True)
    course.change_course("c", venue="Town Hall")
    course.call("merge_people", "p", "q")
    assert len(send(worker, tenant)) == 1
    course.change_course("c", venue="Guildhall")
    assert len(send(worker, tenant)) == 1


def test_the_state_kept_is_the_same_whatever_the_portals_time_zone(course, owner, portal):
    for zone in ("America/New_York", "Asia/Kolkata", "UTC"):
        portal.execute(f"set timezone to '{zone}'")
        portal.execute("set datestyle to 'SQL, DMY'")
        course.change_course("c", summary=zone, venue="Town Hall")
        course.change_course("c", venue="County Hall")
    assert {reason for _, _, reason in notices(owner)} == {"superseded"}
