"""The worker's calls onto the queue, for tests that play the worker, and whether it has work left."""

import json
import uuid

FROM_START = ("-infinity", 0)


class Queue:
    """One worker's session. `connection` is a login of handbell_worker, autocommit."""

    def __init__(self, connection, owner=None):
        self.connection = connection
        self.owner = owner or uuid.uuid4()
        self.place = None

    def _rows(self, function, *arguments):
        marks = ", ".join(["%s"] * len(arguments))
        return self.connection.execute(
            f"select * from handbell.{function}({marks})", arguments
        ).fetchall()

    def start(self):
        """As a worker does that has nothing to tell a database which it does not know."""
        assert self.ask_to_start() in ("ready", "reconcile")
        assert self._rows("worker_reconciled", self.owner, "1 h") == [(True,)]
        return self

    def ask_to_start(self, *place):
        """refused, reconcile or ready"""
        ((answer,),) = self._rows("worker_start", self.owner, *place)
        return answer

    def fan_out(self, tenant_id, limit=1000):
        """One step; true: there is more."""
        return self._rows("fan_out", tenant_id, limit)[0][0]

    def claim(self, tenant_id, lane, limit=500, relay=1, place=FROM_START):
        """{message id: (epoch, its data)}. `self.place` is then where the last of them stood, and
        `self.courses` what the courses of them are like."""
        rows = self.connection.execute(
            "select * from handbell.claim(%s, %s, %s::smallint, %s::smallint, %s, %s, %s)",
            [tenant_id, self.owner, lane, relay, limit, *place],
        ).fetchall()
        messages = [row for row in rows if row[0] == "message"]
        self.courses = {row[1]: json.loads(row[4]) for row in rows if row[0] == "course"}
        if messages:
            self.place = (messages[-1][3], messages[-1][1])
        return {
            number: (epoch, data if isinstance(data, dict) else json.loads(data))
            for _, number, epoch, _, data in messages
        }

    def mark(self, tenant_id, claimed):
        """{message id: (verdict, address, courses)}"""
        ids = list(claimed)
        epochs = [claimed[number][0] for number in ids]
        rows = self._rows("mark", tenant_id, self.owner, ids, epochs)
        return {row[0]: tuple(row[1:]) for row in rows}

    def record(self, tenant_id, claimed, outcome="sent", code=250, retry_after_s=0):
        """{message id: state}"""
        ids = list(claimed)
        count = len(ids)
        rows = self.connection.execute(
            """select * from handbell.record(%s, %s, %s, %s, %s::text[], %s::integer[], %s::text[],
                                             %s::text[], %s::integer[], %s::bigint[])""",
            [tenant_id, self.owner, ids, [claimed[number][0] for number in ids],
             [outcome] * count, [code] * count, [""] * count, [""] * count,
             [retry_after_s] * count, [claimed[number][1]["created_unix"] for number in ids]],
        ).fetchall()  # fmt: skip
        return dict(rows)

    def fire_rules(self, tenant_id):
        """How many fired."""
        return self._rows("fire_rules", tenant_id)[0][0]

    def take_over(self, tenant_id, dead, is_transmitting=True):
        """(released, uncertain)"""
        return self._rows("take_over", tenant_id, dead, is_transmitting)[0]


def tenant_id_of(owner, slug="demo"):
    (number,) = owner.execute(
        "select tenant_id from handbell.tenant_slug where slug = %s", [slug]
    ).fetchone()
    return number


def is_quiet(owner):
    """Whether nothing is left that a worker would do now."""
    return owner.execute(
        """select not exists (select from handbell.message where due <= now() and state <> 'held')
              and not exists (select from handbell.job where state = 'matching')
              and not exists (select from handbell.course_rule
                              where job_id is null and due <= now())"""
    ).fetchone()[0]
