"""Hosts on a network of their own, and partitions between any two of them. For root alone.

Each host is a network namespace with one address, on a bridge in a namespace of its own. The namespaces
have no names: they live as long as this process and those that it starts in them, so nothing is left
behind, not even by a crash. No route leads out of them.

Hosts know each other's Ethernet addresses from a table instead of by ARP, and a partition is a change
of that table. Silence: what one sends to the other goes to an address that nobody has. Refusal: it
goes to a twin of the other one, with the same IP address and nothing that listens: connections that
stand are reset with the next thing that is said on them, and new ones are refused.
"""

import contextlib
import ctypes
import os
import subprocess
import threading

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)
NOBODY = "02:00:00:00:ff:ff"
MODES = ("silence", "refusal")


def _check(status):
    if status != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _own_namespace():
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _make_namespace():
    """A file descriptor of a new one."""
    made = []

    def make():
        try:
            _check(LIBC.unshare(CLONE_NEWNET))
            made.append(_own_namespace())
        except OSError as error:
            made.append(error)

    maker = threading.Thread(target=make)  # unshare() is for the calling thread
    maker.start()
    maker.join()
    if isinstance(made[0], OSError):
        raise made[0]
    return made[0]


def why_not():
    """Why there can be no hosts here, or None."""
    try:
        os.close(_make_namespace())
    except OSError as error:
        return f"network namespaces need root ({error.strerror})"
    return None


class Namespace:
    """A network namespace."""

    def __init__(self):
        self.descriptor = _make_namespace()

    @property
    def path(self):
        return f"/proc/{os.getpid()}/fd/{self.descriptor}"

    @contextlib.contextmanager
    def entered(self):
        """Within it, what this thread opens or starts is there."""
        before = _own_namespace()
        _check(LIBC.setns(self.descriptor, CLONE_NEWNET))
        try:
            yield self
        finally:
            _check(LIBC.setns(before, CLONE_NEWNET))
            os.close(before)

    def ip(self, *commands):
        """Commands of ip(8), in this namespace."""
        with self.entered():
            result = subprocess.run(
                ["ip", "-batch", "-"], input="\n".join(commands) + "\n", capture_output=True,
                text=True, check=False,
            )  # fmt: skip
        if result.returncode != 0:
            raise RuntimeError(f"ip failed:\n{result.stderr}")

    def close(self):
        os.close(self.descriptor)


class Host(Namespace):
    """A host, or its twin: `number` makes its addresses."""

    def __init__(self, net, name, number, is_twin=False):
        super().__init__()
        self.net = net
        self.name = name
        self.address = f"10.213.0.{number}"
        self.ethernet = f"02:00:00:00:{int(is_twin):02x}:{number:02x}"
        port = f"{'t' if is_twin else 'p'}{number}"
        net.switch.ip(
            f"link add {port} type veth peer name eth0 netns {self.path}",
            f"link set {port} master bridge up",
        )
        self.ip(
            "link set lo up",
            f"link set eth0 address {self.ethernet} arp off up",
            f"address add {self.address}/24 dev eth0",
        )

    def __repr__(self):
        return f"Host({self.name})"

    def know(self, address, ethernet):
        """What is sent to this IP address goes to that Ethernet address from now on."""
        self.ip(f"neigh replace {address} lladdr {ethernet} nud permanent dev eth0")


class Net:
    """The hosts of one test, all connected until they are cut off."""

    def __init__(self, *names):
        self.switch = Namespace()
        self.switch.ip("link add bridge type bridge forward_delay 0", "link set bridge up")
        self.hosts = {}
        self.twins = {}
        for name in names:
            self.add(name)

    def __getitem__(self, name):
        return self.hosts[name]

    def add(self, name):
        host = Host(self, name, len(self.hosts) + 1)
        for other in self.hosts.values():
            other.know(host.address, host.ethernet)
            host.know(other.address, other.ethernet)
        self.hosts[name] = host
        return host

    def _twin(self, name):
        if name not in self.twins:
            number = list(self.hosts).index(name) + 1
            self.twins[name] = Host(self, f"twin of {name}", number, is_twin=True)
        twin = self.twins[name]
        for host in self.hosts.values():
            if host.name != name:
                twin.know(host.address, host.ethernet)
        return twin

    def cut(self, one, other, mode="silence"):
        """A partition between two hosts, by their names."""
        for name, peer in ((one, other), (other, one)):
            away = NOBODY if mode == "silence" else self._twin(peer).ethernet
            self.hosts[name].know(self.hosts[peer].address, away)

    def heal(self, one, other):
        for name, peer in ((one, other), (other, one)):
            self.hosts[name].know(self.hosts[peer].address, self.hosts[peer].ethernet)

    def heal_all(self):
        for one in self.hosts.values():
            for other in self.hosts.values():
                if one is not other:
                    one.know(other.address, other.ethernet)

    def close(self):
        """What still runs there keeps its namespace until it ends."""
        for namespace in (*self.hosts.values(), *self.twins.values(), self.switch):
            namespace.close()
        self.hosts, self.twins = {}, {}
