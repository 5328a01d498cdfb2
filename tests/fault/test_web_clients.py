"""Hostile and broken clients: each is held to its limit, and everybody else is served meanwhile."""

import concurrent.futures
import contextlib
import pathlib
import re
import resource
import socket
import time

import pytest

from tests.fault.test_pg_client import Proxy
from tests.support import process
from tests.support.schema import WEB
from tests.support.web import ONE_CLICK, URLENCODED, Site, read_to_end, status_of

IDLE = 10_000
HOST = b"Host: a.test\r\n"
FORM = b"Content-Type: " + URLENCODED.encode() + b"\r\n"


@pytest.fixture
def start(handbell):
    """start(**settings of [web]): (program, site)"""

    def run(**settings):
        port = process.free_port()
        settings.setdefault("listen", f"127.0.0.1:{port}")
        web = handbell.make("web", WEB, {"web": settings}).start()
        process.wait_until(
            lambda: web.check_running() and process.is_listening(port), 20, "handbell web listens"
        )
        return web, Site(f"http://127.0.0.1:{port}")

    return run


@pytest.fixture
def site(start):
    return start()[1]


def is_served(site, source=None):
    """Whether a request from another client is answered soon."""
    begun = time.monotonic()
    answer = site.send(b"GET /u/x HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n", source)
    return status_of(answer) == 404 and time.monotonic() - begun < 2


MALFORMED = {
    "length beside encoding": b"POST /u/x HTTP/1.1\r\n" + HOST + FORM
    + b"Content-Length: 26\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "encoding beside length": b"POST /u/x HTTP/1.1\r\n" + HOST + FORM
    + b"Transfer-Encoding: chunked\r\nContent-Length: 26\r\n\r\n0\r\n\r\n",
    "two lengths": b"POST /u/x HTTP/1.1\r\n" + HOST + FORM
    + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "length that is no number": b"POST /u/x HTTP/1.1\r\n" + HOST + b"Content-Length: 1x\r\n\r\na",
    "negative length": b"POST /u/x HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\na",
    "another coding": b"POST /u/x HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip\r\n\r\n",
    "chunk size that is no number": b"POST /u/x HTTP/1.1\r\n" + HOST + FORM
    + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n0\r\n\r\n",
    "chunk without its end": b"POST /u/x HTTP/1.1\r\n" + HOST + FORM
    + b"Transfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n0\r\n\r\n",
    "no chunk size": b"POST /u/x HTTP/1.1\r\n" + HOST + FORM
    + b"Transfer-Encoding: chunked\r\n\r\n\r\nab\r\n0\r\n\r\n",
    "escaped slash": b"GET /u/..%2f..%2fetc/passwd HTTP/1.1\r\n" + HOST + b"\r\n",
    "escaped NUL": b"GET /u/x%00 HTTP/1.1\r\n" + HOST + b"\r\n",
    "NUL": b"GET /u/x\0y HTTP/1.1\r\n" + HOST + b"\r\n",
    "NUL behind the path": b"GET /healthz\0 HTTP/1.1\r\n" + HOST + b"\r\n",
    "control in the URL": b"GET /u/\x01 HTTP/1.1\r\n" + HOST + b"\r\n",
    "byte beyond ASCII": b"GET /u/\xff HTTP/1.1\r\n" + HOST + b"\r\n",
    "blank in the URL": b"GET /u/a b HTTP/1.1\r\n" + HOST + b"\r\n",
    "no Host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET /healthz HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
    "Host that is none": b"GET /healthz HTTP/1.1\r\nHost: a'; drop table\r\n\r\n",
    "no Host in HTTP/1.0": b"GET /healthz HTTP/1.0\r\n\r\n",
    "URL of a proxy": b"GET http://a.test/healthz HTTP/1.1\r\n" + HOST + b"\r\n",
}  # fmt: skip


@pytest.mark.parametrize("what", MALFORMED)
def test_a_malformed_request_is_answered_400_and_nothing_behind_it_is_read(site, what):
    smuggled = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
    answer = site.send(MALFORMED[what] + smuggled)
    assert status_of(answer) == 400
    assert b"HTTP/1.1 200" not in answer and b"ok\n" not in answer
    assert is_served(site)


@pytest.mark.parametrize(
    "data",
    [b"\0" * 1000, b"\x16\x03\x01\x02\x00" * 40, b"\r\n" * 9000, b"x"],
    ids=["NULs", "TLS", "line ends", "a letter"],
)
def test_what_is_no_http_is_closed_and_does_no_harm(start, data):
    web, site = start(request_timeout=1)
    answer = site.send(data + b"\r\n\r\n")
    assert status_of(answer) in (None, 400, 414)
    assert is_served(site) and web.is_running()


def test_what_is_too_long_is_refused_by_its_name(site):
    long_url = b"GET /u/" + b"a" * 2100 + b" HTTP/1.1\r\n" + HOST + b"\r\n"
    assert status_of(site.send(long_url)) == 414
    assert status_of(site.send(b"GET /" + b"a" * 70_000)) == 414
    many = b"".join(b"X-%d: %s\r\n" % (i, b"y" * 100) for i in range(300))
    assert status_of(site.send(b"GET / HTTP/1.1\r\n" + HOST + many + b"\r\n")) == 431
    assert status_of(site.send(b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"y" * 70_000)) == 431
    head = b"POST /u/x HTTP/1.1\r\n" + HOST + FORM
    assert status_of(site.send(head + b"Content-Length: 8193\r\n\r\n")) == 413
    assert status_of(site.send(head + b"Content-Length: 99999999999999999999\r\n\r\n")) == 413
    chunked = b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    body = b"2400\r\n" + b"a" * 0x2400 + b"\r\n0\r\n\r\n"
    assert status_of(site.send(head + chunked + body)) == 413
    allowed = b"2000\r\n" + b"a" * 0x2000 + b"\r\n0\r\n\r\n"
    assert status_of(site.send(head + chunked + allowed)) == 400
    with contextlib.suppress(ConnectionError), site.connect() as endless:
        endless.sendall(head + chunked)
        for _ in range(10_000):
            endless.sendall(b"2000\r\n" + b"a" * 0x2000 + b"\r\n")
        pytest.fail("81 MB of a body were taken")
    assert is_served(site)


def test_a_connection_serves_several_requests_one_behind_the_other(site):
    one = b"POST /u/x HTTP/1.1\r\n" + HOST + FORM + b"Content-Length: 1\r\n\r\na"
    last = b"GET /u/x HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
    answer = site.send(one * 3 + last)
    assert [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]] == [b"400"] * 3 + [b"404"]


def test_a_request_may_come_byte_by_byte_but_not_for_ever(start):
    _, site = start(request_timeout=2)
    request = b"GET /u/x HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
    with site.connect() as quick:
        for at in range(len(request)):
            quick.sendall(request[at : at + 1])
        assert status_of(read_to_end(quick)) == 404
    begun = time.monotonic()
    with contextlib.suppress(ConnectionError), site.connect() as slow:
        for at in range(1000):
            slow.sendall(b"POST /u/x HTTP/1.1\r\n"[at : at + 1] or b"X")
            time.sleep(0.1)
    assert 1.5 < time.monotonic() - begun < 4
    assert is_served(site)


def test_a_body_that_stops_half_way_is_given_up(start):
    _, site = start(request_timeout=1)
    begun = time.monotonic()
    half = b"POST /u/x HTTP/1.1\r\n" + HOST + FORM + b"Content-Length: 26\r\n\r\nList-Unsub"
    assert site.send(half) == b""
    assert time.monotonic() - begun < 3


def test_a_client_that_reads_nothing_is_given_up(start):
    web, site = start(request_timeout=1, connections_per_client=300)
    wires = []
    for _ in range(20):
        wire = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        wire.connect((site.url.split(":")[1].strip("/"), int(site.url.split(":")[2])))
        wire.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            for _ in range(1000):
                wire.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        wires.append(wire)
    assert is_served(site)
    process.wait_until(lambda: count_sockets(site) == 0, 8, "the connections are closed")
    for wire in wires:
        wire.close()
    assert is_served(site)


def count_sockets(site):
    """TCP connections that the server still holds: established, or closed by the client alone."""
    port = int(site.url.rpartition(":")[2])
    rows = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(1 for row in rows if int(row[1][-4:], 16) == port and row[3] in ("01", "08"))


def memory_kb(web):
    with open(f"/proc/{web.process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


def test_ten_thousand_idle_connections_of_one_client_are_bounded(start, record_property):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(IDLE, hard - 500)
    web, site = start()
    before = memory_kb(web)
    wires = []
    try:
        for number in range(count):
            wires.append(site.connect("127.0.0.2"))
            if number % 1000 == 999:
                assert is_served(site), f"not served beside {number + 1} idle connections"
        assert count_sockets(site) <= 30
        assert memory_kb(web) < before + 20_000
        assert is_served(site) and is_served(site, "127.0.0.3")
    finally:
        for wire in wires:
            wire.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    record_property("idle_connections", count)
    process.wait_until(lambda: is_served(site, "127.0.0.2"), 5, "that client is served again")


def test_idle_connections_of_many_clients_make_room_for_new_ones(start):
    web, site = start(connections=50, connections_per_client=10, request_timeout=60)
    wires = [site.connect(f"127.0.1.{number // 10 + 1}") for number in range(50)]
    time.sleep(1.2)
    for number in range(20):
        assert is_served(site, f"127.0.2.{number + 1}")
    process.wait_until(lambda: count_sockets(site) <= 51, 10, "those in excess are closed")
    for wire in wires:
        wire.close()


def test_a_client_past_its_cap_is_told_503_and_others_are_served(start):
    _, site = start(connections_per_client=5)
    wires = [site.connect("127.0.0.2") for _ in range(5)]
    time.sleep(0.1)
    assert status_of(site.send(b"", "127.0.0.2")) == 503
    assert is_served(site, "127.0.0.3")
    for wire in wires:
        wire.close()


def test_behind_the_trusted_proxy_the_last_hop_is_the_client(start):
    _, site = start(connections_per_client=2, trusted_proxy="127.0.0.1")

    def ask(client):
        forwarded = f"X-Forwarded-For: 9.9.9.9, {client}\r\n".encode()
        request = b"GET /u/x HTTP/1.1\r\n" + HOST + forwarded + b"Connection: close\r\n\r\n"
        return status_of(site.send(request))

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        crowd = list(pool.map(lambda _: ask("192.0.2.1"), range(20)))
        spread = list(pool.map(lambda number: ask(f"192.0.2.{number + 10}"), range(20)))
    assert set(crowd) == {404, 503}
    assert spread == [404] * 20


def test_nobody_else_may_name_the_client(start):
    _, site = start(connections_per_client=2, trusted_proxy="127.0.0.9")
    wires = [site.connect("127.0.0.2") for _ in range(2)]
    time.sleep(0.1)
    forged = b"GET /u/x HTTP/1.1\r\n" + HOST + b"X-Forwarded-For: 192.0.2.1\r\n\r\n"
    assert status_of(site.send(forged, "127.0.0.2")) == 503
    for wire in wires:
        wire.close()


def test_a_request_under_way_is_finished_when_the_service_is_asked_to_end(start):
    web, site = start()
    with site.connect() as idle, site.connect() as busy:
        busy.sendall(b"POST /u/x HTTP/1.1\r\n" + HOST + FORM + b"Content-Length: 26\r\n\r\n")
        time.sleep(0.2)
        begun = time.monotonic()
        web.process.terminate()
        assert idle.recv(10) == b""
        with pytest.raises(ConnectionError):
            site.connect()
        busy.sendall(ONE_CLICK)
        assert status_of(read_to_end(busy)) == 404
    assert web.stop() == 0
    assert time.monotonic() - begun < 2


def test_a_request_that_never_ends_does_not_keep_the_service(start):
    web, site = start()
    with site.connect() as stuck:
        stuck.sendall(b"POST /u/x HTTP/1.1\r\n" + HOST)
        time.sleep(0.2)
        begun = time.monotonic()
        assert web.stop() == 0
        assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    "settings, word",
    [
        ({"listen": "localhost:80"}, "listen"),
        ({"listen": "127.0.0.1:99999"}, "listen"),
        ({"trusted_proxy": "proxy.test"}, "trusted_proxy"),
        ({"connections": "0"}, "connections"),
        ({"body_bytes": "9999999"}, "body_bytes"),
    ],
)
def test_a_bad_setting_is_named(handbell, settings, word):
    web = handbell.make("web", WEB, {"web": settings}).start()
    assert web.process.wait(10) == 78
    assert word in web.log_text()


def test_a_database_that_cannot_be_used_ends_the_service_with_the_reason(handbell, cluster):
    proxy = Proxy(str(cluster.socket_folder / ".s.PGSQL.5432"))
    proxy.disguise = lambda data: re.sub(rb"(server_version\0)\d\d\.", rb"\g<1>14.", data)
    url = f"host=127.0.0.1 port={proxy.port} dbname={handbell.database} user={WEB}"
    settings = {"web": {"listen": "127.0.0.1:0"}, "database": {"url": url}}
    web = handbell.make("web", WEB, settings).start()
    assert web.process.wait(10) == 78
    assert "older than PostgreSQL 15" in web.log_text()
    proxy.close()


def test_several_addresses_are_served_ipv6_too(handbell):
    first, second = process.free_port(), process.free_port()
    web = handbell.make(
        "web", WEB, {"web": {"listen": f"127.0.0.1:{first}, [::1]:{second}"}}
    ).start()
    process.wait_until(lambda: web.check_running() and process.is_listening(first), 20, "listens")
    request = b"GET /u/x HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
    for address in (("127.0.0.1", first), ("::1", second)):
        with socket.create_connection(address, timeout=10) as wire:
            wire.sendall(request)
            assert status_of(read_to_end(wire)) == 404
