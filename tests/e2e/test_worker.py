"""The worker as a process: starting, stopping, reloading, several at once, and what goes away."""

import asyncio
import collections
import os
import shutil
import signal
import socket
import time

import pytest

from tests.support import process
from tests.support.mail_store import MailStore
from tests.support.queue_calls import is_quiet

READERS = 300


@pytest.fixture
def alert_all(demo):
    """alert_all(course, count): so many people are to hear of a course."""
    demo.put_category("maths")
    known = set()

    def publish(course, count=READERS):
        people = [f"r{number}" for number in range(count) if f"r{number}" not in known]
        known.update(people)
        demo.put_many("person", [
            {"ref": ref, "email": f"{ref}@example.org", "consent": True, "alerts": True,
             "interests": ["maths"]}
            for ref in people
        ])  # fmt: skip
        demo.put_course(course, categories=["maths"])

    return publish


def wait_until_sent(worker, owner, timeout_s=60):
    process.wait_until(
        lambda: worker.check_running() and is_quiet(owner), timeout_s, "all is sent"
    )


def states(owner):
    """{state: how many} of the record, and of what is left to do."""
    rows = owner.execute(
        """select state, count(*) from message_record group by 1
           union all select state::text, count(*) from message group by 1"""
    ).fetchall()
    return dict(rows)


def wait_for_log(worker, text, timeout_s=15):
    process.wait_until(lambda: text in worker.log_text(), timeout_s, f"the log says {text}")


def hang_after_data(seconds):
    async def hang(mail):
        await asyncio.sleep(seconds)

    return hang


def test_what_people_say_is_in_its_file_at_once(handbell, mail_store, demo):
    """Should the database be lost then, it is known. One after the other: by looking once a second each
    would wait for a look of its own."""
    worker = handbell.start_worker(mail_store.url)
    wait_for_log(worker, "worker_started")
    demo.put_person("p")
    process.wait_until(lambda: words(worker) == 0, 10, "there is a file")
    started = time.monotonic()
    for said, call in enumerate(["opt_out", "opt_in"] * 4, 1):
        demo.call(call, "p", "alerts")
        process.wait_until(lambda count=said: words(worker) == count, 10, "it is in the file")
    assert time.monotonic() - started < 4.0


def words(worker):
    return sum(path.read_bytes().count(b"word|demo|") for path in (worker.state / "kept").iterdir())


# ---- Starting and stopping.


def test_it_tells_the_service_manager_of_start_reload_and_stop(
    handbell, mail_store, demo, tmp_path, monkeypatch
):
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(path)
        listener.settimeout(15)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        worker = handbell.start_worker(mail_store.url)
        assert listener.recv(4096) == b"READY=1"
        worker.process.send_signal(signal.SIGHUP)
        assert listener.recv(4096).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        assert listener.recv(4096) == b"READY=1"
        assert worker.stop() == 0
        assert listener.recv(4096) == b"STOPPING=1"


def test_stopped_it_finishes_what_is_on_the_wire_and_gives_the_rest_back(
    handbell, mail_store, owner, alert_all
):
    mail_store.before_reply = hang_after_data(1)
    worker = handbell.start_worker(mail_store.url, {"smtp": {"connections": 5}})
    alert_all("c1")
    mail_store.wait_for(5)
    started = time.monotonic()
    assert worker.stop() == 0
    assert time.monotonic() - started < 5
    found = states(owner)
    assert found["sent"] == len(mail_store.received)
    assert found == {"sent": found["sent"], "ready": READERS - found["sent"]}


def test_stopped_beside_a_stalled_relay_it_ends_within_ten_seconds(
    handbell, mail_store, owner, alert_all
):
    mail_store.before_reply = hang_after_data(60)
    worker = handbell.start_worker(mail_store.url, {"smtp": {"connections": 4}})
    alert_all("c1")
    mail_store.wait_for(4)
    started = time.monotonic()
    assert worker.stop() == 0
    assert time.monotonic() - started < 10
    # The relay has read four mails and said nothing: nobody knows what became of those.
    assert states(owner) == {"uncertain": 4, "ready": READERS - 4}


def test_a_state_directory_serves_one_process_at_a_time(handbell, mail_store, demo):
    first = handbell.start_worker(mail_store.url)
    wait_for_log(first, "event=worker_started")
    second = handbell.make(
        "worker", "worker_demo",
        {"smtp": {"url": mail_store.url}, "worker": {"state_dir": str(first.state)}},
    ).start()  # fmt: skip
    assert second.process.wait(15) == os.EX_TEMPFAIL
    assert "in use by another process" in second.log_text()
    first.check_running()


def test_a_copied_state_directory_is_found_out(handbell, mail_store, demo):
    first = handbell.start_worker(mail_store.url)
    wait_for_log(first, "event=worker_started")
    second = handbell.make("worker", "worker_demo", {"smtp": {"url": mail_store.url}})
    shutil.copy(first.state / "owner", second.state / "owner")
    second.start()
    wait_for_log(second, "event=registration_waits")
    assert "event=worker_started" not in second.log_text()
    first.stop()
    wait_for_log(second, "event=worker_started")


def test_a_wrong_setting_is_named_and_nothing_starts(handbell, mail_store, demo):
    for settings, status, words in (
        ({"worker": {"lease_s": 60, "takeover_grace_s": 30}}, os.EX_CONFIG, "lease_s"),
        ({"worker": {"log_level": "loud"}}, os.EX_CONFIG, "log_level"),
        ({"templates": {"dir": "/nonexistent"}}, os.EX_NOINPUT, "/nonexistent"),
        ({"security": {"key_file": "/nonexistent"}}, os.EX_NOINPUT, "key_file"),
        ({"smtp": {"url": "smtp://mail.example.org?tls=perhaps"}}, os.EX_CONFIG, "url"),
    ):
        worker = handbell.make("worker", "worker_demo", settings).start()
        assert worker.process.wait(15) == status, (settings, worker.log_text())
        assert words in worker.log_text()


# ---- Reloading.


def test_a_reload_takes_a_new_relay_and_new_templates(
    handbell, mail_store, owner, demo, alert_all, tmp_path
):
    folder = shutil.copytree(process.ROOT / "templates", tmp_path / "templates")
    second_store = MailStore()
    worker = handbell.start_worker(mail_store.url, {"templates": {"dir": str(folder)}})
    alert_all("c1", 20)
    mail_store.wait_for(20)
    wait_until_sent(worker, owner)
    (folder / "course_alert" / "subject.mustache").write_text("Something new")
    worker.settings["smtp"]["url"] = second_store.url
    worker.write_config()
    worker.process.send_signal(signal.SIGHUP)
    wait_for_log(worker, "event=settings_reloaded")
    alert_all("c2", 20)
    try:
        mails = second_store.wait_for(20)
        assert {mail.message["Subject"] for mail in mails} == {"Something new"}
        assert len(mail_store.received) == 20
    finally:
        worker.stop()
        second_store.stop()


@pytest.mark.parametrize("fault", ["setting", "template", "key"])
def test_a_reload_that_fails_keeps_the_old_and_says_why(
    handbell, mail_store, owner, alert_all, tmp_path, fault
):
    folder = shutil.copytree(process.ROOT / "templates", tmp_path / "templates")
    worker = handbell.start_worker(mail_store.url, {"templates": {"dir": str(folder)}})
    wait_for_log(worker, "event=worker_started")
    if fault == "setting":
        worker.settings["worker"]["in_memroy"] = 100
        worker.write_config()
        words = "in_memroy"
    elif fault == "template":
        text = folder / "course_alert" / "text.mustache"
        text.write_text("Hello\n\n{{greting}}\n" + text.read_text())
        words = "line 3"
    else:
        worker.settings["security"]["key_file"] = str(tmp_path / "none")
        worker.write_config()
        words = "key_file"
    worker.process.send_signal(signal.SIGHUP)
    wait_for_log(worker, "event=reload_failed")
    line = [line for line in worker.log_text().splitlines() if "reload_failed" in line][0]
    assert words in line
    alert_all("c1", 10)
    assert len(mail_store.wait_for(10)) == 10
    assert worker.stop() == 0


# ---- Several workers.


def test_two_workers_share_the_work_and_nobody_is_mailed_twice(
    handbell, mail_store, owner, alert_all
):
    mail_store.before_reply = hang_after_data(0.05)
    settings = {"smtp": {"connections": 5}, "worker": {"batch": 20, "in_memory": 100}}
    workers = [handbell.start_worker(mail_store.url, settings) for _ in range(2)]
    for worker in workers:
        wait_for_log(worker, "event=worker_started")
    alert_all("c1")
    wait_until_sent(workers[0], owner)
    assert states(owner) == {"sent": READERS}
    assert set(mail_store.message_ids().values()) == {1}
    assert len(mail_store.message_ids()) == READERS
    for worker in workers:
        assert worker.stop() == 0
        assert "event=messages_handled claimed=" in worker.log_text(), "one of them did nothing"


def test_mail_that_becomes_due_behind_the_place_of_claiming_is_sent_before_the_queue_ends(
    handbell, mail_store, owner, demo, alert_all
):
    """A bulk lane goes on from where it claimed last; what has an earlier place is found all the same."""
    mail_store.before_reply = hang_after_data(0.1)
    worker = handbell.start_worker(
        mail_store.url,
        {"smtp": {"connections": 2}, "worker": {"batch": 10, "in_memory": 100}},
    )
    alert_all("c1")
    mail_store.wait_for(30)
    demo.put_person("early", email="early@example.org", interests=["maths"])
    owner.execute(
        """insert into message (tenant_id, person_id, courses, due, expires_at, lane, kind)
           select m.tenant_id, p.person_id, m.courses, m.due - interval '1 hour', m.expires_at,
                  m.lane, m.kind
           from (select * from message where state = 'ready' limit 1) m
           join person p on p.ref = 'early'"""
    )
    mail_store.wait_for(1, timeout_s=30, to="early@example.org")
    assert owner.execute("select count(*) > 10 from message").fetchone() == (True,)
    assert worker.stop() == 0


def test_what_a_dead_worker_had_claimed_is_sent_by_another(
    handbell, mail_store, owner, alert_all
):
    stalled = MailStore()
    stalled.before_reply = hang_after_data(60)
    settings = {"smtp": {"connections": 2}, "worker": {"lease_s": 1, "takeover_grace_s": 3}}
    first = handbell.start_worker(stalled.url, settings)
    alert_all("c1", 50)
    stalled.wait_for(2)
    first.kill()
    second = handbell.start_worker(mail_store.url, settings)
    process.wait_until(lambda: is_quiet(owner), 30, "the second worker sends the rest")
    found = states(owner)
    stalled.stop()
    # What the dead one had marked is uncertain, and an alert never goes twice.
    assert found == {"sent": len(mail_store.received), "uncertain": 50 - found["sent"]}
    assert found["sent"] >= 50 - 2 * 3
    recipients = collections.Counter(mail.recipient for mail in mail_store.received)
    assert not set(recipients) & {mail.recipient for mail in stalled.received}
    assert set(recipients.values()) == {1}
    assert second.stop() == 0


# ---- What goes away and comes back.


def test_the_database_restarts_while_mails_are_sent(
    cluster, connect, handbell, mail_store, alert_all
):
    mail_store.before_reply = hang_after_data(0.05)
    worker = handbell.start_worker(mail_store.url, {"smtp": {"connections": 5}})
    alert_all("c1")
    mail_store.wait_for(30)
    cluster.restart("immediate")
    wait_for_log(worker, "event=database_away")
    wait_for_log(worker, "event=database_found_again")
    owner = connect()
    wait_until_sent(worker, owner)
    # What was on the wire while the database was away is known to the worker, and recorded.
    assert states(owner) == {"sent": READERS}
    assert set(mail_store.message_ids().values()) == {1}
    assert worker.stop() == 0


def test_a_relay_that_is_away_is_left_alone_and_tried_again(handbell, owner, alert_all):
    port = process.free_port()
    worker = handbell.start_worker(f"smtp://127.0.0.1:{port}")
    alert_all("c1", 40)
    wait_for_log(worker, "event=relay_paused")
    back = MailStore(port)
    try:
        wait_for_log(worker, "event=relay_recovered", 60)
        process.wait_until(
            lambda: states(owner) == {"sent": 40}, 60, "all are sent once the relay is back"
        )
        assert set(back.message_ids().values()) == {1}
    finally:
        worker.stop()
        back.stop()


def test_an_urgent_cancellation_overtakes_the_alerts(
    handbell, mail_store, owner, demo, alert_all
):
    mail_store.before_reply = hang_after_data(0.2)
    worker = handbell.start_worker(mail_store.url, {"smtp": {"connections": 4}})
    demo.put_course("doomed")
    demo.put_person("d1", email="d1@example.org")
    demo.put_booking("b1", "doomed", "d1", status="confirmed", quiet=True)
    alert_all("c1")
    mail_store.wait_for(8)
    started = time.monotonic()
    demo.change_course("doomed", status="cancelled", cancel_reason="Snow")
    mail_store.wait_for(1, to="d1@example.org")
    assert time.monotonic() - started < 2.0
    assert len(mail_store.received) < READERS / 2
    worker.check_running()


def test_the_log_names_messages_by_number_alone(handbell, mail_store, owner, demo, alert_all):
    # conftest.py searches every log of the session for people; here all levels are written.
    mail_store.on_rcpt = lambda address: (
        f"550 5.1.1 <{address}> unknown" if address.startswith("r1") else None
    )
    worker = handbell.start_worker(mail_store.url, {"worker": {"log_level": "debug"}})
    alert_all("c1", 20)
    wait_until_sent(worker, owner)
    assert worker.stop() == 0
    text = worker.log_text()
    assert "event=message_sent" in text
    assert "outcome=refused" in text
    assert "@" not in text
    assert "example.org" not in text
