"""docs/operations.md, followed to the letter on a server where nothing of Handbell is yet; and no page
points at what does not exist."""

import os
import re
import subprocess

import psycopg
import pytest

from tests.support import process, schema
from tests.support.cluster import OWNER, SUPERUSER, Cluster
from tests.support.portal import Portal
from tests.support.programs import LOGS, Programs
from tests.support.web import Site

PAGE = process.ROOT / "docs/operations.md"


@pytest.fixture
def server(tmp_path):
    bare = Cluster(is_fast=True).create()
    with bare.connect("postgres", SUPERUSER) as superuser:
        superuser.execute(f"drop role {OWNER}")
    yield bare
    kept = tmp_path / "postgresql.log"
    kept.write_bytes(bare.log.read_bytes())
    LOGS.append(kept)
    bare.remove()


def psql_statements(who):
    """What the page has this user say to psql, in order."""
    lines = [line for line in PAGE.read_text().splitlines() if f"sudo -u {who} psql" in line]
    return [statement for line in lines for statement in re.findall(r"-c '([^']+)'", line)]


def run(server, login, *words):
    environment = {**os.environ, "HANDBELL_DATABASE_URL": server.url("handbell", login)}
    done = subprocess.run(
        [schema.binary(), *words, "--config", "/dev/null"], env=environment, check=False,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_an_installation_by_the_page_serves_its_portal(server, mail_store, tmp_path):
    with server.connect("postgres", SUPERUSER) as superuser:
        for statement in psql_statements("postgres"):
            superuser.execute(statement)
    commands = re.findall(r"^ +sudo -u handbell_owner handbell (.+)$", PAGE.read_text(), re.M)
    assert [command.split()[0] for command in commands] == ["migrate", "tenant", "migrate", "erase"]
    run(server, "handbell_owner", *commands[0].split())
    with server.connect("handbell", "handbell_owner") as owner:
        for statement in psql_statements("handbell_owner"):
            owner.execute(statement)
    for command in commands[1:]:
        run(server, "handbell_owner", *command.split())
    with server.connect("handbell", SUPERUSER) as superuser:
        superuser.execute(re.search(r"alter database handbell [^;]+;", PAGE.read_text()).group())

    programs = Programs(tmp_path, server, "handbell")
    try:
        port = process.free_port()
        web = programs.make("web", "handbell-web", {"web": {"listen": f"127.0.0.1:{port}"}}).start()
        programs.make("worker", "handbell-worker", {"smtp": {"url": mail_store.url}}).start()
        site = Site(f"http://127.0.0.1:{port}")
        process.wait_until(lambda: web.check_running() and process.is_listening(port), 20, "web")
        process.wait_until(lambda: site.ask("GET", "/healthz").status == 200, 20, "health")
        with server.connect("handbell", "my_portal") as connection:
            portal = Portal(connection, "my_tenant")
            portal.put_tenant(base_url=site.url)
            portal.put_person("p1")
            portal.put_course("c1")
            portal.put_booking("b1", "c1", "p1", status="confirmed")
            mail_store.wait_for(1)
            bad = """select handbell.put_person('my_tenant', 'p2', '{"email": "qqzzqq@@example.org"}')"""
            with pytest.raises(psycopg.Error, match='key "email": not a mail address'):
                connection.execute(bad)
        assert "qqzzqq" not in server.log.read_text()
    finally:
        programs.stop()


def test_no_page_points_at_what_does_not_exist():
    pages = [process.ROOT / "README.md", *sorted((process.ROOT / "docs").glob("*.md"))]
    missing = []
    for page in pages:
        text = page.read_text()
        links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text)]
        for link in links:
            if link and "://" not in link and not (page.parent / link).exists():
                missing.append((page.name, link))
        for path in re.findall(r"`((?:tests|docs|templates|worker|queue|systemd)/[\w./-]+)`", text):
            if not (process.ROOT / path).exists():
                missing.append((page.name, path))
    assert not missing


def test_the_manual_page_names_every_subcommand_that_works():
    page = (process.ROOT / "docs/handbell.8").read_text()
    said = subprocess.run([schema.binary(), "--help"], capture_output=True, text=True, check=True)
    works = [
        line.split()[0] for line in said.stdout.splitlines()
        if line.startswith("  ") and "not available yet" not in line
    ]  # fmt: skip
    assert "worker" in works and "receive" not in works
    for name in works:
        assert f".It Cm {name}" in page, name


def test_the_page_says_what_each_event_of_the_log_means():
    """A name that stands nowhere is one that nobody can look up on the night when it is written."""
    events = set()
    for folder in ("worker", "queue", "templates"):
        for source in (process.ROOT / folder).rglob("*.c"):
            text = source.read_text(encoding="utf-8")
            for call in re.findall(r"\b(?:LOG|refusal_log|equipment_log)\((.*?)(?:log_|\bresult\b|\);)", text, re.S):
                events |= set(re.findall(r'"([a-z]+(?:_[a-z]+)+)"', call))
    page = PAGE.read_text()
    assert len(events) > 50 and sorted(event for event in events if f"`{event}`" not in page) == []


def test_the_page_says_what_each_key_of_the_status_is(owner):
    """What programs read is documented, and none of it goes without this being noticed."""
    (status,) = owner.execute("select handbell.queue_status()").fetchone()
    rows = PAGE.read_text().partition("## Watching it")[2].partition("\n## ")[0]
    documented = set(re.findall(r"`(\w+)(?:\[\])?`", rows))
    wanted = set(status) | set(status["lanes"][0]) | set(status["workers"]) | set(status["snapshot"])
    wanted |= set(status["in_flight"]) | set(status["tenants"])
    assert wanted <= documented, wanted - documented
