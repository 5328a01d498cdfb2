"""The soak: one worker at full rate for HANDBELL_SOAK_S seconds (60; an hour in full), while what a day
leaves behind is cleared away as retention does, and samples of what must not grow.

Alerts to 4,000 people a course make the rate; beside them go bookings, changes and cancellations. The
record of mails grows by design until its retention; here all that belongs to past courses is deleted
after a few rounds, and vacuumed: so the whole database has to stay as large as it was.

The rule (`judge`): the first quarter of the samples is for warming up. The median of the last quarter may
lie above the second quarter's by no more than a share and a little, no sample may pass its bound, and no
interval may go by without a mail. tests/fault/test_soak.py shows that it can fail.
"""

import dataclasses
import os
import pathlib
import re
import statistics
import threading
import time

from tests.bench import peers, population_sql
from tests.support import programs, scale
from tests.support.portal import in_days

PEOPLE = 4000
DELEGATES = 20
SAMPLES = 48
# Nobody has more than one alert that no worker has taken: more than this never wait, and further courses
# would make each alert longer without end.
BACKLOG = PEOPLE
KEPT_ROUNDS = 6  # whose facts and records stay


def length_s():
    return float(os.environ.get("HANDBELL_SOAK_S", scale.pick("60", "3600")))


@dataclasses.dataclass
class Limit:
    """How much a figure may grow from the second to the last quarter, and where it may never be."""

    unit: str
    share: float
    more: float
    bound: float


LIMITS = {
    "anonymous memory": Limit("kB", 0.02, 512, 32 * 1024),
    "file descriptors": Limit("", 0.0, 1, 100),
    "database": Limit("kB", 0.10, 4096, 4 * 1024 * 1024),
    "journal": Limit("kB", 0.05, 64, 64 * 1024),
}


def judge(name, values):
    """What is wrong with this figure's samples, or None."""
    limit = LIMITS[name]
    quarter = len(values) // 4
    if quarter == 0:
        return f"{name}: too few samples"
    before = statistics.median(values[quarter : 2 * quarter])
    after = statistics.median(values[-quarter:])
    if max(values) > limit.bound:
        return f"{name}: {max(values):,.0f} {limit.unit} is above {limit.bound:,.0f}"
    if after > before * (1 + limit.share) + limit.more:
        return f"{name}: grew from {before:,.0f} to {after:,.0f} {limit.unit}"
    return None


def open_owner(cluster, database):
    owner = population_sql.open_loader(cluster, database)
    owner.execute("set search_path = handbell")
    return owner


class Feeder(threading.Thread):
    """The portal: states another round of facts whenever few mails wait."""

    def __init__(self, cluster, database, portal, tenant):
        super().__init__(daemon=True)
        self.owner = open_owner(cluster, database)
        self.portal = portal
        self.tenant = tenant
        self.round = 0
        self.is_over = threading.Event()
        self.failure = None

    def run(self):
        try:
            while not self.is_over.is_set():
                if self.is_enough_waiting():
                    time.sleep(0.2)
                else:
                    self.state_round()
        except Exception as failure:  # pylint: disable=broad-except # told by who waits
            self.failure = failure

    def is_enough_waiting(self):
        return self.owner.execute(
            """select exists (select from job where tenant_id = %(t)s and state = 'matching')
               or (select count(*) >= %(most)s
                   from (select from message where tenant_id = %(t)s limit %(most)s) x)""",
            {"t": self.tenant, "most": BACKLOG},
        ).fetchone()[0]

    def state_round(self):
        """A course that everybody hears of; one that is booked, moved and called off."""
        number = self.round + 1
        everybody = [f"subject-{each}" for each in range(population_sql.SUBJECTS)]
        self.portal.put_course(
            f"c{number}", title=f"Course number {number}", categories=everybody,
            summary="A day that is worth the drive.", starts_at=in_days(60), ends_at=None,
        )  # fmt: skip
        self.portal.put_course(f"b{number}", starts_at=in_days(30), ends_at=None)
        for place in range(DELEGATES):
            person = f"n{1 + (number * DELEGATES + place) % PEOPLE}"
            self.portal.put_booking(
                f"b{number}-{place}", f"b{number}", person, status="confirmed", quiet=place % 2 == 0
            )
        self.portal.change_course(f"b{number}", starts_at=in_days(31))
        self.portal.change_course(f"b{number}", status="cancelled", cancel_reason="Snow")
        self.round = number

    def stop(self):
        self.is_over.set()
        self.join(30)
        self.owner.close()
        self.portal.connection.close()


class Clearer:
    """What retention does, within seconds instead of years. `cleared` counts the records of it."""

    TABLES = ("match", "job", "course_rule", "booking", "course_told", "course_session",
              "course_session_gone", "course_category", "course")  # fmt: skip

    def __init__(self, owner, tenant):
        self.owner = owner
        self.tenant = tenant
        self.cleared = 0
        self.owner.execute("create temp table over (course_id bigint primary key)")

    def clear(self, last_round):
        """All of the courses up to that round that no waiting mail tells of."""
        refs = [f"{letter}{number}" for number in range(1, last_round + 1) for letter in "bc"]
        self.owner.execute("truncate over")
        self.owner.execute(
            """insert into over select course_id from course c where tenant_id = %s and ref = any (%s)
               and not exists (select from message m where m.tenant_id = c.tenant_id
                               and (c.course_id = any (m.courses) or exists (
                                    select from job j where j.tenant_id = m.tenant_id
                                    and j.job_id = m.job_id and j.course_id = c.course_id)))""",
            [self.tenant, refs],
        )
        self.cleared += self.owner.execute(
            "delete from message_record where tenant_id = %s and ended_at < now() - interval '15 s'",
            [self.tenant],
        ).rowcount
        self.owner.execute(
            """delete from job_recipient r using job j, over o where r.tenant_id = %s
               and j.tenant_id = r.tenant_id and j.job_id = r.job_id and o.course_id = j.course_id""",
            [self.tenant],
        )
        for table in self.TABLES:
            self.owner.execute(
                f"delete from {table} t using over o"
                " where t.tenant_id = %s and t.course_id = o.course_id", [self.tenant],
            )  # fmt: skip
        self.owner.execute(
            "delete from audit where tenant_id = %s and at < now() - interval '15 s'", [self.tenant]
        )

    def count_sent(self):
        """Records there were, cleared ones included."""
        kept = self.owner.execute(
            "select count(*) from message_record where tenant_id = %s", [self.tenant]
        ).fetchone()[0]
        return self.cleared + kept


class Soak:
    """`seconds` of it, on a fresh database. Afterwards: .samples, .rates, .problems()."""

    def __init__(self, cluster, database, folder, settings=None):
        self.owner = open_owner(cluster, database)
        portal, self.tenant = population_sql.put_tenant(cluster, database)
        population_sql.add_people(self.owner, self.tenant, PEOPLE)
        population_sql.settle(self.owner, "person", "tick", "category")
        self.sink = peers.Sink(pathlib.Path(folder) / "sink.log")
        self.started = programs.Programs(pathlib.Path(folder) / "soak", cluster, database)
        self.feeder = Feeder(cluster, database, portal, self.tenant)
        self.clearer = Clearer(self.owner, self.tenant)
        self.settings = settings
        self.samples = {name: [] for name in LIMITS}
        self.rates = []
        self.told = []

    def run(self, seconds):
        worker = self.started.start_worker(self.sink.url, self.settings)
        self.feeder.start()
        begun = before = time.monotonic()
        sent_before = 0
        for number in range(1, SAMPLES + 1):
            time.sleep(max(0.0, begun + seconds * number / SAMPLES - time.monotonic()))
            worker.check_running()
            self.clearer.clear(self.feeder.round - KEPT_ROUNDS)
            self.take_sample(worker)
            sent, now = self.clearer.count_sent(), time.monotonic()
            self.rates.append((sent - sent_before) / (now - before))
            sent_before, before = sent, now
        self.feeder.stop()
        if worker.stop() != 0:
            self.told.append("the worker did not end in peace")

    def take_sample(self, worker):
        folder = pathlib.Path(f"/proc/{worker.process.pid}")
        self.owner.execute("vacuum")
        size = "select pg_database_size(current_database()) / 1024"
        values = {
            "anonymous memory": re.search(r"RssAnon:\s+(\d+)", (folder / "status").read_text())[1],
            "file descriptors": len(list((folder / "fd").iterdir())),
            "database": self.owner.execute(size).fetchone()[0],
            "journal": sum(path.stat().st_size for path in worker.state.glob("journal*")) / 1024,
        }
        for name, value in values.items():
            self.samples[name].append(float(value))

    def problems(self):
        found = [judge(name, values) for name, values in self.samples.items()]
        found += self.told
        if not self.rates or min(self.rates) <= 0:
            found.append("an interval went by without a mail")
        if self.feeder.failure is not None:
            found.append(f"the portal failed: {type(self.feeder.failure).__name__}")
        return [problem for problem in found if problem is not None]

    def end(self):
        self.feeder.is_over.set()
        self.started.stop()
        self.sink.stop()
        self.owner.close()


def describe(name, values):
    """The medians that are compared, and the most there ever was."""
    quarter = max(1, len(values) // 4)
    unit = LIMITS[name].unit
    return (f"{statistics.median(values[quarter:2 * quarter]):,.0f} {unit}, at the end"
            f" {statistics.median(values[-quarter:]):,.0f} {unit}, at most {max(values):,.0f} {unit}")  # fmt: skip


def measure_soak(bench):
    """`./dev bench soak`: a row a figure; what is not flat makes the whole fail."""
    database = "soak"
    with bench.cluster.connect("postgres") as connection:
        connection.execute(f"create database {database} template migrated")
    seconds = 40 if bench.is_quick else length_s()
    soak = Soak(bench.cluster, database, bench.folder)
    try:
        soak.run(seconds)
    finally:
        soak.end()
    bench.add(f"soak of {seconds:,.0f} s at full rate", f"{statistics.median(soak.rates):,.0f} mails/s",
              "-", "-")  # fmt: skip
    for name, values in soak.samples.items():
        is_flat = "flat" if judge(name, values) is None else "GROWS"
        bench.add(f"its {name}", describe(name, values), is_flat, "flat")
        print("    over the time:", " ".join(f"{value:,.0f}" for value in values[:: max(1, SAMPLES // 12)]))
    for problem in soak.problems():
        bench.fail(problem)
