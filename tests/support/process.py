"""Child processes that never outlive the tests: their users, their end, free ports, deadlines.

Knows nothing of what the processes do.
"""

import ctypes
import os
import pathlib
import pwd
import signal
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)


def unprivileged_user():
    """Who runs what must not be root: nobody in particular where we are not root ourselves."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("neither a user postgres nor a user nobody exists")


def as_user(user):
    """Arguments of subprocess that run a program as this user (None: as ourselves)."""
    if user is None:
        return {}
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def can_enter(user, folder):
    """Whether this user reaches the folder: a home folder may bar the way."""
    result = subprocess.run(["test", "-x", str(folder)], check=False, cwd="/", **as_user(user))
    return result.returncode == 0


def start(arguments, log, user=None, death_signal=signal.SIGKILL, **more):
    """Starts a process of its own session, so that a Ctrl-C reaches us alone, which ends when we do.

    Output goes to the file `log`. Call it from the main thread: the kernel sends the signal when the
    starting thread ends.
    """

    def in_child():
        LIBC.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)

    with open(log, "ab") as stream:
        return subprocess.Popen(
            [str(argument) for argument in arguments],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=in_child,
            **as_user(user),
            **more,
        )


def stop(process, timeout_s=15.0, with_signal=signal.SIGTERM):
    """Asks a process to end, and makes it end after the time-out. Returns its exit status."""
    if process is None:
        return None
    if process.poll() is None:
        process.send_signal(with_signal)
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return process.returncode


def free_port(wanted=0):
    """A TCP port of 127.0.0.1 that nobody listens on: the wanted one, if it is free."""
    for port in (wanted, 0):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return probe.getsockname()[1]
    raise RuntimeError("no free port")


def wait_until(condition, timeout_s=20.0, what="the condition", every_s=0.02):
    """Waits until condition() is true, and returns its value; a failure says what was awaited."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {timeout_s} s (last answer: {value!r})")
        time.sleep(every_s)


def is_listening(port, host="127.0.0.1"):
    """Whether somebody accepts connections there."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((host, port)) == 0
