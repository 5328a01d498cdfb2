"""What `cmake --install` puts in place, and what systemd thinks of it. Knows no running service."""

import os
import pathlib
import re
import subprocess

from tests.support import schema

UNITS = [
    "handbell-retention.service", "handbell-retention.timer", "handbell-web.service",
    "handbell-worker@.service", "handbell.target",
]  # fmt: skip


def build_folder():
    """The folder in which the program under test was built; None where it came from elsewhere."""
    folder = pathlib.Path(schema.binary()).parent
    return folder if (folder / "cmake_install.cmake").exists() else None


def install(root):
    """Into `root`, as a package would be made. Returns the prefix there, as /usr would be."""
    done = subprocess.run(["cmake", "--install", str(build_folder())], capture_output=True, text=True,
                          check=False, env={**os.environ, "DESTDIR": str(root)})  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = pathlib.Path(root).rglob("handbell.target")
    return found.parents[3]


def analyze(*arguments):
    """systemd-analyze, and what it says."""
    done = subprocess.run(["systemd-analyze", "--no-pager", *map(str, arguments)], capture_output=True,
                          text=True, check=False, timeout=60)  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def exposure(unit):
    """systemd's own figure for what a service could reach (0 nothing, 10 everything)."""
    _, said = analyze("security", "--offline=true", unit)
    level = re.search(r"exposure level for \S+: ([\d.]+)", said)
    assert level, said
    return float(level.group(1))


def settings(unit):
    """[(key, value)] of a unit file, in its order."""
    lines = pathlib.Path(unit).read_text(encoding="utf-8").splitlines()
    return [tuple(line.split("=", 1)) for line in lines if re.match(r"[A-Za-z]+=", line)]
