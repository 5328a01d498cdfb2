"""The journal and the lease, seen from outside: what a worker remembers when its process ends, when its
files are not its own, and when what it reads has lain there while it was stopped."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
import uuid

import pytest

from tests.support import process, schema
from tests.support.cluster import SUPERUSER
from tests.support.queue_calls import is_quiet
from tests.support.smtp_ledger import Rule

READERS = 12
SETTINGS = {"smtp": {"connections": 1}, "worker": {"lease_s": 2, "takeover_grace_s": 4, "poll_ms": 200}}


def state_readers(demo):
    demo.put_category("maths")
    demo.put_many("person", [
        {"ref": f"r{number}", "email": f"r{number}@example.org", "consent": True, "alerts": True,
         "interests": ["maths"]}
        for number in range(READERS)
    ])  # fmt: skip


def publish(demo, course="c1"):
    demo.put_course(course, categories=["maths"])


def wait_for_log(program, text, timeout_s=20):
    process.wait_until(lambda: text in program.log_text(), timeout_s, f"the log says {text}")


def ends(owner):
    return dict(owner.execute("select state, count(*) from message_record group by 1").fetchall())


def marked(owner):
    return {
        address.partition("@")[0]
        for (address,) in owner.execute(
            "select p.email from message m join person p using (tenant_id, person_id) "
            "where m.state = 'transmitting'"
        )
    }


@contextlib.contextmanager
def stopped(program):
    os.kill(program.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(program.process.pid, signal.SIGCONT)


# ---- The process ends.


def test_a_killed_worker_s_alerts_are_sent_once_and_none_is_in_doubt(handbell, ledger, demo, owner):
    """One is with the relay, which has said 354 and not got the end; others are marked; others claimed."""
    ledger.set_rules(Rule("data", "data", "hold"))
    state_readers(demo)
    worker = handbell.start_worker(ledger.url, SETTINGS, "killed")
    publish(demo)
    ledger.wait_for_held(1)
    process.wait_until(lambda: len(marked(owner)) > 1, 10, "more are marked")
    worker.kill()
    ledger.set_rules()
    ledger.release()
    again = handbell.start_worker(ledger.url, SETTINGS, "killed")
    process.wait_until(lambda: is_quiet(owner), 30, "all has ended")
    assert ends(owner) == {"sent": READERS}
    assert "event=journal_replayed" in again.log_text()
    assert "interrupted=0" in again.log_text()
    assert again.stop() == 0


@pytest.fixture
def other_boot(tmp_path):
    """A program that runs Handbell as if the machine had been started anew."""
    probe = ["unshare", "--mount", "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", "/mnt"]
    if subprocess.run(probe, check=False, capture_output=True).returncode != 0:
        pytest.skip("no mount namespaces here")
    boot = tmp_path / "boot_id"
    boot.write_text(f"{uuid.uuid4()}\n")
    program = tmp_path / "handbell"
    program.write_text(
        "#!/bin/sh\nexec unshare --mount sh -c "
        "'mount --bind \"$0\" /proc/sys/kernel/random/boot_id && exec \"$@\"' "
        f'{boot} {schema.binary()} "$@"\n'
    )
    program.chmod(0o755)
    return program


@pytest.mark.parametrize("sync, in_doubt", [("none", True), ("data", False)])
def test_after_a_power_cut_what_was_not_synced_is_in_doubt_and_what_was_is_not(
    handbell, ledger, demo, owner, other_boot, sync, in_doubt
):
    ledger.set_rules(Rule("data", "data", "hold"))
    state_readers(demo)
    settings = {**SETTINGS, "worker": {**SETTINGS["worker"], "journal_sync": sync}}
    worker = handbell.start_worker(ledger.url, settings, "cut")
    publish(demo)
    ledger.wait_for_held(1)
    process.wait_until(lambda: len(marked(owner)) > 1, 10, "more are marked")
    worker.kill()
    doubtful = len(marked(owner))
    ledger.set_rules()
    ledger.release()
    worker.binary = other_boot
    worker.start()
    process.wait_until(lambda: is_quiet(owner), 30, "all has ended")
    assert ("event=journal_in_doubt" in worker.log_text()) == in_doubt
    expected = {"uncertain": doubtful, "sent": READERS - doubtful} if in_doubt else {"sent": READERS}
    assert ends(owner) == expected
    assert worker.stop() == 0


# ---- Whose journal it is.


def test_a_worker_refuses_another_one_s_journal_and_says_what_to_do(handbell, mail_store, demo, owner):
    first = handbell.start_worker(mail_store.url, SETTINGS, "first")
    wait_for_log(first, "event=worker_started")
    assert first.stop() == 0
    second = handbell.start_worker(mail_store.url, SETTINGS, "second")
    wait_for_log(second, "event=worker_started")
    assert second.stop() == 0
    assert (first.state / "journal.1").stat().st_mode & 0o777 == 0o600
    shutil.copy(first.state / "journal.1", second.state / "journal.1")
    second.start()
    assert second.process.wait(10) == os.EX_CONFIG
    assert "belongs to another worker" in second.log_text()
    assert "move it away" in second.log_text()
    (second.state / "journal.1").unlink()
    second.start()
    process.wait_until(lambda: second.log_text().count("event=worker_started") == 2, 10, "it starts")
    assert "event=journal_in_doubt" in second.log_text()
    assert second.stop() == 0


# ---- Answers that lay unread.


def lock_what_is_claimed(handbell):
    session = handbell.cluster.connect(handbell.database, SUPERUSER, autocommit=False)
    session.execute("select from handbell.message where state = 'claimed' for update")
    return session


def is_mark_waiting(superuser):
    return superuser.execute(
        "select exists (select from pg_stat_activity where application_name = 'handbell mark' "
        "and wait_event_type = 'Lock')"
    ).fetchone()[0]


def arrived(ledger):
    return {address.partition("@")[0] for address in ledger.copies()}


def test_a_mark_that_lay_unread_while_the_worker_was_stopped_is_too_old_to_send_by(
    handbell, ledger, demo, owner
):
    """It was asked for, granted and not read yet. Meanwhile people opt out, and are told that no mail will
    come any more."""
    ledger.set_rules(Rule("first", "reply", "hold", times=1))
    state_readers(demo)
    worker = handbell.start_worker(
        ledger.url,
        {"smtp": {"connections": 1, "pipelining": "false"},
         "worker": {"lease_s": 20, "takeover_grace_s": 30}},
    )  # fmt: skip
    publish(demo)
    ledger.wait_for_held(1)
    ahead = marked(owner)
    superuser = handbell.cluster.connect(handbell.database, SUPERUSER)
    holder = lock_what_is_claimed(handbell)
    ledger.release()
    process.wait_until(lambda: is_mark_waiting(superuser), 10, "a mark waits", 0.005)
    with stopped(worker):
        holder.rollback()
        process.wait_until(lambda: marked(owner) - ahead, 10, "it is granted", 0.005)
        time.sleep(0.2)
        opted_out = marked(owner) - ahead
        for ref in opted_out:
            demo.call("opt_out", ref, "alerts")
        time.sleep(2.2)  # an answered opt-out waits 2 s at most
        assert not opted_out & arrived(ledger)
    holder.close()
    superuser.close()
    process.wait_until(lambda: is_quiet(owner), 30, "all has ended")
    assert not opted_out & arrived(ledger)
    assert ends(owner) == {"sent": READERS - len(opted_out), "skipped": len(opted_out)}
    assert worker.stop() == 0
