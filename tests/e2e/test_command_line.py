"""The command line: statuses of sysexits.h, settings, and what a process keeps to itself."""

import os
import re
import resource
import signal
import subprocess

import pytest

from tests.support import process
from tests.support.schema import binary

USAGE, DATA, NO_INPUT, UNAVAILABLE, CONFIG = 64, 65, 66, 69, 78
LATER = ["receive", "import", "export", "report"]
NOW = ["migrate", "worker", "web", "check", "status", "why", "restrict", "cancel", "tenant",
       "retry", "preview", "erase"]


def run(*arguments, environment=None, **more):
    clean = {key: value for key, value in os.environ.items() if not key.startswith("HANDBELL_")}
    return subprocess.run(
        [str(binary()), *arguments], capture_output=True, text=True, timeout=30, check=False,
        env=clean | (environment or {}), **more)


def test_without_a_subcommand_it_says_what_there_is():
    done = run()
    assert done.returncode == USAGE and done.stdout == ""
    for name in NOW + LATER:
        assert re.search(rf"^  {name}\b", done.stderr, re.M), name
    assert run("--help").returncode == 0


@pytest.mark.parametrize("name", NOW + LATER)
def test_each_subcommand_has_help(name):
    done = run(name, "--help")
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith(f"usage: handbell {name} [--config FILE] [--help]")
    assert ("not available yet" in done.stdout) == (name in LATER)


@pytest.mark.parametrize("name", LATER)
def test_what_does_not_exist_yet_says_so(name):
    for arguments in ([], ["demo", "p1"], ["--json"]):
        done = run(name, *arguments)
        assert done.returncode == UNAVAILABLE and done.stdout == ""
        assert done.stderr == f"handbell {name}: not available yet\n"


@pytest.mark.parametrize("arguments, said", [
    (["frobnicate"], "handbell: no subcommand frobnicate; handbell --help lists them"),
    (["check", "--bogus=hunter2"], "handbell check: wrong option --bogus;"),
    (["check", "-xy"], "handbell check: wrong option -x;"),
    (["check", "word"], "handbell check: takes no words beside its options;"),
    (["check", "--config"], "handbell check: a value is missing behind --config;"),
    (["why", "demo"], "handbell why: wants: TENANT COURSE PERSON;"),
])
def test_a_wrong_command_line_is_a_usage_error_said_in_one_line(arguments, said):
    done = run(*arguments)
    assert done.returncode == USAGE and done.stdout == ""
    assert done.stderr.startswith(said) and done.stderr.count("\n") == 1
    assert "hunter2" not in done.stderr


def check_files(path, *options, **environment):
    """handbell check of settings in a folder of their own: (status, its lines about files, all of it)."""
    settings = {"SECURITY_KEY_FILE": path / "key", "TEMPLATES_DIR": process.ROOT / "templates",
                "WORKER_STATE_DIR": path, **environment}  # fmt: skip
    done = run("check", "--offline", "--config", "/dev/null", *options,
               environment={f"HANDBELL_{key}": str(value) for key, value in settings.items()})
    said = done.stdout + done.stderr
    return done.returncode, re.findall(r"^file: (.+)$", said, re.M), said


def test_check_names_each_file_that_would_be_wanted_and_is_not_good(tmp_path):
    key, password = tmp_path / "key", tmp_path / "password"
    status, files, _ = check_files(tmp_path)
    assert (status, files) == (CONFIG, [f"bad: [security] key_file: {key}: No such file or directory"])
    key.write_text("hunter2\n")
    key.chmod(0o600)
    status, files, said = check_files(tmp_path)
    assert (status, files) == (CONFIG, [f"bad: [security] key_file: {key}: line 1: not a key of 32 bytes in hex"])
    assert "hunter2" not in said
    key.write_text("ab" * 32 + "\n")
    key.chmod(0o644)
    status, files, _ = check_files(tmp_path)
    assert status == CONFIG and "open to everybody" in files[0]
    key.chmod(0o600)
    assert check_files(tmp_path)[:2] == (0, ["good: [security] key_file: 1 key"])
    relay = {"SMTP_USERNAME": "u", "SMTP_PASSWORD_FILE": password, "SMTP_URL": "smtps://mail.example.org",
             "SMTP_CA_FILE": tmp_path / "ca"}  # fmt: skip
    status, files, _ = check_files(tmp_path, **relay)
    assert status == CONFIG
    assert [line.rpartition("/")[2] for line in files[1:]] == [
        "password: No such file or directory", "ca: No such file or directory"
    ]  # fmt: skip
    password.write_text("hunter2\n")
    (tmp_path / "ca").touch()
    status, files, said = check_files(tmp_path, **relay)
    assert (status, len(files)) == (0, 1) and "hunter2" not in said


@pytest.mark.skipif(os.geteuid() != 0, reason="a file that one may not read needs another user")
def test_check_takes_a_secret_that_this_login_may_not_read_for_no_fault(tmp_path):
    (tmp_path / "key").write_text("ab" * 32 + "\n")
    (tmp_path / "key").chmod(0o600)
    done = subprocess.run(
        [str(binary()), "check", "--offline", "--config", "/dev/null"], capture_output=True, text=True,
        timeout=30, check=False, **process.as_user(process.unprivileged_user()),
        env={"HANDBELL_SECURITY_KEY_FILE": str(tmp_path / "key"),
             "HANDBELL_TEMPLATES_DIR": str(process.ROOT / "templates")},
    )  # fmt: skip
    if "Permission denied" in done.stderr:
        pytest.skip("another user may not read the checkout")
    assert done.returncode == 0 and re.search(r"^file: note: .*may not read it$", done.stdout, re.M)


def test_what_check_found_stands_before_what_came_of_it(tmp_path):
    """Also where both go into one file, as a journal's do."""
    with open(tmp_path / "all", "w+", encoding="utf-8") as both:
        subprocess.run([str(binary()), "check", "--offline", "--config", "/dev/null"], stdout=both,
                       stderr=both, timeout=30, check=False,
                       env={"HANDBELL_SECURITY_KEY_FILE": str(tmp_path / "none"),
                            "HANDBELL_TEMPLATES_DIR": str(process.ROOT / "templates")})  # fmt: skip
        both.seek(0)
        assert "handbell check: a file that is needed" in both.read().splitlines()[-1]


def test_a_named_settings_file_must_exist(tmp_path):
    done = run("check", "--config", str(tmp_path / "none.conf"))
    assert done.returncode == NO_INPUT
    assert f"{tmp_path}/none.conf: No such file or directory" in done.stderr


def test_a_mistake_in_the_settings_names_file_line_and_key(tmp_path):
    path = tmp_path / "handbell.conf"
    path.write_text("[smtp]\nconnections = many\n")
    done = run("check", "--config", str(path))
    assert done.returncode == CONFIG
    assert f"{path}:2: [smtp] connections: must be a whole number" in done.stderr
    assert "many" not in done.stderr


def test_the_environment_overrides_and_check_explains(tmp_path):
    path = tmp_path / "handbell.conf"
    path.write_text("[smtp]\nconnections = 5\n[database]\nurl = password=hunter2\n")
    done = run("check", "--config", str(path), "--explain",
               environment={"HANDBELL_SMTP_CONNECTIONS": "7"})
    assert done.returncode == 0
    assert "connections = 7\n    from: environment; whole number" in done.stdout
    assert "hunter2" not in done.stdout
    done = run("check", environment={"HANDBELL_SMTP_CONECTIONS": "7"})
    assert done.returncode == CONFIG
    assert "environment variable HANDBELL_SMTP_CONECTIONS: unknown setting" in done.stderr


def test_the_contract_s_settings_have_the_contract_s_defaults():
    explained = run("check", "--markdown").stdout
    for variable, default in {
        "HANDBELL_DATABASE_URL": "postgresql:///handbell",
        "HANDBELL_SMTP_URL": "smtp://localhost:25",
        "HANDBELL_SMTP_CONNECTIONS": "20",
        "HANDBELL_WEB_LISTEN": "127.0.0.1:8025",
        "HANDBELL_WORKER_STATE_DIR": "/var/lib/handbell",
        "HANDBELL_SECURITY_KEY_FILE": "/etc/handbell/key",
    }.items():
        assert f"| `{variable}` | `{default}` |" in explained


def test_the_reference_of_settings_is_what_the_program_writes():
    page = (process.ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    # The template folder's default is the installation's own.
    page, written = (re.sub(r"`[^`]*/share/handbell", "`/usr/share/handbell", text)
                     for text in (page, run("check", "--markdown").stdout))
    assert page == written, "write it anew: handbell check --markdown >docs/configuration.md"


def test_an_answer_that_cannot_be_written_is_no_success():
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([str(binary()), "check", "--markdown"], stdout=full,
                              stderr=subprocess.PIPE, text=True, timeout=30, check=False)
    assert done.returncode == 74 and "cannot be written" in done.stderr


def hanging_check(tmp_path):
    """A process that reads its settings from a FIFO to which nobody writes more."""
    fifo = tmp_path / "handbell.conf"
    os.mkfifo(fifo)
    started = subprocess.Popen([str(binary()), "check", "--config", str(fifo)], cwd=tmp_path,
                               preexec_fn=allow_cores)
    return started, os.open(fifo, os.O_WRONLY)


def allow_cores():
    resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)


def test_a_crash_leaves_no_core_with_personal_data(tmp_path):
    """However high the limit that it is started with, it writes no core, and is not dumpable: the
    files of /proc/PID are then root's."""
    started, writer = hanging_check(tmp_path)
    try:
        limits = open(f"/proc/{started.pid}/limits", encoding="ascii").read()
        assert re.search(r"^Max core file size +0 +0 +bytes", limits, re.M)
        assert os.stat(f"/proc/{started.pid}/environ").st_uid == 0
        started.send_signal(signal.SIGQUIT)
        status = os.waitid(os.P_PID, started.pid, os.WEXITED | os.WNOWAIT)
        assert status.si_code == os.CLD_KILLED and status.si_status == signal.SIGQUIT
    finally:
        os.close(writer)
        started.kill()
        started.wait()
    assert [path.name for path in tmp_path.iterdir()] == ["handbell.conf"]
