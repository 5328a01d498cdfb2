"""A session of the relay that is in use for longer than libcurl likes stays open when others are opened: its
cache of connections closes those of two minutes, whoever uses them."""

import time

import pytest

from tests.support import mixed_mail, process, scale
from tests.support.smtp_ledger import Rule
from tests.support.worker_group import WorkerGroup

OLD_S = 125
MORE = 40


@pytest.mark.skipif(not scale.FULL, reason="takes two minutes: ./dev test --full")
def test_a_session_in_use_for_two_minutes_stays_open_when_others_open(handbell, ledger, demo, owner):
    ledger.set_rules(Rule("slow", "reply", "wait", seconds=(0.5, 0.5)))
    WorkerGroup(handbell, ledger, count=1, settings={"smtp": {"connections": 4}})
    demo.put_many("person", [
        {"ref": f"d{number}", "email": f"d{number}@example.org", "consent": True}
        for number in range(OLD_S + MORE)
    ])  # fmt: skip
    demo.put_course("c1")
    began = time.monotonic()
    booked = 0
    while time.monotonic() - began < OLD_S and booked < OLD_S:
        demo.put_booking(f"b{booked}", "c1", f"d{booked}", status="confirmed")
        booked += 1
        time.sleep(1.0)
    assert ledger.counts()["connections"] == 1
    demo.put_many("booking", [
        {"ref": f"b{number}", "course": "c1", "person": f"d{number}", "status": "confirmed"}
        for number in range(booked, booked + MORE)
    ])  # fmt: skip
    process.wait_until(lambda: mixed_mail.is_done(owner), 30, "all are sent")
    counts = ledger.counts()
    assert counts["connections"] > 1 and counts["open"] == counts["connections"]
    assert counts["taken"] == booked + MORE
