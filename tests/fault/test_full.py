"""Nothing is left of something: descriptors, room on a disk (the worker's and the database's), address
space. Mail waits meanwhile; the log says why, once in a while; when there is room again all goes, once."""

import collections
import errno
import os
import pathlib
import re
import resource
import shlex
import signal
import subprocess
import tempfile
import time

import pytest

from tests.support import process, scale, schema
from tests.support.portal import Portal
from tests.support.queue_calls import is_quiet
from tests.support.schema import OWNER, PORTAL, WORKER

READERS = 30


def state_readers(demo, count=READERS):
    demo.put_category("maths")
    demo.put_many("person", [
        {"ref": f"r{number}", "email": f"r{number}@example.org", "consent": True, "alerts": True,
         "interests": ["maths"]}
        for number in range(count)
    ])  # fmt: skip


def publish(demo, course):
    demo.put_course(course, categories=["maths"])


def wait_for_log(program, text, timeout_s=20):
    process.wait_until(lambda: text in program.log_text(), timeout_s, f"the log says {text}")


def is_all_sent(owner, count):
    owner.execute("update message set due = now() where state = 'ready' and due > now()")
    rows = owner.execute("select state, count(*) from message_record group by 1").fetchall()
    return is_quiet(owner) and rows == [("sent", count)]


def check_once(mail_store, count):
    assert len(mail_store.received) == count
    assert set(mail_store.message_ids().values()) == {1}


def check_log_rate(program, seconds):
    """However long it lasts: no event fills the log."""
    events = collections.Counter(re.findall(r"level=(?:warning|error) event=(\w+)", program.log_text()))
    assert all(count <= 4 * seconds + 10 for count in events.values()), events


def end_sessions(handbell, login=WORKER):
    superuser = handbell.cluster.connect(handbell.database, "postgres")
    superuser.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = %s", [login]
    )
    superuser.close()


# ---- Descriptors.


def limit_descriptors(program, most):
    hard = resource.prlimit(program.process.pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(program.process.pid, resource.RLIMIT_NOFILE, (most, hard))


def highest_descriptor(program):
    return max(int(path.name) for path in pathlib.Path(f"/proc/{program.process.pid}/fd").iterdir())


def cpu_s(program):
    words = pathlib.Path(f"/proc/{program.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def test_without_a_descriptor_for_database_relay_or_settings_the_worker_waits_and_says_so(
    handbell, mail_store, demo, owner
):
    """The relay by its name, so that the resolver wants descriptors too."""
    url = f"smtp://localhost:{mail_store.port}?tls=none"
    worker = handbell.start_worker(url, {"smtp": {"idle_timeout": 1}})
    state_readers(demo)
    publish(demo, "before")
    process.wait_until(lambda: is_all_sent(owner, READERS), 20, "it works")
    time.sleep(1.5)  # its idle sessions with the relay have ended
    limit_descriptors(worker, 4)
    end_sessions(handbell)
    publish(demo, "during")
    wait_for_log(worker, "event=database_away")
    worker.process.send_signal(signal.SIGHUP)
    wait_for_log(worker, "event=reload_failed")
    before = cpu_s(worker)
    time.sleep(3)
    assert cpu_s(worker) - before < 1.0, "it spins"
    check_log_rate(worker, 3)
    # Room for the database, none for the relay.
    limit_descriptors(worker, highest_descriptor(worker) + 5)
    wait_for_log(worker, "event=database_found_again")
    limit_descriptors(worker, highest_descriptor(worker) + 1)
    time.sleep(1.5)
    limit_descriptors(worker, 1024)
    process.wait_until(lambda: is_all_sent(owner, 2 * READERS), 40, "all is sent")
    check_once(mail_store, 2 * READERS)
    worker.process.send_signal(signal.SIGHUP)
    wait_for_log(worker, "event=settings_reloaded")
    assert worker.stop() == 0


@pytest.mark.parametrize("most", range(4, 9))
def test_without_descriptors_check_says_what_it_could_not_ask(handbell, demo, most):
    """The database, the name server (a pipe and a process a question), its own files: in their turn."""

    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    done = subprocess.run(
        [schema.binary(), "check", "--config", "/dev/null"],
        env={**os.environ, "HANDBELL_DATABASE_URL": handbell.cluster.url(handbell.database, OWNER),
             "HANDBELL_SECURITY_KEY_FILE": str(handbell.key_file), "HANDBELL_DNS_SERVER": "127.0.0.1:9"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60,
        preexec_fn=limit,
    )  # fmt: skip
    assert done.returncode > 0, "a signal, or nothing noticed"
    assert done.returncode in (os.EX_CONFIG, os.EX_UNAVAILABLE, os.EX_OSERR, os.EX_NOINPUT, os.EX_TEMPFAIL,
                               os.EX_OSFILE, os.EX_IOERR, 1), done.stderr  # fmt: skip
    assert done.stdout + done.stderr


# ---- The worker's disk.


@pytest.fixture
def small_disk(handbell, tmp_path):
    """small_disk(bytes): the workers of this test have their state directory on a disk of that size, in a
    mount namespace of their own. Skipped where nothing may be mounted."""
    probe = ["unshare", "--mount", "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", "/mnt"]
    if subprocess.run(probe, check=False, capture_output=True).returncode != 0:
        pytest.skip("no mount namespaces here")

    def begin(size, settings, url, name="small"):
        worker = handbell.make("worker", WORKER, {"smtp": {"url": url}, **settings}, name)
        script = tmp_path / f"{name}.sh"
        inner = (f"mount -t tmpfs -o size={size} tmpfs {shlex.quote(str(worker.state))} &&"
                 f" exec {shlex.quote(str(worker.binary))} \"$@\"")  # fmt: skip
        script.write_text(f"#!/bin/sh\nexec unshare --mount sh -c {shlex.quote(inner)} sh \"$@\"\n")
        script.chmod(0o755)
        worker.binary = script
        worker.start()
        wait_for_log(worker, "event=worker_started")
        return worker

    return begin


def disk_of(worker):
    return pathlib.Path("/proc", str(worker.process.pid), "root", str(worker.state).lstrip("/"))


def fill(folder, name="filler"):
    """Takes all the room that is left. Returns the file."""
    path = folder / name
    with open(path, "wb", buffering=0) as file:
        for size in (65536, 4096, 512, 1):
            try:
                while True:
                    file.write(size * b"x")
            except OSError as error:
                assert error.errno == errno.ENOSPC
    return path


def test_with_its_disk_full_a_worker_begins_nothing_and_goes_on_when_there_is_room(
    small_disk, mail_store, demo, owner
):
    settings = {"worker": {"in_memory": 100, "batch": 50, "journal_bytes": 131072}}
    worker = small_disk(1 << 20, settings, mail_store.url)
    state_readers(demo, 500)
    for number in range(2):
        publish(demo, f"before {number}")
        process.wait_until(lambda: is_all_sent(owner, 500 * (number + 1)), 20, "it works")
    filler = fill(disk_of(worker))
    for number in range(3):
        publish(demo, f"during {number}")
        matched = "select not exists (select from job where state = 'matching')"
        process.wait_until(lambda: owner.execute(matched).fetchone()[0], 10, "it is matched")
    # The journal stops it or, where that still has room, the file that is kept beside the database.
    stopped = re.compile(r"event=(journal_unwritable|keep_waits) .*No space left on device")
    process.wait_until(lambda: stopped.search(worker.log_text()), 20, "the log says why it stops")
    time.sleep(3)
    held, arrived = mail_store.commands["DATA"], len(mail_store.received)
    assert arrived < 2500
    time.sleep(1)
    assert (mail_store.commands["DATA"], len(mail_store.received)) == (held, arrived), "it sends nothing"
    check_log_rate(worker, 4)
    worker.check_running()
    filler.unlink()
    waiting = "select count(*) from message"
    process.wait_until(lambda: owner.execute(waiting).fetchone() == (0,), 30, "all has ended")
    rows = dict(owner.execute("select state, count(*) from message_record group by 1").fetchall())
    assert set(rows) == {"sent"} and rows["sent"] == len(mail_store.received)
    assert set(mail_store.message_ids().values()) == {1}
    assert worker.stop() == 0


# ---- The database's disk.


@pytest.fixture
def cramped(cluster, databases, tmp_path_factory):
    """A database on a small disk: (its name, the disk's folder)."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hbd"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48m,mode=0755", "tmpfs", str(folder)],
        check=False, capture_output=True,
    )  # fmt: skip
    if mounted.returncode != 0:
        folder.rmdir()
        pytest.skip("nothing may be mounted here")
    space = folder / "space"
    space.mkdir()
    if cluster.user is not None:
        os.chown(space, cluster.user.pw_uid, cluster.user.pw_gid)
    superuser = cluster.connect("postgres", "postgres")
    try:
        superuser.execute(f"create tablespace cramped owner {OWNER} location '{space}'")
        superuser.execute(
            f"create database cramped template {schema.TEMPLATE} owner {OWNER} tablespace cramped"
        )
        yield "cramped", folder
    finally:
        (folder / "filler").unlink(missing_ok=True)
        superuser.execute("drop database if exists cramped with (force)")
        superuser.execute("drop tablespace if exists cramped")
        superuser.close()
        subprocess.run(["umount", str(folder)], check=False)
        folder.rmdir()


@pytest.fixture
def database(request, databases):
    """The cramped one where a test asks for it."""
    if "cramped" in request.fixturenames:
        yield request.getfixturevalue("cramped")[0]
        return
    name = databases.make()
    yield name
    databases.drop(name)


def test_with_the_databases_disk_full_nothing_is_lost_and_all_goes_once_when_there_is_room(
    cramped, handbell, mail_store, demo, owner
):
    name, folder = cramped
    worker = handbell.start_worker(mail_store.url)
    state_readers(demo, 800)
    publish(demo, "before")
    mail_store.wait_for(200)
    fill(folder)
    # What was claimed and marked goes on; what must be written soon cannot be.
    wait_for_log(worker, "sqlstate=53100", 30)
    refused = False
    portal = Portal(handbell.cluster.connect(name, PORTAL))
    try:
        for number in range(200):
            portal.put_many("person", [{"ref": f"late{number}-{each}", "email": f"l{each}@example.org"}
                                       for each in range(50)])  # fmt: skip
    except Exception as error:
        refused = getattr(error, "sqlstate", None) == "53100"
    portal.connection.close()
    assert refused, "the portal is told"
    time.sleep(3)
    check_log_rate(worker, 10)
    worker.check_running()
    (folder / "filler").unlink()
    publish(demo, "after")
    process.wait_until(lambda: is_all_sent(owner, 1600), 40, "all is sent")
    check_once(mail_store, 1600)
    assert worker.stop() == 0


# ---- Address space: what the libraries cannot get.


def limit_memory(program, more):
    """`more` bytes above what it has; None: no limit."""
    pages = int(pathlib.Path(f"/proc/{program.process.pid}/statm").read_text().split()[0])
    most = resource.RLIM_INFINITY if more is None else pages * resource.getpagesize() + more
    resource.prlimit(program.process.pid, resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))


def test_without_address_space_a_worker_lives_and_sends_all_once_when_there_is_some(
    handbell, mail_store, demo, owner
):
    if b"__asan_init" in schema.binary().read_bytes():
        pytest.skip("the sanitizer wants its address space at once")
    worker = handbell.start_worker(mail_store.url)
    wait_for_log(worker, "event=worker_started")
    state_readers(demo, 1000)
    for turn, more in enumerate(scale.pick((0, 1_500_000), (0, 65536, 400_000, 1_500_000)), 1):
        limit_memory(worker, more)
        if turn % 2 == 0:
            end_sessions(handbell)
        publish(demo, f"c{turn}")
        time.sleep(1.5)
        worker.check_running()
        check_log_rate(worker, 1.5 * turn)
        limit_memory(worker, None)
        process.wait_until(
            lambda: worker.check_running() and is_all_sent(owner, 1000 * turn), 40, f"all is sent; {more}"
        )
    check_once(mail_store, 1000 * turn)
    assert worker.stop() == 0
