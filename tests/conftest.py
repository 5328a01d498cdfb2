"""Fixtures: a private cluster a session, a fresh migrated database a test, and connections to it."""

import itertools
import shutil

import pytest

from tests.support import people, programs, schema
from tests.support.cluster import OWNER, Cluster
from tests.support.mail_store import MailStore
from tests.support.portal import Portal

pytest_plugins = ["tests.support.no_program"]

SEARCH_PATH = "-csearch_path=handbell"
LOGIN_NUMBERS = itertools.count(1)  # logins belong to the cluster, which ends with the session


@pytest.fixture(scope="session", autouse=True)
def no_log_names_a_person():
    """Whatever the session logged holds no name and no address of anybody whom it stated."""
    yield
    found = people.find_in_logs(programs.LOGS)
    assert not found, f"a person's name or address is in {len(found)} lines of logs: {found[:10]}"


@pytest.fixture(scope="session")
def cluster(no_log_names_a_person, tmp_path_factory):
    """A private PostgreSQL server, without fsync."""
    server = Cluster(is_fast=True).create()
    yield server
    kept = tmp_path_factory.mktemp("cluster") / "postgresql.log"
    kept.write_bytes(server.log.read_bytes())
    programs.LOGS.append(kept)
    server.remove()


@pytest.fixture(scope="session")
def databases(cluster):
    return schema.Databases(cluster)


@pytest.fixture
def database(databases):
    """The name of a fresh, migrated database of this test alone."""
    name = databases.make()
    yield name
    databases.drop(name)


@pytest.fixture
def connect(cluster, database):
    """connect(user, autocommit=True): a connection to this test's database, closed at its end."""
    connections = []

    def open_one(user=OWNER, autocommit=True):
        connection = cluster.connect(database, user, autocommit, options=SEARCH_PATH)
        connections.append(connection)
        return connection

    yield open_one
    for connection in connections:
        connection.close()


@pytest.fixture
def owner(connect):
    """The owner of the schema, autocommit."""
    return connect(OWNER)


@pytest.fixture
def portal(connect):
    """A portal's login, granted the tenant `demo` and no other."""
    return connect(schema.PORTAL)


@pytest.fixture
def make_login(databases, owner, connect):
    """make_login(role='handbell_portal', tenants=()): a connection as a new login."""

    def make(role="handbell_portal", tenants=()):
        login = databases.make_login(f"login_{next(LOGIN_NUMBERS)}", role)
        for tenant in tenants:
            schema.grant_tenant(owner, login, tenant)
        return connect(login)

    return make


@pytest.fixture
def demo(portal):
    """The portal of the tenant `demo`, which is live and settles at once (tests/support/portal.py)."""
    demo = Portal(portal)
    demo.put_tenant()
    return demo


@pytest.fixture
def mail_store():
    """An SMTP server inside the test."""
    store = MailStore()
    yield store
    store.stop()


@pytest.fixture
def handbell(tmp_path, cluster, database):
    """Starts worker and web processes on this test's database, and ends them with the test."""
    started = programs.Programs(tmp_path, cluster, database)
    yield started
    started.stop()
    # pytest keeps the folders of all tests until the end: of these, without the journals' megabytes.
    for program in started.all:
        shutil.rmtree(program.state, ignore_errors=True)
