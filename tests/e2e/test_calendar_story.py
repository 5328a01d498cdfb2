"""A delegate's calendar follows the mails that the worker really sends: entries come, move and go,
and none is left behind."""

import datetime

from tests.support.calendar_client import CalendarClient
from tests.support.portal import in_days


def session(ref, days, hour=9, **facts):
    return {"ref": ref, "starts_at": in_days(days, hour), "ends_at": in_days(days, hour + 3)} | facts


def put_course(service, *sessions):
    service.demo.put_course("c1", title="Leading a subject", sessions=list(sessions))


def entries_of(mail):
    """The objects that come along as files, each once."""
    return [
        part.get_content()
        for part in mail.message.walk()
        if part.get_content_type() == "text/calendar" and part.get_content_disposition()
    ]


def read(client, mail):
    """How many objects the mail brought."""
    objects = entries_of(mail)
    for one in objects:
        client.apply(one)
    return len(objects)


def starts(client):
    return [start for _, start in client.entries()]


def moment(days, hour=9):
    return datetime.datetime.fromisoformat(in_days(days, hour))


def test_a_course_of_three_sessions_comes_moves_and_leaves_no_entry(service, address_of):
    client = CalendarClient()
    service.demo.put_person("p1")
    put_course(service, session("a", 40), session("b", 47), session("c", 54))
    service.demo.put_booking("b1", "c1", "p1", status="confirmed")
    (booked,) = service.store.wait_for(1)
    assert read(client, booked) == 3
    assert starts(client) == [moment(40), moment(47), moment(54)]

    # One moves, one stays, one goes, one is new.
    put_course(service, session("a", 40), session("b", 48, 13), session("d", 61))
    (changed,) = service.store.wait_for(2)[1:]
    assert read(client, changed) == 4
    assert starts(client) == [moment(40), moment(48, 13), moment(61)]

    service.demo.change_course("c1", status="cancelled", cancel_reason="The tutor is ill")
    (cancelled,) = service.store.wait_for(3)[2:]
    assert read(client, cancelled) == 4  # the one that went, too: its notice might not have left
    assert starts(client) == []
    assert client.ignored == 0


def test_a_place_given_up_and_taken_again_is_in_the_calendar_again(service, address_of):
    client = CalendarClient()
    service.demo.put_person("p1")
    put_course(service, session("a", 40))
    service.demo.put_booking("b1", "c1", "p1", status="confirmed")
    (booked,) = service.store.wait_for(1)
    assert read(client, booked) == 1
    service.demo.change_booking("b1", status="cancelled")
    (given_up,) = service.store.wait_for(2)[1:]
    assert read(client, given_up) == 1
    assert starts(client) == []
    service.demo.put_booking("b2", "c1", "p1", status="confirmed")
    (again,) = service.store.wait_for(3)[2:]
    assert read(client, again) == 1
    assert starts(client) == [moment(40)]
    assert client.ignored == 0


def test_who_waits_or_booked_for_another_gets_no_entry(service, address_of):
    for person in ("p1", "waits", "booker", "tutor"):
        service.demo.put_person(person)
    service.demo.put_course("c1", title="First aid", sessions=[session("a", 40)], tutors=["tutor"])
    service.demo.put_booking("b1", "c1", "p1", status="confirmed", booked_by="booker", quiet=True)
    service.demo.put_booking("b2", "c1", "waits", status="waiting", quiet=True)
    service.demo.change_course("c1", status="cancelled")
    mails = service.store.wait_for(4)
    had = {mail.recipient: len(entries_of(mail)) for mail in mails}
    assert had == {
        address_of("p1"): 1,
        address_of("waits"): 0,
        address_of("booker"): 0,
        address_of("tutor"): 0,
    }


def test_a_course_put_off_leaves_the_calendar_and_comes_back_with_its_new_day(service):
    client = CalendarClient()
    service.demo.put_person("p1")
    put_course(service, session("a", 40), session("b", 47))
    service.demo.put_booking("b1", "c1", "p1", status="confirmed")
    read(client, service.store.wait_for(1)[0])
    service.demo.change_course("c1", status="postponed")
    assert read(client, service.store.wait_for(2)[1]) == 2
    assert starts(client) == []
    put_course(service, session("a", 75), session("b", 47))
    assert read(client, service.store.wait_for(3)[2]) == 2
    assert starts(client) == [moment(47), moment(75)]
    assert client.ignored == 0


def test_a_session_dropped_together_with_the_course_leaves_no_entry(service):
    client = CalendarClient()
    service.demo.put_person("p1")
    put_course(service, session("a", 40), session("b", 47))
    service.demo.put_booking("b1", "c1", "p1", status="confirmed")
    read(client, service.store.wait_for(1)[0])
    service.demo.change_course("c1", status="cancelled", sessions=[session("a", 40)])
    assert read(client, service.store.wait_for(2)[1]) == 2
    assert starts(client) == []
