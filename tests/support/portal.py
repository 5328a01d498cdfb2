"""Says to Handbell what a portal says: a tenant, its people, courses and bookings.

Every call goes through the contract's functions (docs/portal.md); nothing here touches a table.
"""

import datetime

from psycopg.types.json import Jsonb

from tests.support import people

TENANT_FACTS = {
    "name": "Westmarch CPD",
    "from_name": "Westmarch CPD Online",
    "from_address": "cpd@westmarch.example.org",
    "reply_to": "office@westmarch.example.org",
    "dpo_contact": "dpo@westmarch.example.org",
    "privacy_url": "https://westmarch.example.org/privacy",
    "postal_address": "County Hall, Market Street, Westmarch",
    "base_url": "http://127.0.0.1:8025",
    "bounce_domain": "bounce.westmarch.example.org",
    "basis": "consent",
    "settle": "0 seconds",
}
UTC = datetime.timezone.utc


def now():
    return datetime.datetime.now(UTC)


def in_days(days, hour=9):
    """A time of day some days ahead, as facts carry it."""
    day = now() + datetime.timedelta(days=days)
    return day.replace(hour=hour, minute=30, second=0, microsecond=0).isoformat()


def in_hours(hours):
    return (now() + datetime.timedelta(hours=hours)).isoformat()


class Portal:
    """One tenant's portal over one connection. Each call is one statement, in the caller's
    transaction where the connection is not autocommit."""

    def __init__(self, connection, tenant="demo"):
        self.connection = connection
        self.tenant = tenant

    def call(self, function, *arguments):
        """select handbell.FUNCTION(tenant, arguments...)"""
        values = [Jsonb(a) if isinstance(a, (dict, list)) else a for a in arguments]
        marks = ", ".join(["%s"] * (len(values) + 1))
        row = self.connection.execute(
            f"select handbell.{function}({marks})", [self.tenant, *values]
        ).fetchone()
        return row[0] if row else None

    def put_tenant(self, is_live=True, **facts):
        outcome = self.call("put_tenant", {**TENANT_FACTS, **facts})
        if is_live:
            self.call("go_live")
        return outcome

    def put_establishment(self, ref, **facts):
        return self.call("put_establishment", ref, {"name": f"School {ref}", **facts})

    def put_category(self, ref, kind="subject", **facts):
        return self.call("put_category", ref, {"kind": kind, "name": ref.title(), **facts})

    def put_person(self, ref, **facts):
        """A person with made-up name and address, who consents; alerts only if `interests` is said."""
        stated = {**people.make_person(), "consent": True, **facts}
        if "interests" in facts:
            stated.setdefault("alerts", True)
        people.remember(stated)
        return self.call("put_person", ref, stated)

    def put_course(self, ref, **facts):
        """A published course in ten days, unless the facts say otherwise."""
        stated = {"title": f"Course {ref}", "status": "published", **facts}
        if "sessions" not in stated:
            stated.setdefault("starts_at", in_days(10))
            stated.setdefault("ends_at", in_days(10, 15))
        return self.call("put_course", ref, stated)

    def change_course(self, ref, **facts):
        return self.call("put_course", ref, facts)

    def put_booking(self, ref, course, person, **facts):
        return self.call("put_booking", ref, {"course": course, "person": person, **facts})

    def change_booking(self, ref, **facts):
        return self.call("put_booking", ref, facts)

    def change_person(self, ref, **facts):
        people.remember(facts)
        return self.call("put_person", ref, facts)

    def put_many(self, kind, items):
        """Returns [(ref, outcome, problem)]."""
        if kind == "person":
            for item in items:
                people.remember(item)
        return self.connection.execute(
            "select * from handbell.put_many(%s, %s, %s)", [self.tenant, kind, Jsonb(items)]
        ).fetchall()

    def why(self, course, person):
        """{condition: (holds, on what)}"""
        rows = self.connection.execute(
            "select * from handbell.why(%s, %s, %s)", [self.tenant, course, person]
        ).fetchall()
        return {row[0]: tuple(row[1:]) for row in rows}
