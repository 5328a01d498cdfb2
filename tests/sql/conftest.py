"""Fixtures of several files here."""

import uuid

import pytest

from tests.support.queue_calls import Queue, tenant_id_of
from tests.support.restore_story import Restore
from tests.support.schema import WORKER


@pytest.fixture
def story(cluster, databases, database):
    """A database that is backed up and restored (support/restore_story.py)."""
    story = Restore(cluster, databases, database)
    yield story
    story.close()


@pytest.fixture
def tenant(demo, owner):
    return tenant_id_of(owner)


@pytest.fixture
def say(connect):
    """say(1, 2, ..., weight={2: 3}, down=[2], ...): a worker tells of its relays; answers with those
    for which another has other settings. Limits: of all relays, or {2: 30}."""
    connection = connect(WORKER)

    def tell(*numbers, owner=uuid.UUID(int=1), weight=None, down=(), digest="d", per_minute=0,
             per_day=0, share=10, names=None):  # fmt: skip
        count = len(numbers)
        minutes, days = (
            [limit.get(n, 0) if isinstance(limit, dict) else limit for n in numbers]
            for limit in (per_minute, per_day)
        )
        rows = connection.execute(
            """select relays_say(%s, %s::smallint[], %s::text[], %s::int[], %s::int[], %s::int[],
                                 %s::int[], %s::text[], %s::boolean[], %s::int[], %s::int[])""",
            [owner, list(numbers), [(names or {}).get(n, f"relay{n}") for n in numbers],
             [(weight or {}).get(n, 1) for n in numbers], minutes, days,
             [share] * count, [digest] * count, [n in down for n in numbers], [0] * count,
             [1] * count],
        ).fetchall()  # fmt: skip
        return [row[0] for row in rows]

    return tell


@pytest.fixture
def alerts(demo, connect, tenant):
    """alerts(course, count): so many alerts, due at once."""
    queue = Queue(connect(WORKER)).start()

    def publish(course, count):
        demo.put_many("person", [
            {"ref": f"{course}r{n}", "email": f"{course}r{n}@example.org", "consent": True,
             "alerts": True, "interests": [course]} for n in range(count)
        ])  # fmt: skip
        demo.put_course(course, categories=[course])
        while queue.fan_out(tenant):
            pass

    for course in ("c", "d"):
        demo.put_category(course)
    return publish
