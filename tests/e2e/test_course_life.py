"""A delegate and a course from request to reminder, with the real worker: each step is one mail, and a
calendar that takes them all shows what holds."""

import datetime

import pytest

from tests.support.calendar_client import CalendarClient
from tests.support.portal import in_days, now

A, B, C = ({"ref": ref, "starts_at": in_days(day), "ends_at": in_days(day, 15), "venue": "County Hall"}
           for ref, day in (("a", 20), ("b", 21), ("c", 22)))  # fmt: skip


@pytest.fixture
def life(service, address_of):
    """service.next(): the next mail to p, its calendar entries taken by service.calendar."""
    service.demo.put_person("p", first_name="Siân", last_name="O'Brien")
    service.demo.put_course("c", title="Phonics", sessions=[A, B, C], cost="£20")
    service.calendar = CalendarClient()
    service.seen = 0

    def take():
        service.seen += 1
        mail = service.store.wait_for(service.seen, to=address_of("p"))[service.seen - 1]
        service.wait_for_quiet()
        for part in mail.message.walk():
            if part.get_content_type() == "text/calendar" and part.get_filename():
                service.calendar.apply(part.get_content().encode())
        return mail

    service.next = take
    return service


def days(life):
    return [start.date() for _, start in life.calendar.entries()]


def on(*ahead):
    return [(now() + datetime.timedelta(days=day)).date() for day in ahead]


def test_each_step_of_a_booking_is_one_mail_that_names_the_course(life):
    demo = life.demo
    demo.put_booking("b", "c", "p", status="waiting")
    kinds = []
    for status in ("requested", "approved", "offered", "confirmed", "cancelled"):
        demo.change_booking("b", status=status, offer_expires_at=in_days(2))
        mail = life.next()
        assert "Phonics" in mail.message["Subject"] and "Siân" in mail.text()
        kinds.append(mail.message["Subject"])
    assert len(set(kinds)) == 5
    assert life.states() == {
        (kind, "sent", None): 1
        for kind in ("booking_requested", "booking_approved", "place_offered", "booking_confirmed",
                     "booking_cancelled")
    }  # fmt: skip
    demo.change_booking("b", status="requested", quiet=True)
    demo.change_booking("b", status="declined")
    assert life.next().message["Subject"] not in kinds


def test_a_calendar_follows_change_postponement_and_cancellation_and_keeps_nothing(life):
    demo = life.demo
    demo.put_booking("b", "c", "p", status="confirmed")
    life.next()
    assert days(life) == on(20, 21, 22)
    demo.change_course("c", sessions=[{**A, "starts_at": in_days(19), "venue": "Town Hall"}, C])
    mail = life.next()
    for body in (mail.text(), mail.html()):
        assert "County Hall" in body and "Town Hall" in body
    assert days(life) == on(19, 22)
    demo.change_course("c", sessions=[A, B, C])
    life.next()
    assert days(life) == on(20, 21, 22)
    demo.change_course("c", status="cancelled", cancel_reason="The tutor is ill")
    life.next()
    assert days(life) == []


def test_a_place_given_up_leaves_the_calendar(life):
    life.demo.put_booking("b", "c", "p", status="confirmed")
    life.next()
    life.demo.change_booking("b", status="cancelled")
    life.next()
    assert days(life) == []


def test_a_place_handed_to_a_colleague_leaves_the_calendar(life):
    life.demo.put_person("q")
    life.demo.put_booking("b", "c", "p", status="confirmed")
    life.next()
    life.demo.change_booking("b", person="q")
    life.next()
    assert days(life) == []


def test_a_booking_ended_just_before_its_course_leaves_the_calendar(life):
    life.demo.put_booking("b", "c", "p", status="confirmed")
    life.next()
    with life.demo.connection.transaction():
        life.demo.change_booking("b", status="cancelled")
        life.demo.change_course("c", status="cancelled")
    life.next()
    assert days(life) == []
    assert life.states("booking_cancelled") == {("booking_cancelled", "skipped", "course_cancelled"): 1}


def test_a_course_put_off_leaves_the_calendar_and_comes_back_with_its_dates(life):
    demo = life.demo
    demo.put_booking("b", "c", "p", status="confirmed")
    life.next()
    demo.change_course("c", status="postponed")
    mail = life.next()
    for words in (mail.message["Subject"], mail.text(), mail.html()):
        assert "Course postponed" in words and "session is cancelled" not in words
    assert days(life) == []
    demo.change_course("c", sessions=[A, C], status="published")
    mail = life.next()
    for words in (mail.message["Subject"], mail.text(), mail.html()):
        assert "Course back on" in words
    assert days(life) == on(20, 22)


def test_h1_a_delegate_is_reminded_before_the_start_and_again_when_the_course_moves(life, owner):
    demo = life.demo
    starts_at = now() + datetime.timedelta(days=1, seconds=3)
    demo.put_person("q")
    demo.put_course("soon", title="First aid", rules={"joining_instructions_days": None},
                    starts_at=starts_at.isoformat(), ends_at=None, venue="Abbey Room")  # fmt: skip
    demo.put_booking("b", "soon", "p", status="confirmed", quiet=True)
    mail = life.next()
    assert now() >= starts_at - datetime.timedelta(days=1)
    assert "First aid" in mail.message["Subject"] and "Abbey Room" in mail.text()
    demo.put_booking("b2", "soon", "q", status="confirmed")
    starts_at = now() + datetime.timedelta(days=2)
    demo.change_course("soon", starts_at=starts_at.isoformat())
    life.next()  # the change
    owner.execute("update course_rule set due = now() where kind = 'reminder' and job_id is null")
    assert "First aid" in life.next().message["Subject"]
    life.wait_for_quiet()
    assert life.states("reminder") == {("reminder", "sent", None): 2}
    assert life.states("booking_confirmed") == {("booking_confirmed", "sent", None): 1}


def test_a_change_within_48_hours_overtakes_and_a_tutor_gets_no_entry(life, address_of):
    demo = life.demo
    demo.put_person("tutor")
    demo.put_course("now", title="Tomorrow", tutors=["tutor"], starts_at=in_days(1), ends_at=in_days(1, 15),
                    venue="County Hall")  # fmt: skip
    demo.put_booking("b", "now", "p", status="confirmed", quiet=True)
    demo.change_course("now", venue="Town Hall")
    mail = life.next()
    assert "Town Hall" in mail.text()
    (row,) = life.owner.execute(
        "select distinct lane from message_record where kind = 'course_changed'"
    ).fetchall()
    assert row == (1,)
    (mail,) = life.store.wait_for(1, to=address_of("tutor"))
    assert address_of("p") not in mail.content.decode()
