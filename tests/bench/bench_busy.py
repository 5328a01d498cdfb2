"""What goes on beside a very long queue of alerts: urgent notices, another tenant, a worker's start."""

import contextlib
import os
import pathlib
import re
import signal
import statistics
import time

from tests.bench import bench_queue, peers, population_sql
from tests.support import process, programs

CONNECTIONS = 20  # the setting's default


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


class BusyQueue:
    """A database whose tenant `demo` has `count` alerts due, and a sink that takes them."""

    def __init__(self, bench, database, count):
        self.bench = bench
        self.database = database
        self.count = count
        self.owner = population_sql.open_loader(bench.cluster, database)
        self.portal, self.tenant = population_sql.put_tenant(bench.cluster, database)
        population_sql.add_people(self.owner, self.tenant, min(count, 200_000))
        self.portal.put_course("everybody", summary="A day that is worth the drive.",
                               categories=["subject-0"], venue="Westmarch Professional Centre",
                               booking_url="https://westmarch.example.org/c")  # fmt: skip
        self.owner.execute("delete from handbell.job")  # its alerts are laid into the queue below
        self.sink = peers.Sink(bench.folder / "busy-sink.log")
        self.laid = 0
        self.add(count)

    def add(self, count):
        """One million at a time."""
        step, end = 1_000_000, self.laid + count
        while self.laid < end:
            more = min(step, end - self.laid)
            bench_queue.add_queue(self.owner, self.tenant, self.laid + 1, more)
            self.laid += more

    @contextlib.contextmanager
    def worker(self, settings=None):
        started = programs.Programs(self.bench.folder / f"busy{time.time_ns()}", self.bench.cluster,
                                    self.database)  # fmt: skip
        try:
            merged = {"smtp": {"connections": CONNECTIONS}, **(settings or {})}
            yield started.start_worker(self.sink.url, merged)
        finally:
            started.stop()

    def sent(self):
        return self.owner.execute(
            "select count(*) from handbell.message_record where state = 'sent'"
        ).fetchone()[0]

    def wait_until_sending(self, worker):
        before = self.sent()
        process.wait_until(
            lambda: worker.check_running() and self.sent() > before + 500, 60, "alerts are sent", 0.1
        )

    def close(self):
        self.sink.stop()
        self.owner.close()


def book_one_each(portal, count):
    """So many courses with a delegate each."""
    portal.put_many("person", [{"ref": f"d{n}", "email": f"delegate{n}@example.org",
                                "first_name": "Delegate", "last_name": f"Number {n}"}
                               for n in range(count)])  # fmt: skip
    for number in range(count):
        portal.put_course(f"u{number}")
        portal.put_booking(f"b{number}", f"u{number}", f"d{number}", status="confirmed", quiet=True)


def measure_urgent(bench, busy):
    """From the commit of a cancellation to when its sending is recorded, which is after the server's 250."""
    count, pause_s = (30, 0.1) if bench.is_quick else (300, 0.1)
    book_one_each(busy.portal, count)
    committed = []
    with busy.worker() as worker:
        busy.wait_until_sending(worker)
        sent_before, started = busy.sent(), time.monotonic()
        for number in range(count):
            busy.portal.change_course(f"u{number}", status="cancelled")
            committed.append(time.time())
            time.sleep(pause_s)
        rate = (busy.sent() - sent_before) / (time.monotonic() - started)
        process.wait_until(lambda: len(ended_notices(busy)) == count, 20, "all notices are sent")
    waits_ms = [(ended - commit) * 1000 for ended, commit in zip(ended_notices(busy), committed)]
    bench.add(
        f"{count} urgent notices while {busy.count:,} alerts are being sent, commit to recorded 250",
        f"p50 {percentile(waits_ms, 50):.0f} ms, p99 {percentile(waits_ms, 99):.0f} ms, most"
        f" {max(waits_ms):.0f} ms, beside {rate:,.0f} alerts/s",
        "-",
        "p99 <= 100 ms",
    )


def ended_notices(busy):
    """When each was recorded, in the order in which the courses were cancelled."""
    return [row[0] for row in busy.owner.execute(
        """select extract(epoch from ended_at)::float8 from handbell.message_record
           where kind = 'course_cancelled' and state = 'sent' order by job_id""").fetchall()]  # fmt: skip


def measure_fairness(bench, busy):
    """A second tenant publishes a course for its ten people, again and again."""
    rounds = 3 if bench.is_quick else 10
    portal, tenant = population_sql.put_tenant(bench.cluster, busy.database, "other")
    portal.put_many("person", [{"ref": f"t{n}", "email": f"teacher{n}@example.org", "alerts": True,
                                "interests": ["subject-0"]} for n in range(10)])  # fmt: skip
    waits_s = []
    with busy.worker() as worker:
        busy.wait_until_sending(worker)
        for number in range(rounds):
            portal.put_course(f"ten{number}", categories=["subject-0"])
            committed = time.time()

            def count_done(wanted=(number + 1) * 10):
                return busy.owner.execute(
                    """select count(*) = %s from handbell.message_record
                       where tenant_id = %s and state = 'sent'""", [wanted, tenant]
                ).fetchone()[0]  # fmt: skip

            process.wait_until(count_done, 60, "the ten are sent", 0.02)
            (last,) = busy.owner.execute(
                """select extract(epoch from max(ended_at))::float8 from handbell.message_record
                   where tenant_id = %s""", [tenant]).fetchone()  # fmt: skip
            waits_s.append(last - committed)
    bench.add(
        f"another tenant's ten alerts, {rounds} times, beside {busy.count:,}",
        f"p50 {percentile(waits_s, 50):.2f} s, most {max(waits_s):.2f} s from the course's commit",
        "-",
        "<= 2 s",
    )


def rate_through_first(busy, seconds):
    """Mails a second that the first relay took."""
    question = "select count(*) from handbell.message_record where state = 'sent' and relay = 1"
    (before,) = busy.owner.execute(question).fetchone()
    started = time.monotonic()
    time.sleep(seconds)
    (after,) = busy.owner.execute(question).fetchone()
    return (after - before) / (time.monotonic() - started)


def measure_relays(bench, busy):
    """The first relay alone; beside a second one with half of the queue that falls silent; and alone."""
    seconds = 3 if bench.is_quick else 20
    second = peers.Sink(bench.folder / "second-sink.log")
    alone = []
    try:
        for has_second in (False, True, False):
            busy.owner.execute(
                "update handbell.message set relay = 1 + case when %s then message_id %% 2 else 0 end",
                [has_second],
            )
            population_sql.settle(busy.owner, "message")
            settings = {"smtp2": {"url": second.url, "connections": CONNECTIONS}} if has_second else {}
            with busy.worker(settings) as worker:
                busy.wait_until_sending(worker)
                if has_second:
                    os.kill(second.process.pid, signal.SIGSTOP)
                    beside = rate_through_first(busy, seconds)
                else:
                    alone.append(rate_through_first(busy, seconds))
                if has_second:
                    os.kill(second.process.pid, signal.SIGCONT)
    finally:
        os.kill(second.process.pid, signal.SIGCONT)
        second.stop()
    base = statistics.mean(alone)
    bench.add(
        "one of two relays falls silent: the other, against itself alone before and after",
        f"{beside:,.0f}/s beside it; {alone[0]:,.0f} and {alone[1]:,.0f}/s alone",
        f"{beside / base:.2f} x",
        ">= 0.95 x",
    )


def first_mail_s(bench, busy):
    """Seconds from a worker's start to its first mail recorded, the database just started itself."""
    busy.owner.close()
    bench.cluster.restart("fast")
    busy.owner = population_sql.open_loader(bench.cluster, busy.database)
    (before,) = busy.owner.execute(
        "select coalesce(max(ended_at), now()) from handbell.message_record"
    ).fetchone()
    started = time.time()
    with busy.worker() as worker:
        busy.wait_until_sending(worker)
    (first,) = busy.owner.execute(
        """select extract(epoch from min(ended_at))::float8 from handbell.message_record
           where ended_at > %s""", [before]).fetchone()  # fmt: skip
    return first - started


def measure_cold_start(bench, busy):
    """With a million queued; then anonymous memory, with five."""
    waits_s = [first_mail_s(bench, busy) for _ in range(3)]
    bench.add(
        f"first mail recorded after a cold start of database and worker, {busy.count:,} queued",
        f"{min(waits_s):.2f} to {max(waits_s):.2f} s from the worker's start",
        "-",
        "<= 1 s",
    )
    more = 50_000 if bench.is_quick else 4_000_000
    busy.add(more)
    with busy.worker() as worker:
        busy.wait_until_sending(worker)
        time.sleep(1 if bench.is_quick else 20)
        memory = re.search(
            r"RssAnon:\s+(\d+)", pathlib.Path(f"/proc/{worker.process.pid}/status").read_text()
        )
    bench.add(
        f"anonymous memory of a worker, {busy.count + more:,} queued, {CONNECTIONS} connections",
        f"{int(memory.group(1)) / 1024:.1f} MB",
        "-",
        "<= 32 MB, flat",
    )


def measure(bench, database, parts):
    """Those of `parts` that are measured beside a long queue."""
    busy = BusyQueue(bench, database, 100_000 if bench.is_quick else 1_000_000)
    try:
        for part, what in PARTS.items():
            if part in parts:
                bench.attempt(part, lambda what=what: what(bench, busy))
    finally:
        busy.close()


PARTS = {
    "urgent": measure_urgent,
    "fairness": measure_fairness,
    "relays": measure_relays,
    "cold": measure_cold_start,
}
