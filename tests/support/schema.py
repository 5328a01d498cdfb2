"""Puts Handbell's schema into databases of a private cluster, and gives out fresh copies quickly.

Knows the logins that tests use, and no table.
"""

import itertools
import os
import pathlib
import subprocess

from tests.support import process
from tests.support.cluster import OWNER

TEMPLATE = "migrated"
PORTAL = "portal_demo"
WORKER = "worker_demo"
WEB = "web_demo"
RETENTION = "retention_demo"
LOGINS = {
    PORTAL: "handbell_portal", WORKER: "handbell_worker", WEB: "handbell_web",
    RETENTION: "handbell_retention",
}  # fmt: skip


def binary_path():
    """Where the program under test is, or will be."""
    path = os.environ.get("HANDBELL_BINARY", process.ROOT / "build/debug/handbell")
    return pathlib.Path(path).absolute()


def binary():
    """The program under test."""
    path = binary_path()
    if not path.exists():
        raise RuntimeError(f"{path} has not been built (./dev build), or set HANDBELL_BINARY")
    return path


def migrate(cluster, database):
    """`handbell migrate`, as the owner of the schema."""
    environment = {**os.environ, "HANDBELL_DATABASE_URL": cluster.url(database)}
    result = subprocess.run(
        [binary(), "migrate", "--config", "/dev/null"],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise RuntimeError(f"handbell migrate: {result.returncode}\n{result.stderr}")


class Databases:
    """Fresh migrated databases of one cluster, copied from a template."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.numbers = itertools.count(1)
        self._administer(f"create database {TEMPLATE}")
        migrate(cluster, TEMPLATE)
        for login, role in LOGINS.items():
            self.make_login(login, role)
        with cluster.connect(TEMPLATE) as connection:
            grant_tenant(connection, PORTAL, "demo")

    def _administer(self, statement):
        with self.cluster.connect("postgres") as connection:
            connection.execute(statement)

    def make_login(self, login, role):
        """A login of the cluster that is a member of one of Handbell's roles."""
        self._administer(f"create role {login} login in role {role}")
        return login

    def make(self, name=None):
        name = name or f"test_{next(self.numbers)}"
        self._administer(f"create database {name} template {TEMPLATE}")
        return name

    def drop(self, name):
        # Ends the sessions that a test, or a killed worker, left behind. (Not `with (force)`: its
        # owner may not end other roles' sessions.)
        with self.cluster.connect("postgres", "postgres") as superuser:
            superuser.execute(f"drop database if exists {name} with (force)")


def grant_tenant(owner, login, tenant):
    """Lets a login act for a tenant."""
    owner.execute("select handbell.grant_tenant(%s, %s)", [login, tenant])


__all__ = [
    "Databases", "LOGINS", "OWNER", "PORTAL", "RETENTION", "TEMPLATE", "WEB", "WORKER", "binary",
    "binary_path", "grant_tenant", "migrate",
]  # fmt: skip
