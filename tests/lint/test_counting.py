"""How ./dev test counts: whatever a test program does, it is never counted better than it was."""

import os
import re
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def count(tmp_path, script, calls):
    """Runs functions of dev-test.sh in an empty place: (passed, failed, output)."""
    program = tmp_path / "unit_x_y"
    program.write_text("#!/bin/sh\n" + script)
    program.chmod(0o755)
    (tmp_path / "build/test").mkdir(parents=True)
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    done = subprocess.run(
        ["bash", "-c", "say() { printf '%s\\n' \"$*\"; }; seconds_since() { printf 0; }\n"
         ". tests/support/dev-test.sh\n" + calls + '\nprintf "%d passed, %d failed\\n" "$passed" "$failed"'],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    last = done.stdout.splitlines()[-1]
    passed, failed = re.fullmatch(r"(\d+) passed, (\d+) failed", last).groups()
    return int(passed), int(failed), done.stdout + done.stderr


@pytest.mark.parametrize("script, passed, failed", [
    ("echo 1..2; echo 'ok 1 - a'; echo 'ok 2 - b'", 2, 0),
    ("echo 1..2; echo 'ok 1 - a'; echo 'not ok 2 - b'; exit 1", 1, 1),
    ("echo 1..3; echo 'ok 1 - a'; kill -SEGV $$", 1, 2),
    ("echo 1..1; echo 'ok 1 - a'; exit 99", 1, 1),
    ("echo 1..2; echo 'ok 1 - a'", 1, 1),
    ("echo 1..2; echo 'ok 1 - a'; echo 'not ok 2 # SKIP'", 1, 0),
    ("exit 0", 0, 1),
    ("echo 'ok 1 - a'", 1, 1),
])
def test_a_unit_program_is_counted_against_its_plan(tmp_path, script, passed, failed):
    counted = count(tmp_path, script + "\n", "run_unit_program ./unit_x_y debug")
    assert counted[:2] == (passed, failed), counted[2]


def test_what_was_skipped_is_listed(tmp_path):
    count(tmp_path, "echo 1..1; echo 'ok 1 # SKIP no clang'\n", "run_unit_program ./unit_x_y debug")
    assert "no clang" in (tmp_path / "build/test/skipped.txt").read_text()


def test_no_unit_program_at_all_is_a_failure(tmp_path):
    assert count(tmp_path, "", "run_unit_programs debug debug")[:2] == (0, 1)


def test_a_sanitizer_s_report_is_a_failure(tmp_path):
    calls = (
        "echo 'ERROR: AddressSanitizer' >build/test/sanitizer-debug.17; count_sanitizer_reports debug"
    )
    assert count(tmp_path, "", calls)[:2] == (0, 1)


def test_a_skip_of_a_unit_program_is_listed_with_the_reason_printed_before_it(tmp_path):
    script = "echo 1..2; echo 'ok 1 - a'; echo 'the corpus is absent'; echo 'not ok 2 # SKIP b'\n"
    count(tmp_path, script, "run_unit_program ./unit_x_y debug")
    assert "unit_x_y: not ok 2 # SKIP b: the corpus is absent" in (
        tmp_path / "build/test/skipped.txt"
    ).read_text()


@pytest.mark.parametrize("body, passed, failed, skipped", [
    ("def test_a():\n    pass\ndef test_b():\n    assert False\n", 1, 1, ""),
    ("import pytest\n@pytest.mark.skip(reason='no moon')\ndef test_a():\n    pass\n", 0, 0, "no moon"),
    ("import pytest\npytest.importorskip('no_such_module')\ndef test_a():\n    pass\n", 0, 1,
     "could not import 'no_such_module'"),
    ("import nothing_of_the_kind\n", 0, 2, ""),
    ("import os\ndef test_a():\n    os._exit(3)\n", 0, 1, ""),
])
def test_pytest_is_counted_from_its_report(tmp_path, body, passed, failed, skipped):
    (tmp_path / "test_it.py").write_text(body)
    counted = count(tmp_path, "", "run_pytest debug -- -p no:cacheprovider test_it.py")
    assert counted[:2] == (passed, failed), counted[2]
    log = tmp_path / "build/test/skipped.txt"
    assert skipped in (log.read_text() if log.exists() else "")


def test_two_builds_are_tried_side_by_side_and_both_counted(tmp_path):
    (tmp_path / "test_it.py").write_text(
        "import os, pathlib, time\n"
        "def test_meets_the_other():\n"
        "    mine = pathlib.Path(os.environ['HANDBELL_BINARY']).parent.name\n"
        "    pathlib.Path(f'at-{mine}').touch()\n"
        "    deadline = time.monotonic() + 20\n"
        "    while len(list(pathlib.Path('.').glob('at-*'))) < 2:\n"
        "        assert time.monotonic() < deadline\n"
        "        time.sleep(0.05)\n"
        "    assert mine == 'one'\n"
    )
    counted = count(tmp_path, "", "run_pytest one two -- -p no:cacheprovider test_it.py")
    assert counted[:2] == (1, 1), counted[2]


def test_pytest_ends_with_whoever_started_it(tmp_path):
    (tmp_path / "test_it.py").write_text(
        "import os, pathlib, time\n"
        "def test_long():\n"
        "    pathlib.Path('pid').write_text(str(os.getpid()))\n"
        "    time.sleep(50)\n"
    )
    calls = (
        "start_pytest debug -p no:cacheprovider test_it.py\n"
        "while ! [ -s pid ]; do sleep 0.1; done; stop_pytest"
    )
    count(tmp_path, "", calls)
    assert not Path("/proc", (tmp_path / "pid").read_text()).exists()


FILES = {f"test_{letter}.py": number for number, letter in enumerate("abcdefg", start=1)}


def test_processes_that_share_all_files_leave_none_out_and_run_none_twice(tmp_path):
    (tmp_path / "all").mkdir()
    for name, number in FILES.items():
        (tmp_path / "all" / name).write_text(
            "import pathlib, pytest\n"
            f"@pytest.mark.parametrize('number', range({number}))\n"
            "def test_it(number):\n"
            f"    with open('{tmp_path}/ran', 'a') as out: out.write(f'{name} {{number}}\\n')\n"
        )
    # Another folder in place of all tests: the same words to pytest but for the last one.
    calls = (
        "mkdir -p queue; export HANDBELL_TEST_QUEUE=$PWD/queue\n"
        "labels=(debug-1 debug-2 debug-3); for label in \"${labels[@]}\"; do\n"
        "start_pytest $label -p no:cacheprovider -p tests.support.file_queue all; done; finish_pytest"
    )
    counted = count(tmp_path, "", calls)
    assert counted[:2] == (sum(FILES.values()), 0), counted[2]
    ran = (tmp_path / "ran").read_text().splitlines()
    assert sorted(ran) == sorted(f"{name} {n}" for name, count in FILES.items() for n in range(count))


def test_a_process_that_dies_with_a_file_of_its_own_is_a_failure(tmp_path):
    (tmp_path / "all").mkdir()
    (tmp_path / "all/test_a.py").write_text("import os\ndef test_a():\n    os._exit(0)\n")
    calls = (
        "mkdir -p queue; export HANDBELL_TEST_QUEUE=$PWD/queue\n"
        "labels=(debug-1 debug-2); for label in \"${labels[@]}\"; do\n"
        "start_pytest $label -p no:cacheprovider -p tests.support.file_queue all; done; finish_pytest"
    )
    assert count(tmp_path, "", calls)[:2] == (0, 1)


def started_with(tmp_path, presets):
    """{label: what its pytest was told} where all tests are run against these builds."""
    calls = (
        "start_pytest() { echo \"part $*\"; }; end_pytest() { :; }\n" f"run_pytest {presets} -- -q"
    )
    said = count(tmp_path, "", calls)[2]
    parts = [line.split(maxsplit=2)[1:] for line in said.splitlines() if line.startswith("part ")]
    return dict(parts)


def test_only_where_debug_runs_all_do_other_builds_leave_out_what_starts_no_program(tmp_path):
    parts = started_with(tmp_path, "debug sanitizers")
    assert {label.partition("-")[0] for label in parts} == {"debug", "sanitizers"}
    for label, words in parts.items():
        assert words.endswith(" tests") and "--ignore" not in words
        assert ("-m not no_program" in words) == label.startswith("sanitizers")
    assert "no_program" in (tmp_path / "build/test/skipped.txt").read_text()


def test_a_build_alone_runs_all(tmp_path):
    assert not [words for words in started_with(tmp_path, "sanitizers").values() if "-m" in words]


def test_what_a_stage_in_the_background_counts_is_added_and_its_words_are_shown(tmp_path):
    script = "echo 1..2; echo 'ok 1 - a'; echo 'not ok 2 - b'; exit 1\n"
    calls = (
        "passed=5; failed=1; begin_in_background run_unit_program ./unit_x_y debug; finish_background"
    )
    passed, failed, said = count(tmp_path, script, calls)
    assert (passed, failed) == (6, 2) and "not ok 2 - b" in said


def test_a_stage_in_the_background_ends_with_whoever_started_it_and_is_no_success(tmp_path):
    script = "echo $$ >pid; exec sleep 50\n"
    calls = (
        "begin_in_background run_unit_program ./unit_x_y debug\n"
        "while ! [ -s pid ]; do sleep 0.1; done; pid=$background_pid; stop_all\n"
        "background_pid=$pid; finish_background"
    )
    passed, failed, _ = count(tmp_path, script, calls)
    assert (passed, failed) == (0, 1)
    gone = Path("/proc", (tmp_path / "pid").read_text().strip())
    deadline = time.monotonic() + 20
    while gone.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("room, place", [("true", "/dev/shm/"), ("false", "/tmp/")])
def test_temporary_files_are_in_memory_where_it_has_room_and_go_with_the_tests(tmp_path, room, place):
    memory = Path("/dev/shm")
    if not memory.is_dir() or os.statvfs(memory).f_flag & os.ST_NOEXEC:
        place = "/tmp/"
    calls = (
        f"has_room_in_memory() {{ {room}; }}\n( make_temporary_folder; echo $TMPDIR >place )"
    )
    count(tmp_path, "", calls)
    folder = Path((tmp_path / "place").read_text().strip())
    assert str(folder).startswith(place) and not folder.exists()


def test_a_ctrl_c_within_a_unit_program_ends_all(tmp_path):
    """The program has a process group of its own, and the shell hears nothing of its end."""
    script = "echo $$ >>pids; [ -e second ] || { touch second; kill -INT $(cat shell); }; sleep 2\n"
    calls = (
        "( echo $BASHPID >shell; make_temporary_folder; begin_in_background run_unit_program ./unit_x_y debug\n"
        "run_unit_program ./unit_x_y debug; echo went on >on )"
    )
    count(tmp_path, script, calls)
    assert not (tmp_path / "on").exists()
    for pid in (tmp_path / "pids").read_text().split():
        deadline = time.monotonic() + 20
        while Path("/proc", pid).exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
