"""The watch over the marker `no_program` (support/no_program.py): whoever has it starts no program."""

import subprocess

import pytest

from tests.support import no_program


@pytest.fixture
def built(tmp_path, monkeypatch):
    """The program under test, a made-up one. What is started of it does not count against the test."""
    program = tmp_path / "build/handbell"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("HANDBELL_BINARY", str(program))
    yield program
    no_program.WATCH.started.clear()


@pytest.mark.parametrize("words", ["{} --help", "true {}", "{}_driver"])
@pytest.mark.parametrize("is_shell", [False, True])
def test_a_program_that_is_started_is_seen(built, words, is_shell):
    built.with_name("handbell_driver").symlink_to(built)
    words = words.format(built)
    subprocess.run(words if is_shell else words.split(), check=True, shell=is_shell)
    assert no_program.WATCH.started


def test_a_program_is_seen_whatever_its_name_is_said_to_be(built):
    subprocess.run(["true"], executable=built, check=True)
    assert no_program.WATCH.started == [str(built)]


def test_another_program_is_not(built):
    subprocess.run(["true", "build"], check=True)
    assert no_program.WATCH.started == []


def test_the_marker_turns_the_watch_on():
    assert no_program.WATCH.is_on


def test_what_asks_for_the_program_has_no_marker(request):
    """Every test of tests/sql and tests/lint is told apart by one fixture."""
    for item in request.session.items:
        if "tests/sql/" in str(item.path) or "tests/lint/" in str(item.path):
            is_marked = item.get_closest_marker(no_program.MARKER) is not None
            assert is_marked == (no_program.FIXTURE not in item.fixturenames), item.nodeid
