"""An operator restores last night's backup in the middle of a working day: nobody who opted out since is
mailed, nobody is told a second time, and nothing is sent before that is certain."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import threading
import time

import pytest

from tests.conftest import SEARCH_PATH
from tests.support import process, schema
from tests.support.cluster import OWNER, SUPERUSER, Cluster
from tests.support.portal import Portal
from tests.support.programs import LOGS, Programs, post_one_click
from tests.support.queue_calls import is_quiet

DATABASE = "handbell"
EX_TEMPFAIL = 75
LINK = re.compile(r"<(https?://[^>]+)>")
PEOPLE = ("anna", "ben", "cleo", "dev")


class Office:
    """One cluster with Handbell's database, a portal, and the programs that run on it."""

    def __init__(self, folder, store, settings=None):
        self.folder = folder
        self.store = store
        self.cluster = Cluster(is_fast=True, settings=settings).create()
        self.programs = Programs(folder / "programs", self.cluster, DATABASE)
        self.clusters = [self.cluster]

    def install(self):
        databases = schema.Databases(self.cluster)
        databases.make(DATABASE)
        self.connect()
        self.demo.put_tenant()
        self.demo.put_category("maths")
        return self

    def connect(self):
        def open_one(user):
            return self.cluster.connect(DATABASE, user, options=SEARCH_PATH)

        self.owner = open_one(OWNER)
        self.demo = Portal(open_one(schema.PORTAL))

    def disconnect(self):
        self.owner.close()
        self.demo.connection.close()

    def start_worker(self, name="first", **settings):
        return self.programs.start_worker(self.store.url, settings, name)

    def run(self, program, *arguments):
        """One of PostgreSQL's programs on this cluster."""
        done = subprocess.run(
            [self.cluster.binaries / program, *arguments], capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def dump(self):
        """As docs/operations.md has it."""
        roles, dump = self.folder / "roles.sql", self.folder / "handbell.dump"
        superuser = self.cluster.url("postgres", SUPERUSER)
        self.run("pg_dumpall", "--globals-only", f"--dbname={superuser}", f"--file={roles}")
        url = self.cluster.url(DATABASE, SUPERUSER)
        self.run("pg_dump", "--format=custom", f"--dbname={url}", f"--file={dump}")
        return roles, dump

    def restore_into_another_cluster(self, dumped):
        """The programs' settings name it from now on."""
        roles, dump = dumped
        self.disconnect()
        self.cluster = Cluster(is_fast=True).create()
        self.clusters.append(self.cluster)
        superuser = self.cluster.url("postgres", SUPERUSER)
        # It has two of these roles already: they are there, which is all that is wanted.
        subprocess.run(
            [self.cluster.binaries / "psql", "--quiet", f"--file={roles}", superuser],
            capture_output=True, check=True,
        )  # fmt: skip
        self.run("pg_restore", "--create", f"--dbname={superuser}", dump)
        self.move_programs()
        self.connect()

    def take_snapshot(self):
        self.disconnect()
        self.cluster.stop()
        data = self.cluster.data
        subprocess.run(["cp", "-a", data, f"{data}.snapshot"], check=True)
        self.cluster.start()
        self.connect()

    def put_snapshot_back(self):
        self.disconnect()
        self.cluster.stop("immediate")
        shutil.rmtree(self.cluster.data)
        os.rename(f"{self.cluster.data}.snapshot", self.cluster.data)
        self.cluster.start()
        self.connect()

    def wait_until_put_back(self):
        process.wait_until(
            lambda: self.owner.execute("select reason, is_open from life").fetchone()
            == ("put_back", True), 30, "the worker has found out, and told"
        )  # fmt: skip

    def move_programs(self):
        for program in self.programs.all:
            login = schema.WORKER if program.word == "worker" else schema.WEB
            program.settings["database"]["url"] = self.cluster.url(DATABASE, login)
            program.write_config()

    def check(self, worker):
        """handbell check, as this worker's machine sees it: (exit status, what it says)."""
        done = self.programs.run_with(worker, "check", "--json")
        return done.returncode, json.loads(done.stdout)

    def wait_for_word(self, worker):
        """What people said is in this worker's file."""
        process.wait_until(
            lambda: worker.check_running()
            and self.owner.execute(
                "select bool_and(c.last_number <= (select min(coalesce(k.number, 0)) from worker w"
                " left join kept_change k using (owner))) from change_counter c"
            ).fetchone()[0],
            20,
            "the files hold what people said",
        )

    def wait_for_quiet(self):
        process.wait_until(lambda: is_quiet(self.owner), 30, "nothing is left to send")

    def remove(self):
        self.programs.stop()
        self.disconnect()
        for number, cluster in enumerate(self.clusters):
            kept = self.folder / f"postgresql{number}.log"
            kept.write_bytes(cluster.log.read_bytes())
            LOGS.append(kept)
            cluster.remove()


@pytest.fixture
def office(tmp_path, mail_store):
    office = Office(tmp_path, mail_store).install()
    yield office
    office.remove()


def state_people(demo, people=PEOPLE):
    for ref in people:
        demo.put_person(ref, email=f"{ref}.qv@example.org", interests=["maths"])


def state_courses(demo, *refs):
    for ref in refs:
        demo.put_course(ref, title=f"Course {ref}", categories=["maths"])


def names(mails):
    return sorted(mail.recipient.split(".")[0] for mail in mails)


def link_of(store, ref):
    (mail,) = store.mails(to=f"{ref}.qv@example.org")
    return LINK.search(str(mail.message["List-Unsubscribe"])).group(1)


def a_morning(office, worker):
    """The backup is last night's; since then: an alert, an opt-out by its link and one by telephone, a
    new colleague who wants no alerts, a booking confirmed, a course cancelled."""
    demo, store = office.demo, office.store
    state_courses(demo, "one")
    store.wait_for(len(PEOPLE))
    office.wait_for_quiet()
    assert post_one_click(link_of(store, "anna")) == 200
    demo.call("opt_out", "ben", "alerts")
    demo.put_person("eve", email="eve.qv@example.org", interests=["maths"])
    demo.call("opt_out", "eve", "alerts")
    demo.put_booking("b1", "one", "cleo", status="confirmed")
    demo.put_booking("b2", "old", "dev", status="confirmed")
    store.wait_for(len(PEOPLE) + 2)
    demo.change_course("old", status="cancelled")
    store.wait_for(len(PEOPLE) + 3)
    office.wait_for_quiet()
    office.wait_for_word(worker)
    return len(store.mails())


def state_all_again(demo):
    """What the portal knows, in another order than it came about."""
    demo.put_person("eve", email="eve.qv@example.org", interests=["maths"])
    state_people(demo, reversed(PEOPLE))
    state_courses(demo, "one")
    demo.put_course("old", title="Course old")
    demo.put_booking("b2", "old", "dev", status="confirmed")
    demo.put_booking("b1", "one", "cleo", status="confirmed")
    demo.change_course("old", status="cancelled")


def expect_nobody_told_twice(office, sent):
    """After the restore: a new course reaches who may hear of it, and nothing else was sent."""
    state_courses(office.demo, "new")
    office.store.wait_for(sent + 2)
    office.wait_for_quiet()
    new = office.store.mails()[sent:]
    assert names(new) == ["cleo", "dev"]
    assert all("Course new" in mail.text() for mail in new)
    assert not any("Course one" in mail.text() or "Course old" in mail.text() for mail in new)
    assert len(set(office.store.message_ids())) == len(office.store.mails())


def prepare(office):
    """Last night."""
    _, url = office.programs.start_web()
    office.demo.put_tenant(base_url=url)
    state_people(office.demo)
    office.demo.put_course("old", title="Course old")  # nobody ticked anything of it


@pytest.mark.parametrize("states_first", [True, False], ids=["before the worker", "after it"])
def test_a_dump_restored_into_another_cluster_mails_nobody_twice(office, states_first):
    prepare(office)
    dumped = office.dump()
    worker = office.start_worker()
    sent = a_morning(office, worker)
    worker.stop()
    office.restore_into_another_cluster(dumped)
    if states_first:
        state_all_again(office.demo)
    worker.start()
    process.wait_until(lambda: office.check(worker)[1]["gate"]["is_open"], 20, "the gate is open")
    if not states_first:
        state_all_again(office.demo)
    office.wait_for_quiet()
    assert len(office.store.mails()) == sent
    expect_nobody_told_twice(office, sent)
    assert "kept_applied" in worker.log_text()
    rows = office.demo.connection.execute(
        "select number, what, person from handbell.changes('demo', 0)"
    ).fetchall()
    assert rows == [(1, "opt_out", "anna"), (2, "opt_out", "ben"), (3, "opt_out", "eve")]


def test_a_snapshot_of_the_cluster_put_back_under_a_running_worker(office):
    """The same cluster, the same timeline: only the workers know that time has gone back."""
    prepare(office)
    worker = office.start_worker()
    process.wait_until(lambda: "worker_started" in worker.log_text(), 20, "it works")
    worker.stop()
    office.take_snapshot()
    worker.start()
    sent = a_morning(office, worker)
    office.put_snapshot_back()
    state_all_again(office.demo)
    office.wait_until_put_back()
    assert worker.check_running()
    office.wait_for_quiet()
    assert len(office.store.mails()) == sent
    expect_nobody_told_twice(office, sent)


def test_a_snapshot_is_known_though_its_log_has_come_further_since(office):
    """The portals have stated so much that no place in the log tells."""
    prepare(office)
    worker = office.start_worker()
    process.wait_until(lambda: "worker_started" in worker.log_text(), 20, "it works")
    worker.stop()
    office.take_snapshot()
    worker.start()
    sent = a_morning(office, worker)
    worker.stop()
    ask = "select pg_current_wal_flush_lsn() - '0/0'"
    (place,) = office.owner.execute(ask).fetchone()
    office.put_snapshot_back()
    state_all_again(office.demo)
    with office.cluster.connect("postgres", SUPERUSER) as superuser:
        while superuser.execute(ask).fetchone()[0] <= place:
            superuser.execute("select pg_switch_wal()")
            superuser.execute("select pg_logical_emit_message(false, 'a', 'b')")
    worker.start()
    office.wait_until_put_back()
    office.wait_for_quiet()
    assert len(office.store.mails()) == sent
    expect_nobody_told_twice(office, sent)


def test_what_was_on_the_wire_when_a_snapshot_was_put_back_is_known_too(office):
    """Their rows are gone, and the replies come when the worker is telling what it knows."""
    held = threading.Event()

    async def hold(_):
        while not held.is_set():
            await asyncio.sleep(0.1)

    prepare(office)
    worker = office.start_worker()
    process.wait_until(lambda: "worker_started" in worker.log_text(), 20, "it works")
    worker.stop()
    office.take_snapshot()
    worker.start()
    office.store.before_reply = hold
    state_courses(office.demo, "one")
    on_the_wire = len(office.store.wait_for(1))
    office.demo.put_person("eve", email="eve.qv@example.org")
    office.demo.call("opt_out", "eve", "alerts")
    office.wait_for_word(worker)
    office.put_snapshot_back()
    process.wait_until(lambda: "database_unknown" in worker.log_text(), 20, "it finds out")
    time.sleep(1)
    held.set()
    office.wait_until_put_back()
    state_courses(office.demo, "one")
    office.store.wait_for(len(PEOPLE))
    office.wait_for_quiet()
    assert on_the_wire > 0
    assert names(office.store.mails()) == sorted(PEOPLE)


def test_a_mail_in_doubt_whose_row_is_lost_is_named_to_the_operator(office):
    """Its worker was killed while it waited for the reply: the journal alone knows of it."""
    held = threading.Event()

    async def hold(_):
        while not held.is_set():
            await asyncio.sleep(0.1)

    prepare(office)
    worker = office.start_worker()
    process.wait_until(lambda: "worker_started" in worker.log_text(), 20, "it works")
    worker.stop()
    office.take_snapshot()
    worker.start()
    office.store.before_reply = hold
    office.demo.put_booking("b1", "old", "cleo", status="confirmed")
    office.store.wait_for(1)
    worker.kill()
    (message,) = office.owner.execute("select message_id from message").fetchone()
    office.put_snapshot_back()
    worker.start()
    office.wait_until_put_back()
    held.set()
    assert f"event=doubt_lost tenant=1 message={message} " in worker.log_text()
    gate = office.check(worker)[1]["gate"]
    assert (gate["lost_doubts"], gate["newest_lost_doubts"].split()[:2]) == (1, ["demo", str(message)])
    assert f"demo {message} " in office.programs.run_with(worker, "check").stdout


def test_nothing_is_sent_before_every_worker_has_told_what_it_sent(office):
    prepare(office)
    workers = [office.start_worker("first"), office.start_worker("second")]
    for worker in workers:
        process.wait_until(lambda: "worker_started" in worker.log_text(), 20, "both work")
    dumped = office.dump()
    sent = a_morning(office, workers[0])
    for worker in workers:
        worker.stop()
    owners = [(worker.state / "owner").read_text().strip() for worker in workers]

    office.restore_into_another_cluster(dumped)
    state_all_again(office.demo)
    state_courses(office.demo, "new")
    status, said = office.check(workers[0])
    assert status == EX_TEMPFAIL
    assert said["gate"]["is_open"] is False
    assert said["gate"]["awaited"] == sorted(owners)
    workers[0].start()
    process.wait_until(
        lambda: office.check(workers[0])[1]["gate"]["awaited"] == [owners[1]], 20, "it has told"
    )
    status, said = office.check(workers[0])
    assert status == EX_TEMPFAIL
    assert said["gate"]["is_open"] is False
    assert said["kept"]["newest_s"] < 120
    shown = office.programs.run_with(workers[0], "check").stdout
    assert f"still to tell what it knows: worker {owners[1]}" in shown
    assert len(office.store.mails()) == sent
    workers[1].start()
    process.wait_until(lambda: office.check(worker)[1]["gate"]["is_open"], 20, "the gate is open")
    expect_nobody_told_twice(office, sent)


def test_a_copy_of_production_mails_nobody_until_somebody_says_so(office):
    prepare(office)
    production = office.start_worker("production")
    process.wait_until(lambda: "worker_started" in production.log_text(), 20, "it works")
    production.stop()
    state_courses(office.demo, "one")
    office.restore_into_another_cluster(office.dump())
    staging = office.programs.start_worker(office.store.url, name="staging")
    staging.settings["database"]["url"] = office.cluster.url(DATABASE, schema.WORKER)
    staging.stop()
    staging.write_config()
    staging.start()
    process.wait_until(lambda: "reconciliation_waits" in staging.log_text(), 20, "it waits")
    status, said = office.check(staging)
    assert status == EX_TEMPFAIL
    assert said["gate"]["reason"] == "moved"
    assert office.store.mails() == []
    done = office.programs.run_with(staging, "check", "--accept-restored")
    assert done.returncode == 0, done.stderr
    assert "the gate is open" in done.stdout
    office.store.wait_for(len(PEOPLE))
    (who,) = office.owner.execute("select accepted_by from life").fetchone()
    assert who.startswith(f"{schema.WORKER} (")


def test_what_cannot_be_read_any_more_keeps_the_gate_shut(office):
    prepare(office)
    dumped = office.dump()
    worker = office.start_worker()
    sent = a_morning(office, worker)
    worker.stop()
    (kept,) = sorted((worker.state / "kept").iterdir())[:1]
    damaged = bytearray(kept.read_bytes())
    damaged[len(damaged) // 3] ^= 1
    kept.write_bytes(damaged)
    office.restore_into_another_cluster(dumped)
    state_courses(office.demo, "two")
    worker.start()
    process.wait_until(lambda: not worker.is_running(), 20, "it refuses to start")
    assert f"kept/{kept.name}" in worker.log_text()
    assert "move the folder kept aside" in worker.log_text()
    assert len(office.store.mails()) == sent


def test_a_lost_folder_keeps_the_gate_shut_until_somebody_says_so(office):
    prepare(office)
    worker = office.start_worker()
    state_courses(office.demo, "one")
    office.store.wait_for(len(PEOPLE))
    process.wait_until(
        lambda: office.owner.execute("select kept from worker").fetchone()[0] >= len(PEOPLE),
        20, "the database knows of the file",
    )  # fmt: skip
    worker.stop()
    shutil.rmtree(worker.state / "kept")
    office.restore_into_another_cluster(office.dump())
    state_courses(office.demo, "two")
    worker.start()
    process.wait_until(lambda: "kept_not_applied" in worker.log_text(), 20, "it cannot tell")
    assert office.check(worker)[0] == EX_TEMPFAIL
    assert len(office.store.mails()) == len(PEOPLE)
    office.programs.run_with(worker, "check", "--accept-restored")
    office.store.wait_for(2 * len(PEOPLE))
    assert "keep_skipped" in worker.log_text()


def test_what_is_left_of_a_folder_is_told_once_somebody_says_so(office):
    """It was lost once, and has begun anew since: what people said after that is there."""
    prepare(office)
    worker = office.start_worker()
    process.wait_until(lambda: "worker_started" in worker.log_text(), 20, "it works")
    dumped = office.dump()
    state_courses(office.demo, "one")
    office.store.wait_for(len(PEOPLE))
    process.wait_until(
        lambda: office.owner.execute("select kept from worker").fetchone()[0] >= len(PEOPLE),
        20, "the database knows of the file",
    )  # fmt: skip
    worker.stop()
    shutil.rmtree(worker.state / "kept")
    worker.start()
    office.demo.call("opt_out", "ben", "alerts")
    office.wait_for_word(worker)
    worker.stop()
    office.restore_into_another_cluster(dumped)
    state_courses(office.demo, "two")
    worker.start()
    process.wait_until(lambda: "kept_not_applied" in worker.log_text(), 20, "it cannot tell all")
    assert office.check(worker)[0] == EX_TEMPFAIL
    office.programs.run_with(worker, "check", "--accept-restored")
    office.store.wait_for(2 * len(PEOPLE) - 1)
    office.wait_for_quiet()
    assert names(office.store.mails()[len(PEOPLE) :]) == ["anna", "cleo", "dev"]
