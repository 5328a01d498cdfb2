"""One mailbox, several people: each mail says in its subject for whom it is, and what one of them
decides holds for that one alone."""

import re

from tests.support.programs import post_one_click

NAMES = {"p1": ("Bryony", "O'Brien"), "p2": ("Siân", "Ó Súilleabháin"), "p3": ("李", "Wei")}


def put_people(demo, address, **facts):
    for ref, (first, last) in NAMES.items():
        demo.put_person(ref, email=address, first_name=first, last_name=last, **facts)


def names_in_subjects(mails):
    return sorted(
        next(ref for ref, names in NAMES.items() if " ".join(names) in mail.message["Subject"])
        for mail in mails
    )


def one_click(mail):
    return re.search(r"<(https?://[^>]+)>", mail.message["List-Unsubscribe"]).group(1)


def test_each_reader_of_a_schools_mailbox_gets_mail_of_their_own(service):
    service.demo.put_category("maths")
    put_people(service.demo, "head@oakfield.example.org", interests=["maths"])
    service.demo.put_course("c1", title="Fractions", categories=["maths"])
    mails = service.store.wait_for(3)
    assert names_in_subjects(mails) == ["p1", "p2", "p3"]
    assert {mail.recipient for mail in mails} == {"head@oakfield.example.org"}
    (bryonys,) = [mail for mail in mails if "Bryony" in mail.message["Subject"]]
    assert post_one_click(one_click(bryonys)) == 200
    service.demo.put_course("c2", title="Counting", categories=["maths"])
    service.store.wait_for(5)
    service.wait_for_quiet()
    assert names_in_subjects(service.store.mails()[3:]) == ["p2", "p3"]


def test_people_who_share_an_address_are_told_apart_whatever_it_is_called(service):
    put_people(service.demo, "wren@oakfield.example.org")
    service.demo.put_person("alone", first_name="Ann", last_name="Lee")
    service.demo.put_course("c1", title="Fractions")
    for number, person in enumerate(["p2", "alone"]):
        service.demo.put_booking(f"b{number}", "c1", person, status="confirmed")
    mails = {mail.recipient: mail for mail in service.store.wait_for(2)}
    assert "Siân Ó Súilleabháin" in mails.pop("wren@oakfield.example.org").message["Subject"]
    (alone,) = mails.values()
    assert "Ann Lee" not in alone.message["Subject"]


def test_an_alert_says_for_whom_it_is_whatever_the_shared_mailbox_is_called(service):
    service.demo.put_category("maths")
    for ref in ("p1", "p2"):
        first, last = NAMES[ref]
        service.demo.put_person(ref, email="wren@oakfield.example.org", first_name=first,
                                last_name=last, interests=["maths"])  # fmt: skip
    service.demo.put_person("alone", first_name="Ann", last_name="Lee", interests=["maths"])
    service.demo.put_course("c1", title="Fractions", categories=["maths"])
    mails = service.store.wait_for(3)
    shared = [mail for mail in mails if mail.recipient == "wren@oakfield.example.org"]
    assert names_in_subjects(shared) == ["p1", "p2"]
    (alone,) = [mail for mail in mails if mail not in shared]
    assert "Ann Lee" not in alone.message["Subject"]
