"""Hosts on a network of their own (support/netns.py): partitions are what other tests take them for."""

import socket
import subprocess

import pytest

from tests.support import netns

PORT = 7000
WHY_NOT = netns.why_not()
pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))


@pytest.fixture
def net():
    made = netns.Net("a", "b", "c")
    yield made
    made.close()


def listen(host):
    with host.entered():
        return socket.create_server((host.address, PORT))


def connect(host, to):
    with host.entered():
        return socket.create_connection((to.address, PORT), timeout=0.5)


def talk(one, other):
    one.sendall(b"x")
    other.settimeout(0.5)
    return other.recv(1)


def test_hosts_reach_each_other_and_nobody_else(net):
    listener = listen(net["b"])
    with connect(net["a"], net["b"]) as near, listener.accept()[0] as far:
        assert talk(near, far) == b"x" and talk(far, near) == b"x"
    with net["a"].entered():
        routes = subprocess.run(["ip", "route"], capture_output=True, text=True, check=True).stdout
    assert "default" not in routes
    assert "10.213." not in subprocess.run(
        ["ip", "address"], capture_output=True, text=True, check=True).stdout  # fmt: skip
    listener.close()


@pytest.mark.parametrize("mode", netns.MODES)
def test_a_partition_is_between_two_hosts_until_it_is_healed(net, mode):
    listener = listen(net["b"])
    near = connect(net["a"], net["b"])
    far = listener.accept()[0]
    net.cut("a", "b", mode)
    expected = TimeoutError if mode == "silence" else ConnectionRefusedError
    with pytest.raises(expected):
        connect(net["a"], net["b"])
    with pytest.raises(TimeoutError if mode == "silence" else ConnectionResetError):
        talk(near, near)
    connect(net["c"], net["b"]).close()
    net.heal("a", "b")
    connect(net["a"], net["b"]).close()
    if mode == "silence":
        far.settimeout(10)
        assert far.recv(1) == b"x"
    for one in (near, far, listener):
        one.close()
