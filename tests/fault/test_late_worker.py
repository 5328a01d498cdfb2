"""The worker comes late: it was stopped past its lease, mail was found hours after its time, or it had
no descriptor left."""

import asyncio
import collections
import os
import pathlib
import resource
import signal
import time

from tests.support import process
from tests.support.portal import in_hours
from tests.support.queue_calls import is_quiet
from tests.support.web import Site


def publish_to(demo, count, course="c1"):
    demo.put_category("maths")
    demo.put_many("person", [
        {"ref": f"r{number}", "email": f"r{number}@example.org", "consent": True, "alerts": True,
         "interests": ["maths"]}
        for number in range(count)
    ])  # fmt: skip
    demo.put_course(course, categories=["maths"])


def wait_for_log(program, text, timeout_s=20):
    process.wait_until(lambda: text in program.log_text(), timeout_s, f"the log says {text}")


def ends(owner):
    rows = owner.execute("select state, count(*) from message_record group by 1").fetchall()
    return collections.Counter(dict(rows))


def test_a_worker_stopped_past_its_lease_sends_nothing_more_of_what_others_took(
    handbell, mail_store, demo, owner
):
    async def slowly(mail):
        await asyncio.sleep(0.1)

    mail_store.before_reply = slowly
    settings = {"smtp": {"connections": 2}, "worker": {"lease_s": 1, "takeover_grace_s": 2}}
    stopped = handbell.start_worker(mail_store.url, settings)
    publish_to(demo, 60)
    mail_store.wait_for(4)
    stopped.process.send_signal(signal.SIGSTOP)
    # Its sessions end, as they do when a machine is gone from the net; its lock is free.
    superuser = handbell.cluster.connect(handbell.database, "postgres")
    superuser.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'worker_demo'"
    )
    superuser.close()
    other = handbell.start_worker(mail_store.url, settings)
    wait_for_log(other, "uncertain=")
    process.wait_until(lambda: is_quiet(owner), 60, "the other has sent the rest")
    data_before = mail_store.commands["DATA"]
    doubtful = ends(owner)["uncertain"]
    time.sleep(1.2)
    stopped.process.send_signal(signal.SIGCONT)
    wait_for_log(stopped, "event=database_found_again")
    # What it still held is given back or refused as stale. None of it is begun, but for what the other
    # had to call uncertain: that it never began goes again, once.
    process.wait_until(
        lambda: is_quiet(owner) and sum(ends(owner).values()) == 60, 30, "nothing is left")
    begun = mail_store.commands["DATA"] - data_before
    found = ends(owner)
    assert begun <= doubtful - found["uncertain"]
    assert set(mail_store.message_ids().values()) == {1}
    assert found["sent"] <= len(mail_store.received) <= found["sent"] + found["uncertain"]
    assert stopped.stop() == 0 and other.stop() == 0


def test_mail_found_four_hours_late_goes_or_expires_as_its_kind_says(
    handbell, mail_store, demo, owner
):
    demo.put_person("p1", email="p1@example.org")
    demo.put_person("p2", email="p2@example.org")
    for course in ("today", "off"):
        demo.put_course(course, title=f"Course {course}", starts_at=in_hours(1), ends_at=in_hours(2))
    demo.put_booking("b1", "today", "p1", status="confirmed")
    demo.put_booking("b2", "off", "p2", status="confirmed", quiet=True)
    demo.change_course("off", status="cancelled")
    publish_to(demo, 1, "later")
    # No worker was there, and it is four hours later now.
    owner.execute("update message set due = due - interval '4 h', expires_at = expires_at - interval '4 h'")
    handbell.start_worker(mail_store.url)
    mail_store.wait_for(2)
    process.wait_until(lambda: is_quiet(owner), 30, "nothing is left")
    rows = owner.execute("select kind, state, reason from message_record").fetchall()
    assert set(rows) == {
        ("booking_confirmed", "skipped", "expired"),
        ("joining_instructions", "skipped", "expired"),
        ("course_cancelled", "sent", None),
        ("course_alert", "sent", None),
    }
    assert sorted(mail.recipient for mail in mail_store.mails()) == ["p2@example.org", "r0@example.org"]


# ---- No descriptor is left (EMFILE).


def descriptors(program):
    return {int(path.name) for path in pathlib.Path(f"/proc/{program.process.pid}/fd").iterdir()}


def limit_descriptors(program, most):
    hard = resource.prlimit(program.process.pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(program.process.pid, resource.RLIMIT_NOFILE, (most, hard))


def cpu_s(program):
    words = pathlib.Path(f"/proc/{program.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def test_without_descriptors_mail_waits_and_goes_later_once(handbell, mail_store, demo, owner):
    worker = handbell.start_worker(mail_store.url)
    wait_for_log(worker, "event=worker_started")
    limit_descriptors(worker, max(descriptors(worker)) + 1)
    publish_to(demo, 20)
    wait_for_log(worker, "event=relay_paused")
    assert mail_store.received == []
    limit_descriptors(worker, 1024)
    process.wait_until(
        lambda: owner.execute("select state, count(*) from message_record group by 1").fetchall()
        == [("sent", 20)], 60, "all are sent",
    )  # fmt: skip
    assert set(mail_store.message_ids().values()) == {1}
    assert worker.stop() == 0


def test_without_descriptors_the_pages_wait_without_spinning_and_serve_again(handbell, demo):
    web, url = handbell.start_web()
    site = Site(url)

    def is_well():
        return site.ask("GET", "/healthz").status == 200

    process.wait_until(is_well, 20, "the pages are there")
    limit_descriptors(web, max(descriptors(web)) + 3)
    crowd = [site.connect() for _ in range(12)]
    time.sleep(0.3)
    before = cpu_s(web)
    time.sleep(1.0)
    assert cpu_s(web) - before < 0.5, "it spins"
    for client in crowd:
        client.close()
    process.wait_until(is_well, 10, "pages are served again")
    assert web.stop() == 0
