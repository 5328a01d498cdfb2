"""Recovery to a point in time, from a base backup and the archived log: somebody has deleted half the
bookings at noon, and the operator goes back to the moment before."""

import shutil

import pytest

from tests.e2e.test_restore import (
    EX_TEMPFAIL, Office, a_morning, expect_nobody_told_twice, prepare, state_all_again
)  # fmt: skip
from tests.support import process
from tests.support.cluster import SUPERUSER

GRACE_SECONDS = 2


@pytest.fixture
def office(tmp_path, mail_store):
    office = Office(tmp_path, mail_store, {"archive_mode": "on", "archive_command": "false"}).install()
    archive = office.cluster.base / "archive"
    archive.mkdir()
    office.cluster.hand_over(archive)
    office.cluster.settings["archive_command"] = f"cp %p {archive}/part && mv {archive}/part {archive}/%f"
    office.disconnect()
    office.cluster.restart("fast")
    office.connect()
    yield office
    office.remove()


def superuser(office):
    return office.cluster.connect("postgres", SUPERUSER)


def back_up(office):
    cluster = office.cluster
    folder = cluster.base / "backup"
    folder.mkdir()
    cluster.hand_over(folder)
    folder.chmod(0o700)
    cluster.run(
        "pg_basebackup", f"--dbname={cluster.url('postgres', SUPERUSER)}", f"--pgdata={folder}",
        "--checkpoint=fast", "--no-sync", "--wal-method=none",
    )  # fmt: skip
    return folder


def recover(office, folder, moment):
    """What was not archived is gone with the disk."""
    cluster = office.cluster
    with superuser(office) as session:
        (name,) = session.execute("select pg_walfile_name(pg_switch_wal())").fetchone()
    process.wait_until((cluster.base / "archive" / name).exists, 20, "the log is archived")
    office.disconnect()
    cluster.stop("immediate")
    shutil.rmtree(cluster.data)
    cluster.data = folder
    (folder / "recovery.signal").touch()
    cluster.settings |= {
        "restore_command": f"cp {cluster.base}/archive/%f %p",
        "recovery_target_time": moment,
        "recovery_target_action": "promote",
    }
    cluster.start()
    with superuser(office) as session:
        process.wait_until(
            lambda: not session.execute("select pg_is_in_recovery()").fetchone()[0],
            30, "it has come to the moment",
        )  # fmt: skip
    office.connect()


def test_nobody_is_told_twice_after_a_recovery_to_an_earlier_moment(office):
    prepare(office)
    folder = back_up(office)
    workers = [
        office.start_worker(name, worker={"lease_s": 1, "takeover_grace_s": GRACE_SECONDS})
        for name in ("first", "second")
    ]
    for worker in workers:
        process.wait_until(lambda: "worker_started" in worker.log_text(), 20, "both work")
    office.demo.put_course("before", title="Course before")
    moment = str(office.owner.execute("select clock_timestamp()").fetchone()[0])
    sent = a_morning(office, workers[0])
    for worker in workers:
        worker.stop()
    owners = [(worker.state / "owner").read_text().strip() for worker in workers]

    recover(office, folder, moment)
    assert office.owner.execute("select array_agg(ref) from course").fetchone() == (["old", "before"],)
    assert office.owner.execute("select count(*) from opt_out").fetchone() == (0,)
    # Minutes old, on a new timeline: no standby was promoted, and nothing goes before all have told.
    status, said = office.check(workers[0])
    assert (status, said["gate"]["is_open"], said["gate"]["reason"]) == (EX_TEMPFAIL, False, "put_back")
    assert said["gate"]["awaited"] == sorted(owners)
    state_all_again(office.demo)
    workers[0].start()
    process.wait_until(
        lambda: office.owner.execute(
            "select reason, began_at < clock_timestamp() - %s * interval '2 s' from life",
            [GRACE_SECONDS],
        ).fetchone() == ("put_back", True), 20, "the grace of a fail-over is over",
    )  # fmt: skip
    status, said = office.check(workers[0])
    assert (status, said["gate"]["awaited"]) == (EX_TEMPFAIL, [owners[1]])
    assert len(office.store.mails()) == sent
    workers[1].start()
    process.wait_until(lambda: office.check(workers[0])[0] != EX_TEMPFAIL, 20, "the gate is open")
    office.wait_for_quiet()
    assert len(office.store.mails()) == sent
    expect_nobody_told_twice(office, sent)
