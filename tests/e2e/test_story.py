"""The whole story over a real SMTP connection: facts are stated, and the right people hear of it."""

import datetime
import re

from tests.support import process
from tests.support.portal import Portal, in_days, now
from tests.support.programs import post_one_click


def opt_out_url(mail):
    """The one-click address of a mail (RFC 8058)."""
    return re.search(r"<(https?://[^>]+)>", mail.message["List-Unsubscribe"]).group(1)


def put_readers(demo, count, category="maths"):
    demo.put_category(category)
    for number in range(1, count + 1):
        demo.put_person(f"p{number}", interests=[category])


def recipients(mails):
    return sorted(mail.recipient for mail in mails)


def test_courses_published_while_an_alert_settles_come_in_one_mail(service, address_of):
    service.demo.put_tenant(base_url=service.url, settle="2 seconds")
    put_readers(service.demo, 3)
    service.demo.change_person("p3", alerts=False)
    service.demo.put_course("c1", title="Fractions made friendly", categories=["maths"])
    service.demo.put_course("c2", title="Counting on counting", categories=["maths"])
    service.store.wait_for(2)
    service.wait_for_quiet()
    mails = service.store.mails()
    assert recipients(mails) == sorted([address_of("p1"), address_of("p2")])
    for mail in mails:
        for body in (mail.text(), mail.html()):
            assert "Fractions made friendly" in body
            assert "Counting on counting" in body
            assert opt_out_url(mail) in body
        assert mail.message["To"].addresses[0].addr_spec == mail.recipient
        assert mail.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert mail.message["Auto-Submitted"] == "auto-generated"
        assert mail.message["List-Id"] is not None
        assert mail.message["Precedence"] is None
        assert "Westmarch CPD Online" in mail.message["From"]
    assert service.states() == {("course_alert", "sent", None): 2}


def test_a_course_is_told_once_whatever_is_stated_again(service):
    put_readers(service.demo, 1)
    service.demo.put_course("c1", categories=["maths"])
    service.store.wait_for(1)
    service.demo.put_course("c1", categories=["maths"])
    service.demo.change_course("c1", status="postponed")
    service.demo.change_course("c1", status="published")
    service.demo.put_course("c2", title="Another", categories=["maths"])
    service.store.wait_for(2)
    service.wait_for_quiet()
    assert len(service.store.mails()) == 2
    assert "Course c1" not in service.store.mails()[1].text()


def test_one_click_stops_queued_alerts_and_not_a_cancellation(service, address_of):
    put_readers(service.demo, 2)
    service.demo.put_course("c1", categories=["maths"])
    service.store.wait_for(2)
    service.demo.put_tenant(base_url=service.url, settle="3 seconds")
    service.demo.put_course("c2", categories=["maths"])
    stops = address_of("p1")
    (first,) = service.store.mails(to=stops)
    assert post_one_click(opt_out_url(first)) == 200
    service.store.wait_for(2, to=address_of("p2"))
    service.wait_for_quiet()
    assert len(service.store.mails(to=stops)) == 1
    assert service.demo.why("c2", "p1")["the person has not opted out"][0] is False

    service.demo.put_booking("b1", "c1", "p1", status="confirmed", quiet=True)
    service.demo.change_course("c1", status="cancelled", cancel_reason="The tutor is ill")
    mails = service.store.wait_for(2, to=stops)
    assert "The tutor is ill" in mails[1].text()
    # Its link stops what is optional, and says no more than that.
    assert mails[1].message["List-Unsubscribe"] is not None


def test_a_confirmed_booking_is_told_to_the_delegate_once(service, address_of):
    service.demo.put_person("p1")
    service.demo.put_person("booker")
    service.demo.put_course("c1", title="Safer recruitment", starts_at=in_days(40),
                            ends_at=in_days(40, 15), venue="Abbey Room")  # fmt: skip
    service.demo.put_booking("b1", "c1", "p1", booked_by="booker", quiet=True)
    service.demo.change_booking("b1", status="confirmed")
    service.demo.change_booking("b1", status="confirmed")
    service.store.wait_for(1)
    service.wait_for_quiet()
    (mail,) = service.store.mails()
    assert mail.recipient == address_of("p1")
    assert "Safer recruitment" in mail.text()
    assert "Abbey Room" in mail.text()
    assert service.states() == {("booking_confirmed", "sent", None): 1}


def test_joining_instructions_go_by_the_rule_and_to_a_late_booker_at_once(service, address_of):
    starts_at = now() + datetime.timedelta(days=7, seconds=4)
    for person in ("p1", "p2", "late"):
        service.demo.put_person(person)
    service.demo.put_course(
        "c1", title="First aid", starts_at=starts_at.isoformat(),
        ends_at=(starts_at + datetime.timedelta(hours=2)).isoformat(),
        venue="Abbey Room", joining_instructions="Bring a blanket",
        rules={"joining_instructions_days": 7},
    )  # fmt: skip
    service.demo.put_booking("b1", "c1", "p1", status="confirmed", quiet=True)
    service.demo.put_booking("b2", "c1", "p2", status="waiting", quiet=True)
    assert service.store.mails() == []
    (mail,) = service.store.wait_for(1)
    assert now() >= starts_at - datetime.timedelta(days=7)
    assert mail.recipient == address_of("p1")
    assert "Bring a blanket" in mail.text()
    assert "Abbey Room" in mail.text()
    service.demo.put_booking("b3", "c1", "late", status="confirmed")
    service.store.wait_for(2, to=address_of("late"))
    service.wait_for_quiet()
    assert service.states("joining_instructions") == {("joining_instructions", "sent", None): 2}
    assert service.states("booking_confirmed") == {("booking_confirmed", "sent", None): 1}


def test_a_cancellation_reaches_all_concerned_and_nobody_else(service, address_of):
    demo = service.demo
    statuses = ["requested", "approved", "waiting", "offered", "confirmed"]
    demo.put_establishment("provider", urgent_email="urgent@provider.example.org")
    for person in [*statuses, "declined", "cancelled", "booker", "tutor", "bystander"]:
        demo.put_person(person)
    demo.put_course("c1", title="Swimming for all", tutors=["tutor"], provider="provider",
                    starts_at=in_days(30), ends_at=in_days(30, 15))  # fmt: skip
    for status in [*statuses, "declined", "cancelled"]:
        demo.put_booking(f"b {status}", "c1", status, status=status, quiet=True,
                         booked_by="booker" if status == "requested" else None)  # fmt: skip
    demo.change_course("c1", status="cancelled", cancel_reason="The pool is shut")
    expected = [address_of(person) for person in [*statuses, "booker", "tutor"]]
    expected.append("urgent@provider.example.org")
    service.store.wait_for(len(expected))
    service.wait_for_quiet()
    assert recipients(service.store.mails()) == sorted(expected)
    for mail in service.store.mails():
        assert "Swimming for all" in mail.text()
        assert "The pool is shut" in mail.text()


def test_no_mail_shows_anybody_elses_address(service, address_of):
    demo = service.demo
    for person in ("p1", "p2", "booker", "tutor"):
        demo.put_person(person)
    demo.put_course("c1", tutors=["tutor"], starts_at=in_days(30), ends_at=in_days(30, 15))
    for person in ("p1", "p2"):
        demo.put_booking(f"b{person}", "c1", person, status="confirmed", booked_by="booker")
    demo.change_course("c1", status="cancelled")
    service.store.wait_for(4)
    service.wait_for_quiet()
    addresses = {address_of(person) for person in ("p1", "p2", "booker", "tutor")}
    for mail in service.store.mails():
        content = mail.content.decode() + mail.text() + mail.html()
        for other in addresses - {mail.recipient}:
            assert other not in content


def test_a_cancellation_revokes_all_that_is_pending_for_the_course(service):
    put_readers(service.demo, 2)
    service.demo.put_tenant(base_url=service.url, settle="1 hour")
    service.demo.put_course("c1", categories=["maths"])
    service.demo.put_person("p9")
    service.demo.put_booking("b1", "c1", "p9", status="confirmed", quiet=True)
    process.wait_until(
        lambda: service.owner.execute("select count(*) from match").fetchone() == (2,),
        10, "the alert is matched",
    )  # fmt: skip
    service.demo.change_course("c1", status="cancelled")
    service.demo.put_tenant(base_url=service.url, settle="0 seconds")
    service.store.wait_for(1)
    service.wait_for_quiet()
    assert len(service.store.mails()) == 1
    left = service.owner.execute(
        """select (select count(*) from match) as matches,
                  (select count(*) from course_rule where job_id is null and due < 'infinity') as rules"""
    ).fetchone()
    assert left == (0, 0)


def test_the_brake_holds_a_change_that_mails_too_many_until_it_is_released(service):
    service.demo.put_tenant(base_url=service.url, rules={"brake": 3})
    put_readers(service.demo, 5)
    service.demo.put_course("c1", categories=["maths"])

    def held_jobs():
        return service.demo.connection.execute(
            "select job from handbell.job_report where tenant = 'demo' and state = 'held'"
        ).fetchall()

    ((job,),) = process.wait_until(held_jobs, 10, "the job is held")
    service.wait_for_quiet()
    assert service.store.mails() == []
    service.demo.call("release", job)
    service.store.wait_for(5)
    service.wait_for_quiet()
    assert len(service.store.mails()) == 5


def test_loading_and_going_live_mail_nobody(handbell, mail_store, portal, owner):
    demo = Portal(portal)
    demo.put_tenant(is_live=False)
    put_readers(demo, 3)
    demo.put_course("c1", categories=["maths"], starts_at=in_days(3), ends_at=in_days(3, 15))
    demo.put_booking("b1", "c1", "p1", status="confirmed")
    demo.put_course("c2", categories=["maths"])
    demo.put_booking("b2", "c2", "p2", status="confirmed")
    demo.change_course("c2", status="cancelled")
    demo.call("go_live")
    worker = handbell.start_worker(mail_store.url)
    demo.put_course("c3", title="The first to be told", categories=["maths"])
    mail_store.wait_for(3)
    assert worker.stop() == 0
    mails = mail_store.mails()
    assert len(mails) == 3
    for mail in mails:
        assert "The first to be told" in mail.text()
        assert "Course c1" not in mail.text()


def test_whom_an_urgent_notice_did_not_reach_is_listed(service, address_of):
    demo = service.demo
    for person in ("told", "refused", "left", "restricted"):
        demo.put_person(person)
    demo.put_course("c1", starts_at=in_days(30), ends_at=in_days(30, 15))
    for person in ("told", "refused", "left", "restricted"):
        demo.put_booking(f"b {person}", "c1", person, status="confirmed", quiet=True)
    demo.change_person("left", status="deactivated")
    demo.call("restrict_person", "restricted")
    unknown = address_of("refused")
    service.store.on_rcpt = lambda to: "550 5.1.1 no such user" if to == unknown else None
    demo.change_course("c1", status="cancelled")
    service.store.wait_for(1)
    service.wait_for_quiet()
    rows = demo.connection.execute(
        "select person, state, reason from handbell.not_told where tenant = 'demo'"
    ).fetchall()
    assert {person: (state, reason) for person, state, reason in rows} == {
        "refused": ("failed", "refused"),
        "left": ("skipped", "deactivated"),
        "restricted": ("skipped", "restricted"),
    }


def test_a_cancellation_overtakes_a_backlog_of_alerts(service, address_of):
    count = 4000
    service.demo.put_tenant(base_url=service.url, settle="2 seconds", rules={"brake": 100_000})
    service.demo.put_category("maths")
    service.demo.put_many("person", [
        {"ref": f"r{number}", "email": f"r{number}@example.org", "consent": True, "alerts": True,
         "interests": ["maths"]}
        for number in range(count)
    ])  # fmt: skip
    service.demo.put_person("p1")
    service.demo.put_course("off", starts_at=in_days(30), ends_at=in_days(30, 15))
    service.demo.put_booking("b1", "off", "p1", status="confirmed", quiet=True)
    service.demo.put_course("c1", categories=["maths"])
    service.store.wait_for(100, 200)
    already = len(service.store.mails())
    service.demo.change_course("off", status="cancelled")
    service.store.wait_for(1, 10, to=address_of("p1"))
    assert already < count // 2, "the backlog was gone too soon to prove anything"
    everything = service.store.mails()
    place = [mail.recipient for mail in everything].index(address_of("p1"))
    assert place - already < 500
    service.store.wait_for(count + 1, 200)
