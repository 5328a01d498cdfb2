"""Fixtures: a private cluster a session, a fresh migrated database a test, and connections to it."""

import itertools

import pytest

from tests.support import schema
from tests.support.cluster import OWNER, Cluster

SEARCH_PATH = "-csearch_path=handbell"
LOGIN_NUMBERS = itertools.count(1)  # logins belong to the cluster, which ends with the session


@pytest.fixture(scope="session")
def cluster():
    """A private PostgreSQL server, without fsync."""
    server = Cluster(is_fast=True).create()
    yield server
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
