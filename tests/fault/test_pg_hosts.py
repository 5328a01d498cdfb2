"""The database client and several hosts: silent ones, read-only ones, names, and the way back."""

import socket
import time

import pytest

from tests.support import pg_client, process
from tests.support.cluster import Cluster


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """Two servers on TCP."""
    made = [Cluster(is_fast=True, tcp_port=process.free_port()).create() for _ in range(2)]
    yield made
    for server in made:
        server.remove()


@pytest.fixture
def start():
    clients = []

    def start_one(hosts, **more):
        """`hosts`: [(host, port)]"""
        names, ports = (",".join(str(part) for part in parts) for parts in zip(*hosts))
        client = pg_client.PgClient(f"host={names} port={ports} dbname=postgres user=postgres",
                                    **more)  # fmt: skip
        clients.append(client)
        return client

    yield start_one
    for client in clients:
        assert client.close() == 0, client.lines


@pytest.fixture
def silent():
    """A host that takes connections and says nothing: a server that is stopped, say."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield ("127.0.0.1", listener.getsockname()[1])


@pytest.fixture
def unreachable():
    """A port whose line is full, so that the kernel drops what comes: a host behind a cut cable."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        waiting = []
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(address)
            waiting.append(one)
        yield address
        for one in waiting:
            one.close()


def at(server, host="127.0.0.1"):
    return (host, server.tcp_port)


def port_of(client):
    count = len(client.calls()) + 1
    client.write("call select inet_server_port()")
    return int(client.wait_for_calls(count)[-1].value)


def superuser(server):
    return server.connect("postgres", "postgres")


def set_read_only(server, word):
    with superuser(server) as connection:
        connection.execute(f"alter system set default_transaction_read_only = {word}")
        connection.execute("select pg_reload_conf()")
    process.wait_until(lambda: read_only(server) == word, 10, "the server has heard")


def read_only(server):
    with superuser(server) as connection:
        return connection.execute("show default_transaction_read_only").fetchone()[0]


def test_a_host_that_refuses_is_passed_at_once(servers, start):
    client = start([("127.0.0.1", process.free_port()), at(servers[0])])
    client.wait_for_state("up", timeout_s=1)
    assert port_of(client) == servers[0].tcp_port


def test_a_host_that_cannot_be_reached_is_passed_within_two_seconds(servers, start, unreachable):
    client = start([unreachable, at(servers[0])])
    client.wait_for_state("up", timeout_s=2.5)
    assert port_of(client) == servers[0].tcp_port


def test_a_host_that_says_nothing_is_passed_within_four_seconds(servers, start, silent):
    client = start([silent, at(servers[0])])
    client.wait_for_state("up", timeout_s=4)
    assert "time allowed" in client.states("down")[0]


def test_a_name_is_found_at_whichever_of_its_addresses_answers(servers, start):
    """localhost is ::1 too, where no server listens."""
    client = start([at(servers[0], "localhost")])
    client.wait_for_state("up", timeout_s=2)


def test_a_name_that_does_not_exist_keeps_nobody_waiting(servers, start):
    client = start([("no-such-host.invalid", 5432), at(servers[0])])
    client.wait_for_state("up", timeout_s=4)
    assert "no address is known for the name of the host" in client.states("down")[0]


def test_a_name_alone_that_does_not_exist_is_said_and_asked_for_again(start):
    client = start([("no-such-host.invalid", 5432)])
    client.write("call select 1")
    assert client.wait_for_calls(1)[0].kind == "unsent"
    assert len(client.wait_for_state("down", 2)) >= 2


def test_the_loop_turns_while_a_name_is_looked_up(servers, start):
    """Ended in the middle of it, at once."""
    client = start([("no-such-host.invalid", 5432)])
    began = time.monotonic()
    client.write("call select 1")
    client.wait_for_calls(1, timeout_s=1)
    client.write("free")
    assert client.process.wait(20) == 0
    assert time.monotonic() - began < 15


def test_a_server_that_takes_no_writes_is_left_for_one_that_does(servers, start):
    first, second = servers
    set_read_only(first, "on")
    try:
        client = start([at(first), at(second)])
        client.wait_for_state("up", timeout_s=2)
        assert port_of(client) == second.tcp_port
        assert "read-only" in client.states("down")[0]
    finally:
        set_read_only(first, "off")


def test_a_server_that_takes_no_writes_any_more_is_left_in_the_middle(servers, start):
    first, second = servers
    client = start([at(first), at(second)])
    client.wait_for_state("up")
    assert port_of(client) == first.tcp_port
    set_read_only(first, "on")
    try:
        client.write("call create temp table t ()", "call create table public.t ()")
        answers = client.wait_for_calls(3)[1:]
        assert "25006" in [answer.sqlstate for answer in answers]
        client.wait_for_state("up", 2, timeout_s=2)
        assert port_of(client) == second.tcp_port
    finally:
        set_read_only(first, "off")


def test_where_a_connection_was_it_is_looked_for_first(servers, start):
    first, second = servers
    client = start([("127.0.0.1", process.free_port()), at(second), at(first)])
    for ups in (1, 2):
        client.wait_for_state("up", ups, timeout_s=3)
        assert port_of(client) == second.tcp_port
        downs = len(client.states("down"))
        client.write("call select pg_terminate_backend(pg_backend_pid())")
        process.wait_until(lambda: len(client.states("down")) > downs, 5, "it is lost")
    client.wait_for_state("up", 3, timeout_s=3)
    # The dead port before it in the list was asked once, at the start, and never again.
    assert sum("refused" in reason for reason in client.states("down")) == 1


def test_too_many_connections_pass(servers, start):
    server = servers[0]
    with superuser(server) as connection:
        connection.execute("create role crowded login connection limit 1")
    url = f"host=127.0.0.1 port={server.tcp_port} dbname=postgres user=crowded"
    with server.connect("postgres", "crowded"):
        client = pg_client.PgClient(url)
        assert "too many connections" in client.wait_for_state("down", 2)[0]
    client.wait_for_state("up", timeout_s=2)
    assert client.close() == 0


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_it_is_back_within_a_second_of_the_server_s_return(servers, start, mode):
    """Though it has been away for long enough that the pauses have grown."""
    server = servers[0]
    client = start([at(server)])
    client.wait_for_state("up")
    server.stop(mode)
    time.sleep(3)
    server.start()  # returns once it answers
    began = time.monotonic()
    client.wait_for_state("up", 2, timeout_s=5)
    took_s = time.monotonic() - began
    print(f"back {took_s * 1000:.0f} ms after the server")
    assert took_s < 1


def test_a_deadlock_s_victim_and_a_failed_serialisation_are_refusals_to_be_repeated(servers, start):
    client = start([at(servers[0])])
    client.wait_for_state("up")
    raise_it = "call do $$begin raise exception 'x' using errcode = '%s'; end$$"
    client.write(raise_it % "40P01", raise_it % "40001", raise_it % "53100", "call select 1")
    calls = client.wait_for_calls(4)
    assert [call.sqlstate for call in calls] == ["40P01", "40001", "53100", ""]
    assert not client.states("down"), "the connection is as good as before"
