"""The units on a Debian booted for it: installed, enabled and used as docs/operations.md says. Of the full
run, for it needs a minute, and the first time a package mirror."""

import json
import re
import secrets
import shlex
import subprocess

import pytest

from tests.support import machine as machines
from tests.support import people, portal, process, programs, scale, schema, units

WORKERS = ["handbell-worker@1.service", "handbell-worker@2.service"]
SERVICES = [*WORKERS, "handbell-web.service"]
ENABLED = ["handbell.target", *SERVICES, "handbell-retention.timer"]
SINK = "/var/sink"
PAGE = (process.ROOT / "docs/operations.md").read_text(encoding="utf-8")


def why_not():
    if not scale.FULL:
        return "a machine is booted in the full run alone (./dev test --full)"
    if units.build_folder() is None:
        return "the program was not built by cmake here"
    if b"__asan_init" in schema.binary().read_bytes():
        return "a build with sanitizers wants libraries that a minimal Debian lacks"
    return machines.missing()


pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


@pytest.fixture(scope="module")
def machine(tmp_path_factory, no_log_names_a_person):
    base = machines.base(schema.binary())
    if base is None:
        pytest.skip("debootstrap could not make a Debian (build/container/debootstrap.log)")
    made = machines.Machine(tmp_path_factory.mktemp("machine"), base)
    units.install(made.files)
    settings = made.files / "etc/handbell"
    settings.mkdir(parents=True, mode=0o755)
    (settings / "handbell.conf").write_text("[smtp]\nurl = smtp://127.0.0.1:2525\n")
    programs.make_key(settings / "key")
    try:
        made.start()
        set_up(made)
        yield made
        written = made.folder / "journal"
        written.write_text("".join(made.journal(unit) for unit in [*SERVICES, "handbell-retention.service"]))
        programs.LOGS.append(written)
    finally:
        made.stop()


def set_up(machine):
    install = PAGE.partition("## Install")[2].partition("\n## ")[0]
    # As it stands on the page, but for program and key, which are there, and the portal's own tenant.
    for command in re.findall(r"^ +sudo (.+)$", install, re.M):
        if not re.search(r"cmake|/etc/handbell|tenant grant|systemctl start", command):
            words = shlex.split(command)
            user = words[1] if words[0] == "-u" else None
            machine.run(*(words[2:] if user else words), user=user)
    machine.run("install", "-d", "-m", "0755", SINK)
    machine.run("systemd-run", "--unit=sink", "python3", "-m", "aiosmtpd", "-n", "-l", "127.0.0.1:2525",
                "-c", "aiosmtpd.handlers.Mailbox", f"{SINK}/mails")  # fmt: skip
    machine.systemctl("start", "handbell.target")
    (second,) = re.findall(r"`sudo systemctl (enable --now handbell-worker@2)`", PAGE)
    machine.systemctl(*second.split())
    facts = {**portal.TENANT_FACTS, "rules": {"brake": 1000}}
    sql(machine, f"select handbell.put_tenant('demo', '{json.dumps(facts)}');"
                 " select handbell.go_live('demo');")  # fmt: skip


def sql(machine, text):
    return machine.run("psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1",
                       "handbell", user="handbell_owner", text=text).stdout.strip()  # fmt: skip


def book(machine, name, count=1):
    """So many people each get a place on a course of that name, and are to be told."""
    course = {"title": f"Course {name}", "status": "published", "starts_at": portal.in_days(30)}
    statements = [f"select handbell.put_course('demo', '{name}', '{json.dumps(course)}');"]
    for number in range(count):
        person = {**people.make_person(), "consent": True}
        people.remember(person)
        quoted = json.dumps(person).replace("'", "''")
        ref = f"{name}-{number}"
        booking = json.dumps({"course": name, "person": ref, "status": "confirmed"})
        statements.append(f"select handbell.put_person('demo', '{ref}', '{quoted}');"
                          f" select handbell.put_booking('demo', '{ref}', '{booking}');")  # fmt: skip
    sql(machine, "\n".join(statements))


def mails_about(machine, name):
    found = machine.run("grep", "-rlE", f"^Subject: .*Course {name}\\b", f"{SINK}/mails", check=False)
    return len(found.stdout.splitlines())


def wait_for_mails(machine, name, count):
    machine.wait(lambda: mails_about(machine, name) >= count, 30, f"{count} mails about {name}")
    assert mails_about(machine, name) == count
    assert sql(machine, "select count(*) from handbell.message") == "0"


def state(machine, unit):
    return machine.show(unit, "ActiveState")


def main_pid(machine, unit):
    return machine.show(unit, "MainPID")


def restarts(machine, unit):
    return int(machine.show(unit, "NRestarts"))


def wait_restarted(machine, unit, before, seconds):
    machine.wait(lambda: restarts(machine, unit) > before and state(machine, unit) == "active", seconds,
                 f"{unit} is there again")  # fmt: skip


def test_the_target_starts_workers_pages_and_timer_and_all_are_ready(machine):
    for unit in ENABLED:
        assert (state(machine, unit), machine.show(unit, "UnitFileState")) == ("active", "enabled"), unit
    assert sql(machine, "select count(*) from handbell.worker") == "2"
    assert machine.run("python3", "-c", "import urllib.request as u;"
                       "print(u.urlopen('http://127.0.0.1:8025/healthz').status)").stdout == "200\n"  # fmt: skip


def test_a_mail_goes_out(machine):
    book(machine, "first", 5)
    wait_for_mails(machine, "first", 5)


def test_each_worker_has_its_own_state_which_is_its_own_alone_and_outlives_a_restart(machine):
    before = {}
    for unit in WORKERS:
        folder = f"/var/lib/handbell/{unit[16]}"
        before[unit] = machine.run("cat", f"{folder}/owner").stdout
        names = machine.run("sh", "-c", f"ls -1 {folder}/").stdout.split()
        uid = machine.run("stat", "-c", "%u", f"/proc/{main_pid(machine, unit)}").stdout.strip()
        machine.systemctl("restart", unit)
        assert set(names) <= set(machine.run("sh", "-c", f"ls -1 {folder}/").stdout.split())
        owned = machine.run("stat", "-L", "-c", "%U %a", folder, f"{folder}/owner").stdout.split("\n")
        assert owned[:2] == ["handbell-worker 700", "handbell-worker 600"] and uid != "0"
        assert machine.run("cat", f"{folder}/owner").stdout == before[unit]
        assert "boot_unknown" not in machine.journal(unit)  # the sandbox lets the journal know the boot
    assert len(set(before.values())) == 2
    assert sql(machine, "select count(*) from handbell.worker") == "2"


def test_a_service_is_shut_in(machine):
    for unit in SERVICES:
        pid = main_pid(machine, unit)
        status = machine.run("cat", f"/proc/{pid}/status").stdout
        assert re.search(r"^CapEff:\s+0+$", status, re.M) and re.search(r"^CapBnd:\s+0+$", status, re.M)
        assert re.search(r"^NoNewPrivs:\s+1$", status, re.M) and re.search(r"^Seccomp:\s+2$", status, re.M)
        limits = machine.run("cat", f"/proc/{pid}/limits").stdout
        assert re.search(r"^Max core file size +0 +0 ", limits, re.M)
        key = machine.run("cat", "/etc/handbell/key").stdout.strip()
        environment = machine.run("cat", f"/proc/{pid}/environ").stdout
        assert key not in environment and f"/run/credentials/{unit}/key" in environment
        inside = ["nsenter", "--target", pid, "--mount", "--"]
        assert machine.run(*inside, "touch", "/usr/x", check=False).returncode != 0
        assert machine.run(*inside, "test", "-e", "/dev/sda", check=False).returncode != 0


def test_the_pages_reach_nothing_but_this_machine(machine):
    """By the unit's own rules: another address answers (that it refuses, 111), but not in their place (11)."""
    subprocess.run(["nsenter", "--target", machine.init, "--net", "ip", "address", "add", "192.0.2.2/32", "dev",
                    "lo"], check=True)  # fmt: skip
    probe = ("import socket; two = [socket.socket(), socket.socket()]; [s.settimeout(1) for s in two];"
             " print(two[0].connect_ex(('192.0.2.2', 9)), two[1].connect_ex(('127.0.0.1', 9)))")  # fmt: skip
    rules = [f"--property={name}={machine.show('handbell-web.service', name)}"
             for name in ("IPAddressDeny", "IPAddressAllow")]  # fmt: skip
    refused = machine.run("python3", "-c", probe).stdout
    shut_in = machine.run("systemd-run", "--quiet", "--wait", "--pipe", *rules, "python3", "-c", probe).stdout
    assert refused == "111 111\n" and shut_in == "11 111\n"


def test_a_reload_keeps_the_process_and_a_mistake_keeps_the_settings(machine):
    before = [main_pid(machine, unit) for unit in SERVICES]
    machine.systemctl("reload", *SERVICES)
    assert [main_pid(machine, unit) for unit in SERVICES] == before
    machine.wait(lambda: "settings_reloaded" in machine.journal(WORKERS[0]), 5, "the worker has read them")
    machine.run("sed", "-i", "1i nonsense", "/etc/handbell/handbell.conf")
    machine.systemctl("reload", *WORKERS)
    machine.wait(lambda: "reload_failed" in machine.journal(WORKERS[0]), 5, "it says so")
    machine.run("sed", "-i", "1d", "/etc/handbell/handbell.conf")
    assert [main_pid(machine, unit) for unit in SERVICES] == before
    assert [state(machine, unit) for unit in SERVICES] == ["active"] * 3


@pytest.mark.parametrize("unit", [WORKERS[0], "handbell-web.service"])
def test_a_killed_service_is_there_again(machine, unit):
    before, count = main_pid(machine, unit), restarts(machine, unit)
    machine.run("sh", "-c", f"kill -KILL {before}")
    wait_restarted(machine, unit, count, 15)
    assert main_pid(machine, unit) != before
    book(machine, f"killed{unit[9:12]}")
    wait_for_mails(machine, f"killed{unit[9:12]}", 1)


@pytest.mark.parametrize("unit", [WORKERS[1], "handbell-web.service"])
def test_a_service_that_hangs_is_ended_by_the_watchdog_and_started_anew(machine, unit):
    folder = f"/run/systemd/system/{unit}.d"
    machine.run("mkdir", "-p", folder)
    machine.run("tee", f"{folder}/soon.conf", text="[Service]\nWatchdogSec=2\n")
    machine.systemctl("daemon-reload")
    machine.systemctl("restart", unit)
    try:
        before, count = main_pid(machine, unit), restarts(machine, unit)
        machine.run("sleep", "5")
        assert main_pid(machine, unit) == before  # it says often enough that it moves on
        machine.run("sh", "-c", f"kill -STOP {before}")
        wait_restarted(machine, unit, count, 20)
        assert main_pid(machine, unit) != before
        assert "Watchdog timeout (limit 2s)" in machine.journal(unit)
    finally:
        machine.run("rm", "-r", folder)
        machine.systemctl("daemon-reload")
        machine.systemctl("restart", unit)


def test_dkim_keys_that_are_roots_alone_come_as_credentials(machine):
    folder, unit = "/run/systemd/system/handbell-worker@1.service.d", "handbell-worker@1.service"
    (dkim,) = re.findall(r"\n +(LoadCredential=dkim:.+)\n +(Environment=.+)\n", PAGE)
    key = subprocess.run(["openssl", "genpkey", "-algorithm", "ED25519"], capture_output=True, text=True,
                         check=True).stdout  # fmt: skip
    machine.run("install", "-d", "-m", "0700", "/etc/handbell/dkim/westmarch.example.org")
    machine.run("tee", "/etc/handbell/dkim/westmarch.example.org/ed1.pem", text=key)
    machine.run("chmod", "0600", "/etc/handbell/dkim/westmarch.example.org/ed1.pem")
    machine.run("mkdir", "-p", folder)
    machine.run("tee", f"{folder}/secrets.conf", text="\n".join(["[Service]", *dkim, ""]))
    machine.systemctl("daemon-reload")
    machine.systemctl("restart", unit)
    assert "dkim_domains=1" in machine.journal(unit).rpartition("worker_started")[2]
    machine.systemctl("stop", WORKERS[1])
    book(machine, "signed")
    wait_for_mails(machine, "signed", 1)
    found = machine.run("grep", "-rlE", "^DKIM-Signature:", f"{SINK}/mails").stdout
    assert len(found.splitlines()) == 1
    machine.run("rm", "-r", folder)
    machine.systemctl("daemon-reload")
    machine.systemctl("restart", unit, WORKERS[1])


def drop_in(machine, unit, *lines):
    """Settings of a unit's own, in force at its next start; without any, the shipped ones again."""
    folder = f"/run/systemd/system/{unit}.d"
    machine.run("rm", "-rf", folder)
    if lines:
        machine.run("mkdir", "-p", folder)
        machine.run("tee", f"{folder}/own.conf", text="\n".join(["[Service]", *lines, ""]))
    machine.systemctl("daemon-reload")


LOGIN_SINK = """
import pathlib, signal
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Mailbox
from aiosmtpd.smtp import AuthResult

def check(server, session, envelope, mechanism, data):
    word = pathlib.Path("/etc/handbell/smtp-password").read_bytes().strip()
    return AuthResult(success=(data.login, data.password) == (b"worker@relay.example.org", word), handled=False)

Controller(Mailbox("/var/sink/logged-in"), hostname="127.0.0.1", port=2526, authenticator=check,
           auth_required=True, auth_require_tls=False).start()
signal.pause()
"""


@pytest.fixture
def login_relay(machine):
    """A relay that wants a login, the password where the page has it, and settings as it says; one worker."""
    unit, secret = WORKERS[0], secrets.token_hex(16)
    machine.run("tee", "/etc/handbell/smtp-password", text=f"{secret}\n")
    machine.run("chmod", "0600", "/etc/handbell/smtp-password")
    machine.run("systemd-run", "--unit=login-sink", "python3", "-c", LOGIN_SINK)
    machine.systemctl("stop", WORKERS[1])
    before = machine.run("cat", "/etc/handbell/handbell.conf").stdout
    machine.run("tee", "/etc/handbell/handbell.conf", text="[smtp]\nurl = smtp://127.0.0.1:2526\n"
                "username = worker@relay.example.org\npassword_file = /etc/handbell/smtp-password\n")  # fmt: skip
    yield secret
    machine.run("tee", "/etc/handbell/handbell.conf", text=before)
    drop_in(machine, unit)
    machine.systemctl("restart", unit, WORKERS[1])
    machine.systemctl("stop", "login-sink")


def mails_logged_in(machine):
    return len(machine.run("find", f"{SINK}/logged-in", "-type", "f").stdout.splitlines())


def test_a_relay_s_password_that_is_root_s_alone_comes_as_a_credential(machine, login_relay):
    unit = WORKERS[0]
    (lines,) = re.findall(r"\n +(LoadCredential=smtp-password:.+)\n +(Environment=.+)\n", PAGE)
    assert machine.run("handbell", "check", "--offline").returncode == 0
    drop_in(machine, unit, *lines)
    machine.systemctl("restart", unit)
    book(machine, "login", 3)
    machine.wait(lambda: mails_logged_in(machine) == 3, 30, "the relay has let it in")
    environment = machine.run("cat", f"/proc/{main_pid(machine, unit)}/environ").stdout
    assert f"/run/credentials/{unit}/smtp-password" in environment
    assert login_relay not in environment + machine.journal(unit)


def test_a_token_that_another_program_renews_is_read_by_way_of_a_group(machine, login_relay):
    """A credential is a copy of the start. (A password here: how a file is reached is the same.)"""
    unit = WORKERS[0]
    (command,) = re.findall(r"sudo (groupadd .+)\n", PAGE)
    (line,) = re.findall(r"\n +(SupplementaryGroups=.+)\n", PAGE)
    machine.run(*shlex.split(command))
    machine.run("install", "-d", "-m", "0755", "/run/tokens")
    path, before = "/run/tokens/office", mails_logged_in(machine)
    machine.run("sed", "-i", f"s|^password_file = .*|password_file = {path}|", "/etc/handbell/handbell.conf")
    machine.run("sh", "-c", f"umask 077; echo wrong >{path}; chgrp {line.partition('=')[2]} {path};"
                f" chmod 0640 {path}")  # fmt: skip
    drop_in(machine, unit, line)
    machine.systemctl("restart", unit)
    book(machine, "renewed", 2)
    machine.wait(lambda: "relay_paused" in machine.journal(unit), 30, "the relay refuses the old one")
    machine.run("sh", "-c", f"cat /etc/handbell/smtp-password >{path}")
    machine.wait(lambda: mails_logged_in(machine) == before + 2, 60, "the new one is read")


def test_a_worker_that_grows_past_its_limit_is_ended_and_comes_back_with_nothing_lost(machine):
    unit = WORKERS[1]
    for each, limit in zip(SERVICES, (512, 512, 256)):
        assert machine.show(each, "MemoryMax") == str(limit << 20)
    if "memory" not in machine.run("cat", "/sys/fs/cgroup/cgroup.controllers").stdout.split():
        pytest.skip("the kernel here gives a container no limit of memory")
    machine.systemctl("stop", WORKERS[0])
    count = restarts(machine, unit)
    machine.systemctl("set-property", "--runtime", unit, "MemoryMax=3M", "MemorySwapMax=0")
    book(machine, "grown", 30)
    machine.wait(lambda: restarts(machine, unit) > count, 30, "it was ended")
    machine.systemctl("set-property", "--runtime", unit, "MemoryMax=512M")
    machine.wait(lambda: "oom-kill" in machine.journal(unit), 10, "systemd says why")
    wait_restarted(machine, unit, count, 30)
    wait_for_mails(machine, "grown", 30)
    machine.systemctl("start", WORKERS[0])


def test_a_wrong_setting_is_said_and_not_tried_again(machine):
    folder, unit = "/run/systemd/system/handbell-worker@3.service.d", "handbell-worker@3.service"
    machine.run("mkdir", "-p", folder)
    machine.run("tee", f"{folder}/wrong.conf", text="[Service]\nEnvironment=HANDBELL_WORKER_BATCH=0\n")
    machine.systemctl("daemon-reload")
    assert machine.systemctl("start", unit, check=False).returncode != 0
    machine.run("sleep", "3")
    assert (state(machine, unit), restarts(machine, unit)) == ("failed", 0)
    assert machine.show(unit, "ExecMainStatus") == "78"
    assert "HANDBELL_WORKER_BATCH" in machine.journal(unit)
    machine.run("rm", "-r", folder)
    machine.systemctl("reset-failed", unit)
    machine.systemctl("daemon-reload")


def test_workers_are_restarted_one_after_the_other_while_mail_goes_on(machine):
    book(machine, "rolling", 40)
    for unit in SERVICES:
        machine.systemctl("restart", unit)
        assert state(machine, unit) == "active"
    book(machine, "rolled", 5)
    wait_for_mails(machine, "rolling", 40)
    wait_for_mails(machine, "rolled", 5)


def test_what_is_stopped_ends_soon_and_well(machine):
    for unit in SERVICES:
        assert machine.seconds("systemctl", "stop", unit) < 10
        assert (state(machine, unit), machine.show(unit, "Result")) == ("inactive", "success")
        assert machine.show(unit, "ExecMainStatus") == "0"
        machine.systemctl("start", unit)


def test_the_target_stops_and_starts_all_of_it(machine):
    machine.systemctl("stop", "handbell.target")
    machine.wait(lambda: {state(machine, unit) for unit in ENABLED} == {"inactive"}, 15, "all have ended")
    machine.systemctl("start", "handbell.target")
    assert {state(machine, unit) for unit in ENABLED} == {"active"}
    machine.systemctl("restart", "handbell.target")
    machine.wait(lambda: {state(machine, unit) for unit in ENABLED} == {"active"}, 15, "all are there")


def test_retention_runs_at_night_by_its_own_login_and_says_what_went(machine):
    listed = machine.systemctl("list-timers", "--all", "--no-pager").stdout
    assert "handbell-retention.timer" in listed and "handbell-retention.service" in listed
    sql(machine, "insert into handbell.message_record (tenant_id, message_id, ended_at, created_at, epoch, lane,"
                 " relay, attempts, state, kind) select tenant_id, 1, now() - interval '3 years', now(), 1, 3, 1,"
                 " 1, 'sent', 'reminder' from handbell.tenant;")  # fmt: skip
    machine.systemctl("start", "handbell-retention.service")
    unit = "handbell-retention.service"
    assert (state(machine, unit), machine.show(unit, "Result")) == ("inactive", "success")
    said = machine.journal(unit)
    assert re.search(r"^demo +mails +1 older than \d{4}-\d\d-\d\d$", said, re.M)
    assert "1 records and 0 months removed" in said
    assert sql(machine, "select login from handbell.audit where what = 'retention'") == "handbell-retention"


def test_the_machine_reaches_nothing_but_itself(machine):
    assert machine.run("sh", "-c", "ls /sys/class/net").stdout.split() == ["lo"]


def test_the_next_boot_starts_all_that_is_enabled(machine):
    machine.stop()
    machine.start()
    assert {state(machine, unit) for unit in ENABLED} == {"active"}
    machine.run("systemd-run", "--unit=sink", "python3", "-m", "aiosmtpd", "-n", "-l", "127.0.0.1:2525",
                "-c", "aiosmtpd.handlers.Mailbox", f"{SINK}/mails")  # fmt: skip
    book(machine, "rebooted")
    wait_for_mails(machine, "rebooted", 1)
