"""A whole Debian, booted with systemd in a container that reaches nothing but itself.

Its files are a minimal Debian of the release that runs here, made once by debootstrap and kept under
build/container; each machine writes beside them, into a folder of its test. Knows no Handbell.
"""

import os
import pathlib
import platform
import re
import shutil
import subprocess
import time

from tests.support import process

FOLDER = process.ROOT / "build/container"
MIRROR = "http://deb.debian.org/debian"
BOOT_S = 60
STOP_S = 40
# Beside the minimal system and what the program is linked with. libnss-systemd knows the users that
# systemd makes up, so that PostgreSQL does.
PACKAGES = ["systemd", "systemd-sysv", "libnss-systemd", "dbus", "postgresql", "python3", "python3-aiosmtpd",
            "tzdata"]  # fmt: skip


def missing():
    """Why no machine can be booted here; None: one can."""
    if os.geteuid() != 0:
        return "booting a container needs root"
    for tool in ("systemd-nspawn", "debootstrap", "nsenter", "unshare"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    if platform.freedesktop_os_release().get("ID") != "debian":
        return "the system here is no Debian"
    return None


def packages_of(program):
    """The packages whose libraries a program is linked with."""
    linked = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=True).stdout
    found = set()
    for path in re.findall(r"=> (/\S+)", linked):
        real = os.path.realpath(path)
        for name in (real, real.removeprefix("/usr"), path):
            owner = subprocess.run(["dpkg-query", "-S", name], capture_output=True, text=True, check=False)
            if owner.returncode == 0:
                found.add(owner.stdout.split(":")[0])
                break
    return sorted(found)


def base(program):
    """The folder of the minimal system, made where it is not there yet (some two minutes)."""
    suite = platform.freedesktop_os_release()["VERSION_CODENAME"]
    packages = ",".join(PACKAGES + packages_of(program))
    folder, note = FOLDER / suite, FOLDER / f"{suite}.packages"
    if folder.exists() and note.exists() and note.read_text() == packages:
        return folder
    FOLDER.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    fresh = FOLDER / f"{suite}.{os.getpid()}"
    with open(FOLDER / "debootstrap.log", "ab") as log:
        done = subprocess.run(["debootstrap", "--variant=minbase", f"--include={packages}", suite, str(fresh),
                               MIRROR], stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False)  # fmt: skip
    if done.returncode != 0:
        shutil.rmtree(fresh, ignore_errors=True)
        return None
    fresh.rename(folder)
    note.write_text(packages)
    return folder


class Machine:
    """One container. `files` is where its own files may be put before it is started."""

    def __init__(self, folder, lower):
        self.folder = pathlib.Path(folder)
        self.lower = lower
        self.files = self.folder / "files"
        self.log = self.folder / "machine.log"
        for name in ("files", "scratch", "merged"):
            (self.folder / name).mkdir(parents=True)
        self.name = f"handbell-{os.getpid()}"
        self.process = None
        self.init = None

    def start(self):
        """Boots; returns when systemd says that all is up."""
        # In a mount namespace of its own: what is mounted goes with the process. BPF is how a unit's
        # IPAddressDeny= is kept.
        script = (f"mount -t overlay overlay -o lowerdir={self.lower},upperdir={self.folder}/files,"
                  f"workdir={self.folder}/scratch {self.folder}/merged && exec systemd-nspawn --quiet --boot"
                  " --register=no --private-network --console=pipe --capability=CAP_BPF"
                  f" --system-call-filter=bpf --machine={self.name} --directory={self.folder}/merged")  # fmt: skip
        if not os.path.isdir("/run/systemd/system"):
            script += " --keep-unit"  # nobody here could make a unit for it
        self.process = process.start(
            ["unshare", "--mount", "--propagation=private", "sh", "-c", script], self.log,
            env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"})  # fmt: skip
        process.wait_until(self._find_init, BOOT_S, "the container's init is there")
        process.wait_until(self._is_up, BOOT_S, "the container is up")
        return self

    def _find_init(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the container ended: {self.log.read_text(errors='replace')[-2000:]}")
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        for child in children.split():
            # Not nspawn's own helpers, which end before the system is up.
            words = pathlib.Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
            if os.path.basename(words[0]) in (b"systemd", b"init"):
                self.init = child
        return self.init

    def _is_up(self):
        return self.run("systemctl", "is-system-running", check=False).stdout.strip() == "running"

    def run(self, *arguments, check=True, user=None, text=None, timeout_s=120):
        """A program inside, to its end."""
        as_user = ["runuser", "-u", user, "--"] if user else []
        done = subprocess.run(
            ["nsenter", "--target", self.init, "--all", "--wdns=/", *as_user, *map(str, arguments)],
            input=text or "", capture_output=True, text=True, check=False, timeout=timeout_s,
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        if check and done.returncode != 0:
            raise AssertionError(f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def systemctl(self, *arguments, check=True):
        return self.run("systemctl", *arguments, check=check)

    def show(self, unit, name):
        """One property of a unit."""
        return self.systemctl("show", "--value", f"--property={name}", unit).stdout.strip()

    def journal(self, unit=None):
        one = [f"--unit={unit}"] if unit else []
        return self.run("journalctl", "--no-pager", "--output=cat", *one).stdout

    def wait(self, condition, seconds, what):
        return process.wait_until(condition, seconds, what)

    def seconds(self, *arguments):
        """How long a program inside took."""
        began = time.monotonic()
        self.run(*arguments)
        return time.monotonic() - began

    def stop(self):
        """As a machine is switched off: all that runs in it is stopped, and its files stay."""
        if self.process is not None:
            process.stop(self.process, STOP_S)
        self.process = self.init = None
        left = pathlib.Path(f"/run/systemd/nspawn/propagate/{self.name}")
        if left.exists():
            left.rmdir()
