"""`handbell check` says what losing the primary database would lose, as far as its login can see."""

import json
import os
import subprocess

import pytest

from tests.support import process, schema
from tests.support.standby import Pair


@pytest.fixture(scope="module")
def pair():
    made = Pair(is_synchronous=True, settings={"fsync": "on"}).create()
    yield made
    made.remove()


@pytest.fixture(scope="module")
def pair_database(pair):
    return schema.Databases(pair.primary).make()


@pytest.fixture
def find(pair, pair_database):
    """find(): {text: state} of the findings, and what people read."""

    def run(login=schema.WORKER, **more):
        environment = {**os.environ, "HANDBELL_DATABASE_URL": pair.primary.url(pair_database, login),
                       "HANDBELL_DNS_TIMEOUT_S": "1", **more}  # fmt: skip
        words = [schema.binary(), "check", "--config", "/dev/null"]
        answers = [subprocess.run([*words, *option], env=environment, capture_output=True, text=True,
                                  check=False, timeout=60) for option in ([], ["--json"])]  # fmt: skip
        found = json.loads(answers[1].stdout)["safety"]
        lines = [line for line in answers[0].stdout.split("\n") if line.startswith("safety: ")]
        assert lines == [f"safety: {row['state']}: {row['text']}" for row in found]
        return {row["text"]: row["state"] for row in found}

    return run


def superuser(pair):
    connection = pair.primary.connect("postgres", "postgres")
    connection.execute("set synchronous_commit = local")
    return connection


@pytest.fixture
def alter(pair):
    """alter(statement): as the superuser; undone by its own pair."""
    undone = []

    def run(statement, undo):
        with superuser(pair) as connection:
            connection.execute(statement)
            connection.execute("select pg_reload_conf()")
        undone.append(undo)

    yield run
    for undo in undone:
        with superuser(pair) as connection:
            connection.execute(undo)
            connection.execute("select pg_reload_conf()")


@pytest.fixture
def may_see(alter):
    alter(f"grant pg_monitor to {schema.WORKER}", f"revoke pg_monitor from {schema.WORKER}")


def test_a_synchronous_standby_is_counted(find, may_see):
    assert find() == {"1 synchronous standby": "good"}


def test_what_this_login_cannot_see_is_said(find):
    ((text, state),) = find().items()
    assert state == "note" and "is not shown to this login (grant it pg_monitor to see)" in text


def test_a_primary_alone_is_said_to_lose_what_was_accepted(find, pair, alter):
    names = "alter system set synchronous_standby_names = '%s'"
    with superuser(pair) as connection:
        before = connection.execute("show synchronous_standby_names").fetchone()[0]
    alter(names % "", names % before.replace("'", "''"))
    ((text, state),) = find().items()
    assert state == "note" and "losing the primary database may lose what was accepted" in text


@pytest.mark.parametrize("word", ["local", "off"])
def test_commits_that_do_not_wait_for_it_are_said(find, may_see, alter, word):
    alter(f"alter role {schema.WORKER} set synchronous_commit = {word}",
          f"alter role {schema.WORKER} reset synchronous_commit")  # fmt: skip
    found = find()
    assert set(found.values()) == {"note"}
    assert any(f"synchronous_commit is {word})" in text for text in found)
    assert any("a crash of the database" in text for text in found) == (word == "off")


def test_a_standby_that_is_away_is_said(find, may_see, pair):
    pair.standby.stop("immediate")
    try:
        process.wait_until(lambda: any("none is there" in text for text in find()), 10)
    finally:
        pair.standby.start()


def test_of_a_server_without_one_it_says_what_may_be_lost(handbell, demo):
    program = handbell.make("check", schema.WORKER, {"dns": {"timeout_s": 1}})
    found = json.loads(handbell.run_with(program, "check", "--json").stdout)["safety"]
    texts = [row["text"] for row in found]
    assert "losing the primary database may lose what was accepted" in texts[0]
    assert any("fsync" in text for text in texts), "the tests' own server has it off"


def test_offline_nothing_is_said_of_it(handbell):
    program = handbell.make("check", schema.WORKER, {})
    assert "safety" not in json.loads(
        handbell.run_with(program, "check", "--json", "--offline").stdout)
