"""A tenant with very many people, laid into the tables by the owner: put_person is not what is
measured. Knows the tables of queue/sql/migrations.
"""

from tests.support import schema
from tests.support.cluster import SUPERUSER
from tests.support.portal import Portal

SUBJECTS = 35
AUDIENCES = 7


def put_tenant(cluster, database, slug="demo", **facts):
    """A live tenant without brake: (its portal, its id)."""
    with cluster.connect(database) as owner:
        schema.grant_tenant(owner, schema.PORTAL, slug)
    portal = Portal(cluster.connect(database, schema.PORTAL), slug)
    rules = {"brake": 1_000_000}
    portal.put_tenant(basis="public_task", rules=rules, settle="0 seconds", **facts)
    for number in range(SUBJECTS):
        portal.put_category(f"subject-{number}", "subject")
    for number in range(AUDIENCES):
        portal.put_category(f"audience-{number}", "audience")
    with cluster.connect(database) as owner:
        (tenant,) = owner.execute(
            "select tenant_id from handbell.tenant_slug where slug = %s", [slug]
        ).fetchone()
    return portal, tenant


def open_loader(cluster, database):
    """A connection that stores without the checks of foreign keys, which are not measured."""
    loader = cluster.connect(database, SUPERUSER)
    loader.execute("set session_replication_role = replica")
    return loader


def add_people(owner, tenant, count):
    """Each ticks two subjects of 35 and two audiences of 7, spread evenly and independently, so that one subject
    has 57,143 of a million."""
    owner.execute(
        """insert into handbell.person (tenant_id, ref, email, first_name, last_name, alerts, as_of)
           select %s, 'n' || i, 'reader' || i || '@example.org', 'Reader', 'Number ' || i, true, now()
           from generate_series(1, %s) i""",
        [tenant, count],
    )
    numbers = {"tenant": tenant}
    for kind in ("subject", "audience"):
        numbers[kind] = [
            row[0]
            for row in owner.execute(
                """select category_id from handbell.category
                   where tenant_id = %s and kind = %s order by category_id""",
                [tenant, kind],
            )
        ]
    owner.execute(
        """insert into handbell.tick (tenant_id, category_id, person_id, is_live, frequency)
           select %(tenant)s, own.category_id, p.person_id, true, 'immediate'
           from (select person_id, substr(ref, 2)::bigint as i
                 from handbell.person where tenant_id = %(tenant)s) p
           cross join lateral (values
               ((%(subject)s::bigint[])[1 + i %% 35]),
               ((%(subject)s::bigint[])[1 + (i + 1 + i / 35 %% 34) %% 35]),
               ((%(audience)s::bigint[])[1 + i / 35 %% 7]),
               ((%(audience)s::bigint[])[1 + (i / 35 + 1 + i / 245 %% 6) %% 7])) own (category_id)""",
        numbers,
    )
    settle(owner, "person", "tick", "category")


def rest(owner):
    """A checkpoint, as a server in use has them: its files of WAL are there to be used again (a new one is
    written twice), and what was loaded is not written to the disk beside what is measured."""
    owner.execute("checkpoint")


def settle(owner, *tables):
    """Vacuums and analyses, as autovacuum would in time."""
    for table in tables:
        owner.execute(f"vacuum analyze handbell.{table}")
