"""Each step of a booking is told once to its delegate, while it holds, and no later than it is of use."""

import pytest

from tests.support.portal import Portal, in_days
from tests.support.queue_calls import Queue, tenant_id_of
from tests.support.schema import PORTAL, WORKER, grant_tenant

SERVICE_LANE = 3
KINDS = {
    "requested": "booking_requested", "approved": "booking_approved", "waiting": None,
    "offered": "place_offered", "confirmed": "booking_confirmed", "declined": "booking_declined",
    "attended": None, "absent": None,
}  # fmt: skip
ENDS = ["cancelled", "transferred"]
PLACES = ["requested", "approved", "waiting", "offered", "confirmed"]


@pytest.fixture
def worker(demo, connect):
    return Queue(connect(WORKER)).start()


@pytest.fixture
def tenant(demo, owner):
    return tenant_id_of(owner)


@pytest.fixture
def course(demo):
    """A course in 40 days, for which no rule is due, and two people."""
    demo.put_person("p")
    demo.put_person("q")
    demo.put_course("c", starts_at=in_days(40), ends_at=in_days(40, 15))
    return demo


def mails(owner, state="ready"):
    """[(kind, person)] of the mails in that state."""
    return owner.execute(
        """select a.kind, p.ref from any_message a join person p using (tenant_id, person_id)
           where a.state = %s order by a.message_id""",
        [state],
    ).fetchall()


def send(worker, tenant):
    """Sends what is due; returns the data of what went."""
    claimed = worker.claim(tenant, SERVICE_LANE)
    verdicts = worker.mark(tenant, claimed)
    going = {number: claimed[number] for number in claimed if verdicts[number][0] == "go"}
    if going:
        worker.record(tenant, going)
    return [data for _, data in going.values()]


@pytest.mark.parametrize("status, kind", KINDS.items())
def test_a_booking_first_seen_in_a_status_is_told_by_its_mail(course, owner, status, kind):
    course.put_booking("b", "c", "p", status=status, booked_by="q")
    assert mails(owner) == ([(kind, "p")] if kind else [])
    assert course.change_booking("b", status=status) == "unchanged"
    course.change_booking("b", online_url="https://meet.example.org/p", booked_by=None)
    assert mails(owner) == ([(kind, "p")] if kind else [])


@pytest.mark.parametrize("status", ENDS)
def test_a_booking_first_seen_at_its_end_is_nobodys_news(course, owner, status):
    course.put_booking("b", "c", "p", status=status)
    assert mails(owner) == []


@pytest.mark.parametrize("before", PLACES)
@pytest.mark.parametrize("status", [*KINDS, *ENDS])
def test_each_step_is_told_and_overtakes_the_one_before(course, owner, worker, tenant, before, status):
    if before == status:
        return
    course.put_booking("b", "c", "p", status=before)
    claimed = worker.claim(tenant, SERVICE_LANE)
    course.change_booking("b", status=status)
    kind = "booking_cancelled" if status in ENDS else KINDS[status]
    assert mails(owner) == ([(kind, "p")] if kind else [])
    if claimed:
        assert [row[0] for row in worker.mark(tenant, claimed).values()] == ["superseded"]
    sent = send(worker, tenant)
    assert [data["kind"] for data in sent] == ([kind] if kind else [])
    assert all(data["booking"]["status"] == status for data in sent)


def test_what_waits_is_taken_back_when_it_is_overtaken(course, owner):
    course.put_booking("b", "c", "p", status="requested")
    course.change_booking("b", status="approved")
    course.change_booking("b", status="confirmed")
    assert mails(owner) == [("booking_confirmed", "p")]
    assert mails(owner, "skipped") == [("booking_requested", "p"), ("booking_approved", "p")]


@pytest.mark.parametrize("status", [*KINDS, *ENDS])
def test_quiet_is_told_to_nobody_and_overtakes_all_the_same(course, owner, status):
    course.put_booking("b", "c", "p", status="waiting")
    course.change_booking("b", status="requested")
    course.change_booking("b", status=status, quiet=True)
    waiting = [("booking_requested", "p")] if status == "requested" else []
    assert mails(owner) == waiting
    course.put_booking("b2", "c", "q", status=status, quiet=True)
    assert mails(owner) == waiting


@pytest.mark.parametrize("status", [*KINDS, *ENDS])
def test_a_course_that_is_over_tells_nothing(demo, owner, status):
    demo.put_person("p")
    demo.put_course("c", starts_at=in_days(-2), ends_at=in_days(-2, 15))
    demo.put_booking("b", "c", "p", status="requested")
    demo.change_booking("b", status=status)
    assert mails(owner) == []


def test_an_offer_is_told_with_its_end_and_not_after_it(course, owner, worker, tenant):
    course.put_course("far", starts_at="2099-08-01T09:00:00Z", ends_at=None)
    course.put_booking("b", "far", "p", status="offered", offer_expires_at="2099-07-01T11:00:00Z")
    (data,) = send(worker, tenant)
    assert data["booking"]["offer_expires_local"] == "2099-07-01T12:00"
    course.put_booking("b2", "c", "q", status="offered", offer_expires_at=in_days(-1))
    assert send(worker, tenant) == []
    assert mails(owner, "skipped") == [("place_offered", "q")]


def test_an_offers_mail_expires_with_the_offer_with_the_course_and_after_three_days(course, owner):
    course.put_course("tomorrow", starts_at=in_days(1), ends_at=in_days(1, 15))
    course.put_booking("b1", "c", "p", status="offered")
    course.put_booking("b2", "c", "p", status="offered", offer_expires_at=in_days(2))
    course.put_booking("b3", "tomorrow", "p", status="offered", offer_expires_at=in_days(2))
    rows = owner.execute(
        "select expires_at = created_at + '3 days', expires_at = %s, expires_at = %s from message"
        " where kind = 'place_offered' order by message_id", [in_days(2), in_days(1, 15)]
    ).fetchall()  # fmt: skip
    assert rows == [(True, False, False), (False, True, False), (False, False, True)]


def test_an_offer_that_lasts_longer_is_told_anew_and_once(course, owner, worker, tenant):
    course.put_booking("b", "c", "p", status="offered", offer_expires_at=in_days(1))
    course.change_booking("b", offer_expires_at=in_days(2))
    assert mails(owner) == [("place_offered", "p")]
    assert len(send(worker, tenant)) == 1
    course.change_booking("b", offer_expires_at=in_days(3))
    assert len(send(worker, tenant)) == 1
    course.change_booking("b", status="confirmed")
    course.change_booking("b", offer_expires_at=in_days(4))
    assert [data["kind"] for data in send(worker, tenant)] == ["booking_confirmed"]


@pytest.mark.parametrize("status", ["confirmed", "declined", "waiting", "cancelled"])
def test_an_offer_taken_or_withdrawn_is_not_told(course, owner, worker, tenant, status):
    course.put_booking("b", "c", "p", status="offered", offer_expires_at=in_days(2))
    claimed = worker.claim(tenant, SERVICE_LANE)
    course.change_booking("b", status=status)
    assert [row[0] for row in worker.mark(tenant, claimed).values()] == ["superseded"]


def test_who_is_handed_a_place_is_told_and_so_is_who_had_it(course, owner, worker, tenant):
    course.put_booking("b", "c", "p", status="confirmed")
    send(worker, tenant)
    course.change_booking("b", person="q")
    assert mails(owner) == [("booking_cancelled", "p"), ("booking_confirmed", "q")]
    lost, got = send(worker, tenant)
    assert lost["booking"] is None and got["booking"]["ref"] == "b"


@pytest.mark.parametrize("then", ["another step", "a removal"])
def test_who_had_a_place_is_told_whatever_becomes_of_it_in_new_hands(
    course, owner, worker, tenant, then
):
    course.put_booking("b", "c", "p", status="confirmed")
    send(worker, tenant)
    course.change_booking("b", person="q", status="requested")
    claimed = worker.claim(tenant, SERVICE_LANE, limit=1)
    if then == "another step":
        course.change_booking("b", status="confirmed")
    else:
        course.call("remove", "booking", "b")
    verdicts = worker.mark(tenant, claimed)
    assert [row[0] for row in verdicts.values()] == ["go"]
    worker.record(tenant, claimed)
    send(worker, tenant)
    ends = [("booking_confirmed", "q")] if then == "another step" else []
    assert mails(owner, "sent") == [("booking_confirmed", "p"), ("booking_cancelled", "p"), *ends]
    assert mails(owner, "skipped") == [("booking_requested", "q")]


def test_a_place_moved_to_another_course_is_told_on_both(course, owner, worker, tenant):
    course.put_course("d", starts_at=in_days(50), ends_at=in_days(50, 15))
    course.put_booking("b", "c", "p", status="confirmed")
    send(worker, tenant)
    course.change_booking("b", course="d")
    sent = send(worker, tenant)
    assert [(data["kind"], data["courses"]) for data in sent] == [
        ("booking_cancelled", [1]), ("booking_confirmed", [2])
    ]  # fmt: skip


def test_a_place_moved_and_back_is_not_told_as_lost(course, owner, worker, tenant):
    course.put_course("d", starts_at=in_days(50), ends_at=in_days(50, 15))
    course.put_booking("b", "c", "p", status="confirmed")
    course.change_booking("b", course="d")
    course.change_booking("b", course="c")
    sent = send(worker, tenant)
    assert [(data["kind"], data["courses"]) for data in sent] == [
        ("booking_cancelled", [2]), ("booking_confirmed", [1])
    ]  # fmt: skip


def test_of_two_places_on_a_course_losing_one_is_not_told(course, owner):
    course.put_booking("b1", "c", "p", status="confirmed", quiet=True)
    course.put_booking("b2", "c", "p", status="requested", quiet=True)
    course.change_booking("b2", status="cancelled")
    assert mails(owner) == []


@pytest.mark.parametrize("status", ["cancelled", "declined", "transferred"])
def test_bookings_ended_just_before_their_course_hear_that_it_is_cancelled(
    course, owner, worker, tenant, status
):
    """A portal may end the bookings first. One mail says it all, and says it urgently."""
    course.put_booking("b", "c", "p", status="confirmed", quiet=True)
    course.put_booking("b2", "c", "q", status="confirmed", quiet=True)
    course.change_booking("b", status=status)
    claimed = worker.claim(tenant, SERVICE_LANE)
    course.change_booking("b2", status=status)
    course.change_course("c", status="cancelled")
    assert [row[0] for row in worker.mark(tenant, claimed).values()] == ["superseded"]
    assert mails(owner) == [("course_cancelled", "p"), ("course_cancelled", "q")]


@pytest.mark.parametrize("status", [*KINDS, *ENDS])
def test_a_cancelled_course_revokes_every_kind(course, owner, worker, tenant, status):
    course.put_booking("b", "c", "p", status="waiting", quiet=True)
    course.put_booking("b2", "c", "q", status="waiting", quiet=True)
    course.change_booking("b", status=status)
    claimed = worker.claim(tenant, SERVICE_LANE)
    course.change_booking("b2", status=status)
    course.change_course("c", status="cancelled")
    assert all(row[0] != "go" for row in worker.mark(tenant, claimed).values())
    assert {kind for kind, _ in mails(owner)} <= {"course_cancelled"}


@pytest.mark.parametrize("status", [*KINDS, *ENDS])
def test_a_removed_booking_or_person_takes_its_mail_along(course, owner, worker, tenant, status):
    for booking, person in (("b", "p"), ("b2", "q")):
        course.put_booking(booking, "c", person, status="waiting", quiet=True)
        course.change_booking(booking, status=status)
    course.call("remove", "booking", "b")
    course.call("remove", "person", "q")
    assert mails(owner) == [] and send(worker, tenant) == []


def test_a_removed_booking_names_and_means_nobody(course, worker, tenant):
    """The booker hears of who is still booked, the delegate of the booking that stands."""
    course.put_person("r", first_name="Rhian", last_name=None)
    course.put_person("s", first_name="Siân", last_name=None)
    for person in ("r", "s"):
        course.put_booking(f"b {person}", "c", person, status="confirmed", booked_by="q", quiet=True)
    course.call("remove", "booking", "b r")
    for booking, status in (("b1", "cancelled"), ("b2", "waiting")):
        course.put_booking(booking, "c", "p", status=status, quiet=True)
    course.change_course("c", status="cancelled")
    told = {data["person"]["email"]: data for _, data in worker.claim(tenant, 1).values()}
    roles = [data["roles"] for data in told.values() if data["roles"]["booker"]]
    assert [role["booked_for"] for role in roles] == [["Siân"]]
    assert sorted(data["booking"]["ref"] for data in told.values() if data["booking"]) == ["b s", "b2"]


def test_a_loading_tenant_tells_no_step(portal, owner, demo):
    grant_tenant(owner, PORTAL, "other")
    other = Portal(portal, tenant="other")
    other.put_tenant(is_live=False)
    other.put_person("p")
    other.put_course("c")
    for number, status in enumerate([*KINDS, *ENDS]):
        other.put_booking(f"b{number}", "c", "p", status="requested")
        other.change_booking(f"b{number}", status=status)
    other.call("go_live")
    assert mails(owner) == []


def test_a_merge_carries_the_mail_over_and_the_place_with_it(course, owner, worker, tenant):
    course.put_booking("b", "c", "q", status="offered")
    course.call("merge_people", "p", "q")
    assert mails(owner) == [("place_offered", "p")]
    assert [data["kind"] for data in send(worker, tenant)] == ["place_offered"]


def test_the_brake_holds_the_steps_of_a_nightly_mistake(demo, owner):
    demo.put_tenant(rules={"brake": 5})
    demo.put_course("c", starts_at=in_days(40), ends_at=in_days(40, 15))
    for number in range(8):
        demo.put_person(f"p{number}")
        demo.put_booking(f"b{number}", "c", f"p{number}", status="requested", quiet=True)
    demo.put_many("booking", [{"ref": f"b{number}", "status": "declined"} for number in range(8)])
    assert len(mails(owner, "held")) == 8
