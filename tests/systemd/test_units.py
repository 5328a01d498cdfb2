"""The units as they are installed: systemd finds no fault with them, each is shut in, and each secret comes
as a credential. (That they do what they say is tests/systemd/test_machine.py.)"""

import os
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest

from tests.support import process, schema, units

# As measured: what is left is the network and the files of /usr. A setting lost shows at once.
EXPOSURE = {"handbell-worker@.service": 1.1, "handbell-web.service": 0.9, "handbell-retention.service": 1.1}

pytestmark = [
    pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed"),
    pytest.mark.skipif(units.build_folder() is None, reason="the program was not built by cmake here"),
]


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    return units.install(tmp_path_factory.mktemp("installed"))


@pytest.fixture(scope="module")
def folder(prefix):
    """The installed units, calling the program where it really is."""
    folder = prefix / "lib/systemd/system"
    for path in folder.iterdir():
        text = path.read_text(encoding="utf-8")
        path.write_text(re.sub(r"^ExecStart=\S+", f"ExecStart={schema.binary()}", text, flags=re.M))
    return folder


def test_an_installation_has_the_program_its_templates_its_units_and_its_page(prefix):
    assert sorted(path.name for path in (prefix / "lib/systemd/system").iterdir()) == units.UNITS
    assert os.access(prefix / "bin/handbell", os.X_OK)
    assert (prefix / "share/man/man8/handbell.8").exists()
    shipped = {path.name for path in (process.ROOT / "templates").iterdir() if (path / "fields").exists()}
    assert shipped <= {path.name for path in (prefix / "share/handbell/templates").iterdir()}
    for path in (prefix / "lib/systemd/system").iterdir():
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"@[A-Za-z_]+@", text), f"{path.name}: something was not put in"


@pytest.mark.parametrize("unit", units.UNITS)
def test_systemd_finds_no_fault_with_a_unit(folder, unit):
    path = folder / unit
    if "@" in unit:
        path = path.with_name(unit.replace("@", "@1"))
        path.exists() or path.symlink_to(unit)
    status, said = units.analyze("verify", "--man=no", path)
    assert status == 0 and "handbell" not in said, said


@pytest.mark.parametrize("unit", EXPOSURE)
def test_a_service_reaches_no_more_than_was_measured(folder, unit):
    assert EXPOSURE[unit] <= 2.0
    assert units.exposure(folder / unit) <= EXPOSURE[unit]


@pytest.mark.parametrize("unit", EXPOSURE)
def test_a_service_gets_its_secrets_as_credentials_and_leaves_no_core(folder, unit):
    settings = units.settings(folder / unit)
    for key, value in settings:
        if key == "Environment":
            for name, path in (pair.split("=", 1) for pair in value.split()):
                assert path.startswith(("%d/", "%S/")), f"{name} is no credential and no state directory"
        assert key != "EnvironmentFile" and "password" not in value
    assert ("LimitCORE", "0") in settings and ("DynamicUser", "yes") in settings
    assert (("LoadCredential", "key:/etc/handbell/key") in settings) == (unit != "handbell-retention.service")


def test_what_runs_for_ever_comes_back_and_is_watched(folder):
    for unit in ("handbell-worker@.service", "handbell-web.service"):
        settings = dict(units.settings(folder / unit))
        assert settings["Type"] == "notify" and settings["Restart"] == "always"
        assert settings["StartLimitIntervalSec"] == "0" and int(settings["WatchdogSec"]) <= 60
        assert settings["PartOf"] == settings["WantedBy"] == "handbell.target"
        # a wrong setting is not tried for ever
        assert {"64", "78"} <= set(settings["RestartPreventExitStatus"].split())


# ---- The program's side of it: the service manager is a socket of the test.


@pytest.fixture
def manager(tmp_path):
    """listen(seconds): the words that the program under test tells its service manager."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(str(tmp_path / "notify"))

    def listen(seconds, until=None):
        words, end = [], time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            listener.settimeout(left)
            try:
                words += listener.recv(4096).decode().splitlines()
            except TimeoutError:
                break
            if until in words:
                break
        return words

    listen.environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "900000"}
    yield listen
    listener.close()


def start(program, manager):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HANDBELL_")}
    program.process = process.start([program.binary, program.word, "--config", program.config], program.log,
                                    env=environment | manager.environment)  # fmt: skip
    return program


@pytest.fixture(params=["worker", "web"])
def program(request, handbell, mail_store, manager):
    if request.param == "worker":
        made = handbell.make("worker", schema.WORKER, {"smtp": {"url": mail_store.url}})
    else:
        made = handbell.make("web", schema.WEB, {"web": {"listen": f"127.0.0.1:{process.free_port()}"}})
    return start(made, manager)


def test_a_service_tells_that_it_is_ready_alive_reloading_and_stopping(program, manager):
    assert manager(20, until="READY=1")[-1] == "READY=1"
    assert manager(1.2).count("WATCHDOG=1") >= 3
    program.process.send_signal(signal.SIGHUP)
    words = manager(5, until="READY=1")
    (stamp,) = [word for word in words if word.startswith("MONOTONIC_USEC=")]
    assert "RELOADING=1" in words and int(stamp.split("=")[1]) > 0 and words[-1] == "READY=1"
    assert program.stop() == 0
    assert "STOPPING=1" in manager(1, until="STOPPING=1")


def test_a_service_that_hangs_says_nothing(program, manager):
    manager(20, until="READY=1")
    program.process.send_signal(signal.SIGSTOP)
    manager(0.3)  # what was under way
    assert manager(1.2) == []
    program.process.send_signal(signal.SIGCONT)
    assert "WATCHDOG=1" in manager(5, until="WATCHDOG=1")
    assert program.stop() == 0


def test_a_worker_without_a_database_is_not_ready_yet_and_alive(handbell, mail_store, manager, tmp_path):
    away = handbell.make("worker", schema.WORKER, {
        "smtp": {"url": mail_store.url}, "database": {"url": f"host={tmp_path} user=nobody dbname=none"}})  # fmt: skip
    start(away, manager)
    words = manager(2)
    assert "READY=1" not in words and words.count("WATCHDOG=1") >= 3
    assert subprocess.run(["kill", "-0", str(away.process.pid)], check=False).returncode == 0
    assert away.stop() == 0
