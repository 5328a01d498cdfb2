"""handbell migrate: from nothing, from older, at once, and refused."""

import itertools
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support import process, programs, schema
from tests.support.cluster import OWNER

NUMBERS = itertools.count(1)
ROLES = ["handbell_page", "handbell_portal", "handbell_retention", "handbell_web", "handbell_worker"]


@pytest.fixture
def empty(cluster):
    """The name of a database without Handbell, owned by its owner."""
    name = f"migrate_{next(NUMBERS)}"
    with cluster.connect("postgres") as connection:
        connection.execute(f"create database {name}")
    yield name
    with cluster.connect("postgres", "postgres") as superuser:
        superuser.execute(f"drop database {name} with (force)")


@pytest.fixture
def migrate(cluster, empty):
    """migrate(user): runs it on the empty database."""

    def run(user=OWNER, **more):
        environment = {**os.environ, "HANDBELL_DATABASE_URL": cluster.url(empty, user)}
        return subprocess.run(
            [schema.binary(), "migrate"],
            env={**environment, **more},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return run


def test_an_empty_database_gets_schema_roles_and_functions(migrate, cluster, empty):
    result = migrate()
    assert (result.returncode, result.stderr) == (0, "")
    assert "applied migrations/0001_facts.sql\n" in result.stdout
    assert result.stdout.endswith("the database is up to date now\n")
    with cluster.connect(empty) as connection:
        assert connection.execute("select handbell.api_version()").fetchone()[0] >= 1
        known = connection.execute(
            "select rolname from pg_roles where rolname like 'handbell\\_%%' and not rolcanlogin"
            " order by 1", []
        ).fetchall()  # fmt: skip
        assert [row[0] for row in known] == ROLES


def test_a_second_time_changes_nothing_and_says_so(migrate, cluster, empty):
    migrate()
    with cluster.connect(empty) as connection:
        before = connection.execute("select * from handbell.migration order by 1").fetchall()
        result = migrate()
        assert (result.returncode, result.stdout) == (0, "the database is up to date\n")
        assert connection.execute("select * from handbell.migration order by 1").fetchall() == before


def test_several_at_once_do_it_once(migrate, cluster, empty):
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: migrate(), range(4)))
    assert [(result.returncode, result.stderr) for result in results] == 4 * [(0, "")]
    assert sorted(result.stdout.count("applied") > 0 for result in results) == 3 * [False] + [True]
    with cluster.connect(empty) as connection:
        count = connection.execute("select count(*) from handbell.migration").fetchone()[0]
    assert count == len(list((process.ROOT / "queue/sql/migrations").glob("*.sql"))) + 1


def test_an_applied_migration_that_was_changed_is_named_and_nothing_is_done(
    migrate, cluster, empty
):
    migrate()
    with cluster.connect(empty) as connection:
        connection.execute(
            "update handbell.migration set checksum = 'other' where path = %s",
            ["migrations/0002_queue.sql"],
        )
        connection.execute("drop function handbell.api_version()")
        result = migrate()
        assert result.returncode == 78
        assert "nothing was changed: migrations/0002_queue.sql was changed" in result.stderr
        gone = connection.execute("select to_regproc('handbell.api_version')").fetchone()[0]
        assert gone is None, "the functions were left alone too"


def test_a_database_that_a_newer_program_migrated_is_left_alone(migrate, cluster, empty):
    migrate()
    with cluster.connect(empty) as connection:
        connection.execute(
            "insert into handbell.migration (path, checksum) values (%s, 'x')",
            ["migrations/9999_from_the_future.sql"],
        )
    result = migrate()
    assert result.returncode == 78
    assert "migrations/9999_from_the_future.sql" in result.stderr
    assert "older than the database" in result.stderr


@pytest.mark.parametrize("change, says", [
    ("insert into handbell.migration values ('migrations/9999_from_the_future.sql', 'x')", "older than the database"),
    ("update handbell.migration set checksum = 'x' where path = 'functions/'", "run handbell migrate"),
    ("delete from handbell.migration where path like '%/0005_%'", "run handbell migrate"),
])  # fmt: skip
def test_check_says_that_the_database_is_of_another_version(migrate, cluster, empty, tmp_path, change, says):
    """A new program was installed, or an old one put back, and nobody thought of the database."""
    migrate()
    found = []
    for statement in ("select", change):
        with cluster.connect(empty) as connection:
            connection.execute(statement)
        found.append(subprocess.run(
            [schema.binary(), "check", "--config", "/dev/null"], capture_output=True, text=True, check=False,
            timeout=60, env={"HANDBELL_DATABASE_URL": cluster.url(empty, OWNER),
                             "HANDBELL_SECURITY_KEY_FILE": str(programs.make_key(tmp_path / "key")),
                             "HANDBELL_WORKER_STATE_DIR": str(tmp_path),
                             "HANDBELL_TEMPLATES_DIR": str(process.ROOT / "templates")}))  # fmt: skip
    assert (found[0].returncode, found[1].returncode) == (0, 78), found[0].stdout
    assert "database: good\n" in found[0].stdout
    (line,) = [line for line in found[1].stdout.splitlines() if line.startswith("database: ")]
    assert says in line


def test_functions_are_applied_again_when_theirs_changed(migrate, cluster, empty):
    migrate()
    with cluster.connect(empty) as connection:
        connection.execute(
            "update handbell.migration set checksum = 'other' where path = 'functions/'"
        )
        connection.execute("drop function handbell.api_version()")
        result = migrate()
        assert result.returncode == 0
        assert "files of functions/" in result.stdout and "migrations/" not in result.stdout
        assert connection.execute("select handbell.api_version()").fetchone()


def test_a_file_that_is_refused_leaves_nothing_behind(migrate, cluster, empty):
    with cluster.connect(empty) as connection:
        connection.execute("create schema handbell; create table handbell.tenant_slug (mine text)")
    result = migrate()
    assert result.returncode != 0
    assert "nothing was changed: migrations/0001_facts.sql" in result.stderr
    assert "tenant_slug" in result.stderr
    with cluster.connect(empty) as connection:
        tables = connection.execute(
            "select tablename from pg_tables where schemaname = 'handbell'"
        ).fetchall()
        assert tables == [("tenant_slug",)]


def test_a_login_without_the_right_to_create_is_told_so(migrate, databases):
    login = f"migrate_login_{next(NUMBERS)}"
    databases.make_login(login, "handbell_portal")
    result = migrate(login)
    assert result.returncode == 77
    assert "schema handbell" in result.stderr and "lacks this right" in result.stderr


def test_another_login_than_the_schema_s_owner_is_told_so(migrate, databases):
    migrate()
    login = f"migrate_login_{next(NUMBERS)}"
    databases.make_login(login, "handbell_worker")
    result = migrate(login)
    assert result.returncode == 77
    assert "lacks this right" in result.stderr


def test_a_database_that_is_not_there_is_named(migrate, cluster):
    result = migrate(HANDBELL_DATABASE_URL=cluster.url("no_such_database"))
    assert result.returncode == 69
    assert 'database "no_such_database" does not exist' in result.stderr
