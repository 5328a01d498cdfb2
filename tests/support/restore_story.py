"""A backup and its restore, played in SQL: a database that goes on after its backup was made, what a
worker's file would hold of it, and the database that the backup gives back."""

import dataclasses
import time

from tests.conftest import SEARCH_PATH
from tests.support.cluster import OWNER
from tests.support.portal import Portal
from tests.support.queue_calls import Queue, tenant_id_of
from tests.support.schema import PORTAL, WORKER

ALERT, URGENT, SERVICE = 5, 1, 3


class Side:
    """One database: its portal, a worker's session, and the lines that the worker's file would hold."""

    def __init__(self, cluster, database):
        self.connections = [
            cluster.connect(database, user, options=SEARCH_PATH) for user in (OWNER, PORTAL, WORKER)
        ]
        self.owner = self.connections[0]
        self.portal = Portal(self.connections[1])
        self.queue = Queue(self.connections[2])
        self.queue.ask_to_start()
        self.owner.execute("select life_accept()")  # a copy waits for the workers of the original
        self.queue.start()
        self.lines = []

    def close(self):
        for connection in self.connections:
            connection.close()

    @property
    def tenant(self):
        return tenant_id_of(self.owner)

    def send(self, *lanes, outcome="sent"):
        """What is due in these lanes goes out; {kind: how many}, or the reason where one was skipped."""
        done = []
        while ALERT in lanes and self.queue.fan_out(self.tenant):
            pass
        for lane in lanes:
            claimed = self.queue.claim(self.tenant, lane)
            marked = self.queue.mark(self.tenant, claimed) if claimed else {}
            going = {number: claimed[number] for number in claimed if marked[number][0] == "go"}
            for number, (_, data) in going.items():
                self.keep(data, marked[number][2] or data["courses"], outcome)
            if going:
                self.queue.record(self.tenant, going, outcome)
            done += [
                claimed[number][1]["kind"] if marked[number][0] == "go" else marked[number][0]
                for number in claimed
            ]
        return sorted(done)

    def keep(self, data, courses, outcome="sent"):
        """As worker/flow/keep_mark.c does."""
        told = ",".join(self.queue.courses[number]["keep"] for number in courses)
        self.lines.append(f"{data['keep']}|{time.time_ns() // 1000}|{outcome}|{told}")

    def tail(self):
        """As worker/flow/keep_tail.c does; how many lines there were."""
        rows = self.queue.connection.execute(
            "select tenant_id, number, line from keep_changes(%s, 1000)", [self.queue.owner]
        ).fetchall()
        self.lines += [row[2] for row in rows]
        self.queue.connection.execute(
            "select * from keep_seen(%s, 0, %s, %s)",
            [self.queue.owner, [row[0] for row in rows], [row[1] for row in rows]],
        )
        return len(rows)

    def apply(self, lines, slug="demo"):
        self.queue.connection.execute("select keep_apply(%s, %s)", [slug, lines])
        self.queue.connection.execute("select keep_resolve(%s)", [slug])

    def rows(self, statement, *values):
        return self.owner.execute(statement, values).fetchall()

    def changes(self, after=0):
        return [
            tuple(row)
            for row in self.portal.connection.execute(
                "select number, what, person, topic from handbell.changes('demo', %s)", [after]
            )
        ]


@dataclasses.dataclass
class Restore:
    """`before` is the database that goes on after the backup, `after` what the backup gives back."""

    cluster: object
    databases: object
    database: str
    before: Side = None
    after: Side = None

    def back_up(self, facts):
        """`facts(side)` states what the backup holds; from then on `before` lives on alone."""
        side = Side(self.cluster, self.database)
        facts(side)
        side.close()
        self.restored = f"{self.database}_restored"
        with self.cluster.connect("postgres") as connection:
            connection.execute(f"create database {self.restored} template {self.database}")
        self.before = Side(self.cluster, self.database)
        return self.before

    def restore(self, is_told=True):
        self.before.tail()
        self.after = Side(self.cluster, self.restored)
        if is_told:
            self.after.apply(self.before.lines)
        return self.after

    def close(self):
        for side in (self.before, self.after):
            if side is not None:
                side.close()
        self.databases.drop(self.restored)


# ---- What may be stated on a side. ----


def school(side):
    side.portal.put_tenant()
    side.portal.put_category("maths")


def person(side, ref="p"):
    side.portal.put_person(ref, interests=["maths"])


def course(side, ref="c", **facts):
    side.portal.put_course(ref, categories=["maths"], **facts)


def booked(side):
    school(side)
    person(side)
    course(side)
    side.send(ALERT)
    side.portal.put_booking("b", "c", "p", status="requested")
    side.send(SERVICE)
