"""Behind Debian's pgbouncer: session pooling will do, and the other two are refused with the reason, by
the worker, the pages and each subcommand, before anything is set in a session that others share."""

import os
import subprocess

import psycopg
import pytest

from tests.support import pg_client, process, programs, schema
from tests.support.pgbouncer import Pgbouncer

SHARED = ("transaction", "statement")
CONFIG = 78


@pytest.fixture
def pool(cluster, database):
    """pool(mode, login): a pgbouncer before this test's database."""
    started = []

    def start(mode, login):
        started.append(Pgbouncer(cluster, mode, database, login))
        return started[-1]

    yield start
    for one in started:
        one.stop()


def program(tmp_path, word, url, settings=None):
    return programs.Program(word, tmp_path / word, url, settings).start()


@pytest.mark.parametrize("mode", SHARED)
@pytest.mark.parametrize("word, login", [("worker", schema.WORKER), ("web", schema.WEB)])
def test_a_program_behind_a_pooler_that_shares_sessions_does_not_start(
    tmp_path, pool, demo, mode, word, login
):
    port = process.free_port()
    settings = {"smtp": {"url": f"smtp://127.0.0.1:{port}"}, "web": {"listen": f"127.0.0.1:{port}"}}
    if word == "worker":
        del settings["web"]
    started = program(tmp_path, word, pool(mode, login).url, settings)
    try:
        assert started.process.wait(20) == CONFIG
        assert "[database] url" in started.log_text()
        assert "transaction or statement pooling" in started.log_text()
        assert "session pooling, or a connection to PostgreSQL itself" in started.log_text()
    finally:
        started.kill()


@pytest.mark.parametrize("mode", SHARED)
def test_nothing_is_left_behind_in_sessions_that_others_share(pool, mode):
    behind = pool(mode, schema.WORKER)
    client = pg_client.PgClient(behind.url)
    assert "pooling" in client.wait_for_state("unfit")[0]
    client.write("call select 1")
    assert client.wait_for_calls(1)[0].kind == "unsent"
    client.close()
    with psycopg.connect(behind.url, autocommit=True, prepare_threshold=None) as other:
        for name, expected in [("search_path", '"$user", public'), ("idle_session_timeout", "0"),
                               ("statement_timeout", "0")]:  # fmt: skip
            assert other.execute(f"show {name}").fetchone() == (expected,), name


@pytest.mark.parametrize("mode", SHARED)
def test_a_subcommand_says_it_too(tmp_path, pool, demo, mode):
    environment = {**os.environ, "HANDBELL_DATABASE_URL": pool(mode, schema.OWNER).url}
    done = subprocess.run([schema.binary(), "status", "--config", "/dev/null"], env=environment,
                          capture_output=True, text=True, check=False, timeout=30)  # fmt: skip
    assert done.returncode == CONFIG and "session pooling" in done.stderr


def test_behind_session_pooling_all_is_as_without(tmp_path, pool, demo, owner, mail_store):
    behind = pool("session", schema.WORKER)
    worker = program(tmp_path, "worker", behind.url, {"smtp": {"url": mail_store.url}})
    try:
        process.wait_until(lambda: worker.check_running() and "worker_started" in worker.log_text(),
                           20, "the worker has begun")  # fmt: skip
        demo.put_course("c")
        demo.put_person("p")
        demo.put_booking("b", "c", "p", status="confirmed")
        assert mail_store.wait_for(1, 10)
        sessions = owner.execute("select application_name from pg_stat_activity"
                                 " where usename = %s", [schema.WORKER]).fetchall()  # fmt: skip
        assert len(sessions) == len(set(sessions)), "one a connection: the proofs have ended"
        assert worker.stop() == 0
    finally:
        worker.kill()
    environment = {**os.environ, "HANDBELL_DATABASE_URL": pool("session", schema.OWNER).url}
    done = subprocess.run([schema.binary(), "status", "--config", "/dev/null"], env=environment,
                          capture_output=True, text=True, check=False, timeout=30)  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_pages_work_behind_session_pooling(tmp_path, pool, demo):
    port = process.free_port()
    web = program(tmp_path, "web", pool("session", schema.WEB).url,
                  {"web": {"listen": f"127.0.0.1:{port}"}})  # fmt: skip
    try:
        process.wait_until(
            lambda: web.check_running() and healthz(port) == 200, 20, "the pages are well")
    finally:
        web.stop()


def healthz(port):
    done = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}",
                           f"http://127.0.0.1:{port}/healthz"], capture_output=True, text=True,
                          check=False, timeout=10)  # fmt: skip
    return int(done.stdout or 0)
