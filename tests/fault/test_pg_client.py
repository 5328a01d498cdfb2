"""The connection to PostgreSQL: one answer a call, whatever happens to server and network."""

import socket
import threading
import time

import psycopg
import pytest

from tests.support import pg_client, process
from tests.support.cluster import Cluster


@pytest.fixture
def start(cluster):
    """start(): a driver on a database of the cluster, up; checked at its end."""
    clients = []

    def start_one(url=None, is_up=True, **more):
        client = pg_client.PgClient(url or cluster.url("postgres", "postgres"), **more)
        clients.append(client)
        if is_up:
            client.wait_for_state("up")
        return client

    yield start_one
    for client in clients:
        status = client.close()
        assert status == 0, client.lines
        assert client.events("over"), client.lines
        assert not client.events("INSIDE")


@pytest.fixture
def superuser(cluster):
    with cluster.connect("postgres", "postgres") as connection:
        yield connection


@pytest.fixture
def own_server():
    """A server of this test alone, on TCP, to be stopped and started."""
    server = Cluster(is_fast=True, tcp_port=process.free_port()).create()
    yield server
    server.remove()


class Proxy:
    """Between driver and server: breaks off, or stops passing on what the server says."""

    def __init__(self, path):
        self.path = path
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.is_silent = False
        self.disguise = None  # what becomes of the bytes that the server says
        self.pairs = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self.path)
            self.pairs.append((client, server))
            for ends in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._pass, args=ends, daemon=True).start()

    def _pass(self, source, target, is_answer):
        try:
            while data := source.recv(65536):
                if is_answer and self.disguise is not None:
                    data = self.disguise(data)
                if not (is_answer and self.is_silent):
                    target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            end.close()

    def cut(self):
        pairs, self.pairs = self.pairs, []
        for pair in pairs:
            for end in pair:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def close(self):
        self.listener.close()
        self.cut()


@pytest.fixture
def proxy(cluster):
    proxy = Proxy(str(cluster.socket_folder / ".s.PGSQL.5432"))
    yield proxy
    proxy.close()


def sleeping(superuser):
    """The driver's server process in the middle of pg_sleep."""
    rows = []

    def found():
        rows[:] = superuser.execute(
            "select pid from pg_stat_activity where application_name = 'pg_driver'"
            " and state = 'active' and wait_event = 'PgSleep'"
        ).fetchall()
        return rows

    process.wait_until(found, 20, "the driver's statement runs")
    return rows[0][0]


def kinds(calls):
    return [call.kind for call in calls]


def test_a_thousand_calls_in_one_pipeline_are_answered_once_each_and_in_order(start):
    client = start()
    client.write(*(f"call select {i % 50}" for i in range(1000)))
    calls = client.wait_for_calls(1000)
    assert [call.number for call in calls] == list(range(1, 1001))
    assert [call.value for call in calls] == [str(i % 50) for i in range(1000)]


def test_what_is_past_the_bound_is_never_sent_and_says_so(start):
    client = start()
    client.write(*(["call select 1"] * 1100))
    calls = client.wait_for_calls(1100)
    assert kinds(calls).count("rows") == 1024
    assert kinds(calls).count("unsent") == 76


def test_a_refused_call_takes_nothing_along_and_names_its_sqlstate(start):
    client = start()
    client.write("call select 1", "call select 1 / 0", "call selec 2", "call select 3")
    calls = client.wait_for_calls(4)
    assert kinds(calls) == ["rows", "refused", "refused", "rows"]
    assert [call.sqlstate for call in calls] == ["", "22012", "42601", ""]
    client.write("call selec 2")
    assert client.wait_for_calls(5)[4].sqlstate == "42601", "it is prepared anew, and refused anew"


def test_a_value_that_the_server_quotes_in_an_error_is_kept_out_of_its_text(start):
    client = start()
    client.write(
        "call select 'anna@example.org'::integer",
        "call do $$begin raise exception 'short' using detail = 'anna@example.org',"
        " errcode = 'HB001'; end$$",
    )
    calls = client.wait_for_calls(2)
    assert [call.sqlstate for call in calls] == ["22P02", "HB001"]
    assert calls[1].text == "short"
    assert not any("anna" in call.text for call in calls)


def test_rows_are_given_out_only_when_their_transaction_is_committed(start, superuser):
    superuser.execute("drop table if exists late")
    superuser.execute("create table late (id integer unique deferrable initially deferred)")
    superuser.execute("insert into late values (1)")
    client = start()
    client.write("call insert into public.late values (1) returning 'stored'", "call select 2")
    calls = client.wait_for_calls(2)
    assert kinds(calls) == ["refused", "rows"]
    assert calls[0].sqlstate == "23505"
    superuser.execute("drop table late")


def test_a_call_whose_server_process_is_killed_is_lost_and_the_connection_comes_back(
    start, superuser
):
    client = start()
    client.write("call select 1", "call select pg_sleep(60)", "call select 2")
    superuser.execute("select pg_terminate_backend(%s)", [sleeping(superuser)])
    assert kinds(client.wait_for_calls(3)) == ["rows", "lost", "lost"]
    assert "terminating connection" in client.wait_for_state("down")[0]
    client.wait_for_state("up", 2)
    client.write("call select 3")
    assert client.wait_for_calls(4)[3].value == "3"


def test_a_connection_that_is_cut_is_found_out_and_made_again(start, proxy):
    client = start(f"host=127.0.0.1 port={proxy.port} dbname=postgres user=postgres")
    client.write("call select 1")
    client.wait_for_calls(1)
    client.write("call select pg_sleep(60)")
    process.wait_until(lambda: proxy.pairs, 5, "a connection through the proxy")
    time.sleep(0.2)
    proxy.cut()
    assert kinds(client.wait_for_calls(2)) == ["rows", "lost"]
    client.wait_for_state("up", 2)


def test_a_server_that_falls_silent_is_given_up_at_the_deadline(start, proxy):
    client = start(f"host=127.0.0.1 port={proxy.port} dbname=postgres user=postgres")
    proxy.is_silent = True
    began = time.monotonic()
    client.write("slow 700 select 1", "call select 2")
    assert kinds(client.wait_for_calls(2)) == ["lost", "lost"]
    assert 0.6 < time.monotonic() - began < 5
    assert "deadline" in client.wait_for_state("down")[0]
    proxy.is_silent = False
    client.wait_for_state("up", 2)
    client.write("call select 3")
    assert client.wait_for_calls(3)[2].value == "3"


def test_a_later_call_with_a_shorter_deadline_is_not_kept_waiting(start, proxy):
    client = start(f"host=127.0.0.1 port={proxy.port} dbname=postgres user=postgres")
    proxy.is_silent = True
    began = time.monotonic()
    client.write("slow 8000 select 1", "slow 500 select 2")
    client.wait_for_calls(2)
    assert time.monotonic() - began < 4


def test_the_server_stops_a_statement_that_outlasts_the_connection_s_time(start):
    client = start(call_timeout_ms=800)
    client.write("slow 5000 select pg_sleep(60)", "slow 5000 select 2")
    calls = client.wait_for_calls(2)
    assert kinds(calls) == ["refused", "rows"]
    assert calls[0].sqlstate == "57014"


def test_a_server_that_never_answers_the_connection_is_given_up(start):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        client = start(f"host=127.0.0.1 port={port}", is_up=False, connect_timeout_ms=300)
        client.write("call select 1")
        assert kinds(client.wait_for_calls(1)) == ["unsent"]
        assert "time allowed" in client.wait_for_state("down", 2)[0]


def test_a_server_that_restarts_is_found_again_and_nothing_is_answered_twice(start, own_server):
    client = start(own_server.url("postgres", "postgres"))
    for mode in ("fast", "immediate"):
        before = len(client.calls())
        client.write("call select 1", "call select pg_sleep(60)")
        process.wait_until(lambda: len(client.calls()) > before, 20, "the first answer")
        ups = len(client.states("up"))
        own_server.restart(mode)
        client.wait_for_state("up", ups + 1)
        client.write("call select 2")
        calls = client.wait_for_calls(before + 3)[before:]
        assert kinds(calls) == ["rows", "lost", "rows"]
    numbers = [call.number for call in client.calls()]
    assert sorted(numbers) == list(range(1, len(numbers) + 1))


def test_calls_while_the_server_is_away_are_unsent_and_at_once(start, own_server):
    client = start(own_server.url("postgres", "postgres"))
    own_server.stop()
    client.wait_for_state("down")
    client.write(*["call select 1"] * 20)
    assert kinds(client.wait_for_calls(20)) == 20 * ["unsent"]
    own_server.start()
    client.wait_for_state("up", 2)
    client.write("call select 2")
    assert client.wait_for_calls(21)[20].kind == "rows"


def test_attempts_to_come_back_grow_rarer(start, own_server):
    client = start(own_server.url("postgres", "postgres"))
    own_server.stop()
    time.sleep(3)
    assert 2 <= len(client.states("down")) <= 25
    own_server.start()


def test_notifications_are_heard_before_and_after_a_reconnection(start, superuser):
    client = start()
    superuser.execute("notify driver")
    process.wait_until(lambda: len(client.events("notify")) == 1, 10, "a notification")
    client.write("call select pg_terminate_backend(pg_backend_pid())")
    client.wait_for_state("up", 2)
    superuser.execute("notify driver")
    superuser.execute("notify another")
    process.wait_until(lambda: len(client.events("notify")) == 2, 10, "another notification")
    client.write("call select 1")
    client.wait_for_calls(2)
    assert client.events("notify") == 2 * [["notify", "driver"]]


def test_a_call_made_inside_a_callback_is_answered_too(start):
    client = start()
    client.write("again select 1", "call select 2")
    calls = client.wait_for_calls(3)
    assert [call.number for call in calls] == [1, 2, 3]
    assert kinds(calls) == 3 * ["rows"]


def test_ending_a_connection_answers_what_is_under_way_as_lost(start):
    client = start()
    client.write("call select pg_sleep(60)", "call select 2", "free")
    assert kinds(client.wait_for_calls(2)) == ["lost", "lost"]


def test_a_connection_may_be_ended_inside_its_own_callback(start):
    client = start()
    client.write("end", "call select 1", "call select 2", "again select 3")
    assert kinds(client.wait_for_calls(3)) == ["rows", "lost", "lost"]


def test_the_session_is_pinned(start):
    client = start()
    client.write(
        "call show search_path", "call show timezone", "call show client_encoding", "call show jit"
    )
    values = [call.value for call in client.wait_for_calls(4)]
    assert values == ["handbell, pg_temp", "UTC", "UTF8", "off"]


def test_a_large_text_goes_both_ways_through_a_full_socket(start, proxy):
    client = start(f"host=127.0.0.1 port={proxy.port} dbname=postgres user=postgres")
    text = "x" * 100_000
    client.write(f"call select length('{text}')", "call select length(repeat('y', 20000000))")
    client.write("call select repeat('z', 3000000)")
    calls = client.wait_for_calls(3)
    assert [call.value for call in calls[:2]] == ["100000", "20000000"]
    assert len(calls[2].value) == 3_000_000


def test_a_function_whose_answer_changed_its_shape_is_called_again_after_a_new_beginning(
    start, superuser
):
    superuser.execute("drop table if exists shape")
    superuser.execute("create table shape as select 1 as a")
    client = start()
    client.write("call select * from public.shape")
    assert client.wait_for_calls(1)[0].kind == "rows"
    superuser.execute("alter table shape add b text")
    client.write("call select * from public.shape")
    assert client.wait_for_calls(2)[1].sqlstate == "0A000"
    client.wait_for_state("up", 2)
    client.write("call select * from public.shape")
    assert client.wait_for_calls(3)[2].kind == "rows"
    superuser.execute("drop table shape")


def of_a_pooler(data):
    """A pooler makes up the process number in BackendKeyData."""
    at = data.find(b"K\x00\x00\x00\x0c")
    return data if at < 0 else data[: at + 5] + b"\x00\x00\x00\x07" + data[at + 9 :]


def of_an_old_server(data):
    return data.replace(b"server_version\x0015.", b"server_version\x0014.").replace(
        b"server_version\x0017.", b"server_version\x0014."
    )


def test_a_server_that_is_too_old_is_named_and_not_tried_again(start, proxy):
    proxy.disguise = of_an_old_server
    client = start(f"host=127.0.0.1 port={proxy.port} dbname=postgres user=postgres", is_up=False)
    assert "older than PostgreSQL 15" in client.wait_for_state("unfit")[0]
    client.write("call select 1")
    assert kinds(client.wait_for_calls(1)) == ["unsent"]
    time.sleep(0.5)
    assert len(client.states("unfit")) == 1 and not client.states("up")


def test_a_pooler_that_keeps_sessions_is_as_good_as_the_server(start, proxy):
    """Debian's pgbouncer, in each of its modes: test_pooler.py."""
    proxy.disguise = of_a_pooler
    client = start(f"host=127.0.0.1 port={proxy.port} dbname=postgres user=postgres")
    client.write("call show search_path", "call show idle_session_timeout")
    values = [call.value for call in client.wait_for_calls(2)]
    assert values == ["handbell, pg_temp", "0"] and not client.states("down")


def test_what_is_no_connection_string_is_refused_without_being_quoted(start):
    client = start("postgresql://u:secret@host/db?nonsense=secret", is_up=False)
    process.wait_until(lambda: client.events("over"), 10, "the driver ends")
    assert client.events("error")[0][1] == "78"
    assert not any("secret" in field for line in client.lines for field in line)


def test_a_login_that_does_not_exist_is_said_and_tried_again(start, cluster):
    client = start(cluster.url("postgres", "nobody_here"), is_up=False)
    reasons = client.wait_for_state("down", 2)
    assert 'role "nobody_here" does not exist' in reasons[0]


def test_a_standby_is_not_written_to(start, superuser, cluster):
    with cluster.connect("postgres", "postgres") as connection:
        try:
            connection.execute("create role reader login")
        except psycopg.errors.DuplicateObject:
            pass
        connection.execute("alter role reader set default_transaction_read_only = on")
    client = start(cluster.url("postgres", "reader"), is_up=False)
    assert "read-only" in client.wait_for_state("down")[0]
