"""Rules: what goes so many days before or after a course goes once, for late bookers and moved courses too."""

import pytest

from tests.support.portal import Portal, in_days, in_hours
from tests.support.queue_calls import Queue, tenant_id_of
from tests.support.schema import PORTAL, WORKER, grant_tenant

SERVICE_LANE = 3
BOTH = ["joining_instructions", "reminder"]


@pytest.fixture
def worker(demo, connect):
    return Queue(connect(WORKER)).start()


@pytest.fixture
def tenant(demo, owner):
    return tenant_id_of(owner)


@pytest.fixture
def course(demo):
    """A course in ten days with one delegate, p, confirmed without a mail."""
    demo.put_person("p")
    demo.put_course("c")
    demo.put_booking("b", "c", "p", status="confirmed", quiet=True)
    return demo


def dues(owner, ref="c"):
    """{kind: (when it is due, job)} of a course's rules; None: at no time."""
    rows = owner.execute(
        "select r.kind, nullif(r.due, 'infinity'), r.job_id"
        " from course_rule r join course c using (tenant_id, course_id) where c.ref = %s", [ref]
    ).fetchall()  # fmt: skip
    return {kind: (due, job) for kind, due, job in rows}


def make_due(owner, kind="reminder"):
    """Half an hour before now for a reminder, before that for what comes earlier."""
    owner.execute(
        "update course_rule set due = now() - interval '30 minutes' where job_id is null and kind = %s",
        [kind],
    )


def fire(worker, tenant):
    while worker.fire_rules(tenant):
        pass


def told(owner, kind="reminder"):
    """The refs of those who have such a mail waiting, or were sent one."""
    rows = owner.execute(
        """select p.ref from any_message a join person p using (tenant_id, person_id)
           where a.kind = %s and a.state <> 'skipped' order by 1""",
        [kind],
    ).fetchall()
    return [ref for (ref,) in rows]


def send(worker, tenant, owner):
    """Sends what is due, and lets half a day go by."""
    claimed = worker.claim(tenant, SERVICE_LANE)
    verdicts = worker.mark(tenant, claimed)
    going = {number: claimed[number] for number in claimed if verdicts[number][0] == "go"}
    if going:
        worker.record(tenant, going)
    owner.execute("update message_record set created_at = created_at - interval '13 hours'")
    return [data["kind"] for _, data in going.values()]


@pytest.mark.parametrize("tenants, courses, days", [
    ({}, {}, 1), ({"reminder_days": 3}, {}, 3), ({"reminder_days": None}, {}, None),
    ({}, {"reminder_days": None}, None), ({"reminder_days": None}, {"reminder_days": 2}, 2),
    ({}, {"reminder_days": 0}, 0),
])  # fmt: skip
def test_the_course_says_when_else_the_tenant_else_it_is_the_day_before(demo, owner, tenants, courses, days):
    demo.put_tenant(rules=tenants)
    demo.put_course("c", rules=courses)
    seen = dues(owner)
    assert ("reminder" in seen) == (days is not None)
    if days is not None:
        assert owner.execute(
            "select starts_at - %s = make_interval(days => %s) from course", [seen["reminder"][0], days]
        ).fetchone() == (True,)


def test_a_rule_stated_later_is_followed_and_null_takes_it_back(course, owner):
    course.change_course("c", rules={"reminder_days": 5})
    assert dues(owner)["reminder"][0].isoformat()[:10] == in_days(5)[:10]
    course.put_tenant(rules={"reminder_days": 2})
    assert dues(owner)["reminder"][0].isoformat()[:10] == in_days(5)[:10]
    course.change_course("c", rules={})
    assert dues(owner)["reminder"][0].isoformat()[:10] == in_days(8)[:10]
    course.put_tenant(rules={"reminder_days": None})
    assert "reminder" not in dues(owner)


@pytest.mark.parametrize("day, hour", [("03-28", 8), ("03-29", 8), ("10-31", 9), ("11-01", 9)])
def test_a_reminder_goes_at_the_same_time_of_day_across_both_changes_of_the_clock(demo, owner, day, hour):
    """At half past nine in London the day before, whatever that is by UTC."""
    demo.put_course("c", starts_at=f"2027-{day}T{hour:02}:30:00Z", ends_at=None)
    (local,) = owner.execute(
        "select (due at time zone 'Europe/London')::text from course_rule where kind = 'reminder'"
    ).fetchone()
    before = {"03-28": "03-27", "03-29": "03-28", "10-31": "10-30", "11-01": "10-31"}[day]
    assert local == f"2027-{before} 09:30:00"


def test_delegates_are_reminded_once_and_nobody_else(demo, owner, worker, tenant):
    demo.put_person("tutor")
    demo.put_course("c", tutors=["tutor"])
    for status in ("requested", "approved", "waiting", "offered", "confirmed", "declined", "cancelled"):
        demo.put_person(status)
        demo.put_booking(f"b {status}", "c", status, status=status, quiet=True)
    make_due(owner)
    fire(worker, tenant)
    assert told(owner) == ["confirmed"]
    assert send(worker, tenant, owner) == ["reminder"]
    fire(worker, tenant)
    demo.change_course("c", summary="A typo less")
    fire(worker, tenant)
    assert send(worker, tenant, owner) == []


def test_who_books_after_the_reminder_gets_the_joining_instructions_and_no_reminder(
    course, owner, worker, tenant
):
    make_due(owner, "joining_instructions")
    make_due(owner)
    fire(worker, tenant)
    course.put_person("late")
    course.put_booking("b2", "c", "late", status="confirmed")
    fire(worker, tenant)
    assert told(owner, "booking_confirmed") == ["late"]
    assert told(owner, "joining_instructions") == ["late", "p"]
    assert "late" not in told(owner)


@pytest.mark.parametrize("hours, is_reminded", [(11, False), (13, True)])
def test_who_was_told_the_date_within_half_a_day_is_not_reminded_of_it(
    course, owner, worker, tenant, hours, is_reminded
):
    course.put_person("q")
    course.put_booking("b2", "c", "q", status="confirmed")
    claimed = worker.claim(tenant, SERVICE_LANE)
    worker.mark(tenant, claimed)
    worker.record(tenant, claimed)
    owner.execute(
        "update message_record set created_at = now() - make_interval(hours => %s)", [hours]
    )
    make_due(owner)
    fire(worker, tenant)
    assert told(owner) == (["p", "q"] if is_reminded else ["p"])


def test_of_two_rules_for_one_hour_the_fuller_mail_goes(course, owner, worker, tenant):
    course.change_course("c", rules={"joining_instructions_days": 1})
    for kind in BOTH:
        make_due(owner, kind)
    fire(worker, tenant)
    assert told(owner, "joining_instructions") == ["p"] and told(owner) == []


@pytest.mark.parametrize("status", ["postponed", "draft", "cancelled"])
def test_what_was_owed_while_a_course_was_not_on_is_told_when_it_is_on_again(
    course, owner, worker, tenant, status
):
    """Its time passes meanwhile. The joining instructions go then; a reminder would only say again when."""
    course.change_course("c", status=status)
    assert owner.execute("select count(*) from course_rule where due < 'infinity'").fetchone() == (0,)
    fire(worker, tenant)
    owner.execute("update course set starts_at = now() + interval '20 hours', ends_at = null")
    course.change_course("c", status="published")
    fire(worker, tenant)
    assert told(owner, "joining_instructions") == ["p"] and told(owner) == []
    fire(worker, tenant)
    assert told(owner, "joining_instructions") == ["p"]


@pytest.mark.parametrize("status", ["postponed", "draft", "cancelled"])
def test_what_was_told_before_a_course_was_not_on_is_not_told_again(
    course, owner, worker, tenant, status
):
    owner.execute(
        "update course_rule r set due = rule_due(c.tenant_id, c, k) from course c, rule k"
        " where c.tenant_id = r.tenant_id and c.course_id = r.course_id and k.kind = r.kind"
    )
    owner.execute("update course_rule set due = now() where kind = 'joining_instructions'")
    fire(worker, tenant)
    owner.execute(
        "update course_rule r set due = rule_due(c.tenant_id, c, k) from course c, rule k"
        " where c.tenant_id = r.tenant_id and c.course_id = r.course_id and k.kind = r.kind"
    )
    assert send(worker, tenant, owner) == ["joining_instructions"]
    course.change_course("c", status=status)
    course.change_course("c", status="published")
    fire(worker, tenant)
    assert "joining_instructions" not in send(worker, tenant, owner)


def test_who_was_passed_over_while_the_course_was_put_off_is_told_when_it_is_on(
    course, owner, worker, tenant
):
    """q's mail was claimed when the course was put off; r's place was confirmed meanwhile."""
    for person in ("q", "r"):
        course.put_person(person)
    course.put_booking("bq", "c", "q", status="confirmed", quiet=True)
    make_due(owner, "joining_instructions")
    fire(worker, tenant)
    claimed = worker.claim(tenant, SERVICE_LANE)
    course.change_course("c", status="postponed")
    assert {row[0] for row in worker.mark(tenant, claimed).values()} == {"superseded"}
    course.put_booking("br", "c", "r", status="confirmed", quiet=False)
    assert told(owner, "joining_instructions") == []
    course.change_course("c", status="published")
    assert told(owner, "joining_instructions") == ["p", "q", "r"]


def test_a_date_first_known_within_its_days_tells_those_who_had_booked_without_one(
    demo, owner, worker, tenant
):
    demo.put_person("p")
    demo.put_course("c", sessions=[])
    demo.put_booking("b", "c", "p", status="confirmed", quiet=True)
    fire(worker, tenant)
    assert told(owner, "joining_instructions") == []
    demo.change_course("c", starts_at=in_days(3))
    fire(worker, tenant)
    assert told(owner, "joining_instructions") == ["p"]
    assert dues(owner)["reminder"][1] is None


def test_a_course_that_moves_is_reminded_of_again_for_its_new_date(course, owner, worker, tenant):
    make_due(owner)
    fire(worker, tenant)
    assert send(worker, tenant, owner) == ["reminder"]
    course.change_course("c", starts_at=in_days(30), ends_at=in_days(30, 15))
    assert dues(owner)["reminder"][1] is None
    make_due(owner)
    fire(worker, tenant)
    assert sorted(send(worker, tenant, owner)) == ["course_changed", "reminder"]


def test_a_reminder_that_waits_is_overtaken_by_the_move(course, owner, worker, tenant):
    make_due(owner)
    fire(worker, tenant)
    claimed = worker.claim(tenant, SERVICE_LANE)
    course.change_course("c", starts_at=in_days(30), ends_at=in_days(30, 15))
    assert [row[0] for row in worker.mark(tenant, claimed).values()] == ["superseded"]
    assert told(owner) == []


def test_a_course_moved_to_within_a_day_tells_the_change_and_does_not_remind_as_well(
    course, owner, worker, tenant
):
    course.change_course("c", starts_at=in_hours(20), ends_at=None)
    fire(worker, tenant)
    assert told(owner) == [] and told(owner, "course_changed") == ["p"]
    assert told(owner, "joining_instructions") == ["p"]


def test_a_course_first_stated_within_a_day_is_not_reminded_of_and_moved_on_it_is(
    demo, owner, worker, tenant
):
    demo.put_person("p")
    (soon,) = owner.execute("select (now() + interval '20 hours')::text").fetchone()
    demo.put_course("c", starts_at=soon.replace(" ", "T"), ends_at=None)
    demo.put_booking("b", "c", "p", status="confirmed", quiet=True)
    assert dues(owner)["reminder"][1] == 0
    fire(worker, tenant)
    assert told(owner) == []
    demo.change_course("c", starts_at=in_days(5), ends_at=None)
    fire(worker, tenant)
    assert send(worker, tenant, owner) == ["joining_instructions"]  # the change itself is urgent
    make_due(owner)
    fire(worker, tenant)
    assert told(owner) == ["p"]


def test_a_worker_that_was_down_sends_no_reminder_of_what_has_begun(course, owner, worker, tenant):
    make_due(owner)
    fire(worker, tenant)
    owner.execute("update message set expires_at = now() where kind = 'reminder'")
    assert send(worker, tenant, owner) == []
    owner.execute("update course_rule set job_id = null")
    owner.execute("update course set starts_at = now() - interval '1 minute'")
    fire(worker, tenant)
    assert told(owner) == []


def test_a_reminder_expires_at_the_start_and_joining_instructions_at_the_end(course, owner, worker, tenant):
    for kind in BOTH:
        make_due(owner, kind)
        fire(worker, tenant)
        owner.execute("update message set created_at = created_at - interval '13 hours'")
    rows = owner.execute(
        "select m.kind, m.expires_at = c.starts_at, m.expires_at = c.ends_at"
        " from message m join course c using (tenant_id) order by 1"
    ).fetchall()
    assert rows == [("joining_instructions", False, True), ("reminder", True, False)]


@pytest.mark.parametrize("status", ["postponed", "draft", "cancelled", "finished"])
def test_a_course_that_is_not_on_reminds_nobody(course, owner, worker, tenant, status):
    make_due(owner)
    fire(worker, tenant)
    claimed = worker.claim(tenant, SERVICE_LANE)
    course.change_course("c", status=status)
    assert all(row[0] != "go" for row in worker.mark(tenant, claimed).values())
    due, job = dues(owner)["reminder"]
    assert due is None or job is not None


def test_a_place_given_up_takes_the_reminder_back(course, owner, worker, tenant):
    make_due(owner)
    fire(worker, tenant)
    course.change_booking("b", status="cancelled", quiet=True)
    assert told(owner) == []


def test_going_live_schedules_what_is_to_come_and_fires_nothing_past(portal, owner, demo, worker):
    grant_tenant(owner, PORTAL, "other")
    other = Portal(portal, tenant="other")
    other.put_tenant(is_live=False)
    other.put_person("p")
    (soon,) = owner.execute("select (now() + interval '20 hours')::text").fetchone()
    other.put_course("soon", starts_at=soon.replace(" ", "T"), ends_at=None)
    other.put_course("later")
    for ref in ("soon", "later"):
        other.put_booking(f"b {ref}", ref, "p", status="confirmed")
    other.call("go_live")
    assert {kind: job for kind, (_, job) in dues(owner, "soon").items()} == dict.fromkeys(BOTH, 0)
    assert {kind: job for kind, (_, job) in dues(owner, "later").items()} == dict.fromkeys(BOTH)
    fire(worker, tenant_id_of(owner, "other"))
    assert told(owner) == [] and told(owner, "joining_instructions") == []


@pytest.fixture
def after_course(owner, demo):
    """A kind that goes a day after the end to those who attended, as a later version may add."""
    owner.execute(
        "insert into rule values ('bulletin', 'thanks_days', 1, 'end', 1, '{attended}', true, null)"
    )
    return demo


def test_a_rule_after_the_end_needs_a_row_and_no_code(after_course, owner, worker, tenant):
    demo = after_course
    demo.put_course("c", starts_at=in_days(2), ends_at=in_days(3, 15))
    for person in ("early", "late", "away"):
        demo.put_person(person)
        demo.put_booking(f"b {person}", "c", person, status="confirmed", quiet=True)
    assert dues(owner)["bulletin"][0].isoformat()[:10] == in_days(4)[:10]
    demo.change_course("c", starts_at=in_days(-3), ends_at=in_days(-2, 15), status="finished")
    demo.change_booking("b early", status="attended")
    make_due(owner, "bulletin")
    fire(worker, tenant)
    assert told(owner, "bulletin") == ["early"]
    demo.change_booking("b away", status="absent")
    demo.change_booking("b late", status="attended")
    assert told(owner, "bulletin") == ["early", "late"]
    assert {row["kind"] for _, row in worker.claim(tenant, 6).values()} == {"bulletin"}


def test_a_place_taken_while_the_reminder_fires_is_reminded_or_has_its_confirmation(
    course, owner, connect, worker, tenant
):
    make_due(owner)
    books = Portal(connect(PORTAL, autocommit=False))
    course.put_person("q")
    books.put_booking("b2", "c", "q", status="confirmed")
    try:
        worker.fire_rules(tenant)
    except Exception as error:  # the course is busy: the next poll tells of the rule again
        assert error.sqlstate == "55P03"
    books.connection.commit()
    fire(worker, tenant)
    assert told(owner) == ["p"] and told(owner, "booking_confirmed") == ["q"]
