"""Postfix's smtp-sink and smtp-source, which the figures are ratios to, and how time is taken."""

import os
import shutil
import subprocess
import sys
import time

from tests.support import process

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


class Sink:
    """smtp-sink: takes every mail and keeps none."""

    def __init__(self, log, delay_s=0):
        self.port = process.free_port()
        program = shutil.which("smtp-sink", path=PATH)
        if program is None:
            raise RuntimeError("no smtp-sink: install postfix")
        self.arguments = [program, *(["-w", str(delay_s)] if delay_s else []),
                          f"127.0.0.1:{self.port}", "1000"]  # fmt: skip
        self.process = process.start(self.arguments, log, user=process.unprivileged_user(), cwd="/")
        process.wait_until(lambda: process.is_listening(self.port), 10, "smtp-sink listens")

    @property
    def url(self):
        return f"smtp://127.0.0.1:{self.port}"

    def stop(self):
        process.stop(self.process)


def run_timed(arguments):
    """(elapsed s, CPU s, standard output) of a program that ends by itself."""
    started = time.perf_counter()
    child = subprocess.Popen(
        [str(argument) for argument in arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
    )
    output = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    elapsed_s = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        print(f"{arguments[0]}: exit {child.returncode}", file=sys.stderr)
        raise RuntimeError(f"{arguments[0]} failed")
    return elapsed_s, usage.ru_utime + usage.ru_stime, output


def smtp_source(port, count, size_bytes, connections):
    """The command: -d keeps a connection for many mails."""
    program = shutil.which("smtp-source", path=PATH)
    return [program, "-d", "-s", str(connections), "-m", str(count), "-l", str(size_bytes),
            "-f", "bounce@westmarch.example.org", "-t", "somebody@example.org",
            f"127.0.0.1:{port}"]  # fmt: skip


def cpu_seconds(pid):
    """User and system time that a process has used so far."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
