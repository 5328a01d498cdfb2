"""Matching at a million people, and claiming from a short and a very long queue."""

import contextlib
import statistics
import threading
import time

import psycopg

from tests.bench import peers, population_sql
from tests.support.queue_calls import FROM_START, Queue
from tests.support.schema import WORKER

ALERT_LANE = 5
FAN_OUT_LIMIT = 100_000  # CHORES_FAN_OUT_PEOPLE of worker/flow/chores.h


def measure_matching(bench, database):
    """Stored durably: real fsync, a commit a step, as the worker does it."""
    count = 50_000 if bench.is_quick else 1_000_000
    owner = population_sql.open_loader(bench.cluster, database)
    worker = bench.cluster.connect(database, WORKER)
    portal, tenant = population_sql.put_tenant(bench.cluster, database)
    population_sql.add_people(owner, tenant, count)
    one_subject = ["subject-0"]
    broader = [f"subject-{number}" for number in (1, 2, 3, 4)] + ["audience-0"]
    for name, categories in (("one subject", one_subject), ("four subjects, one audience", broader)):
        times, cpu_times, matched = [], [], 0
        population_sql.rest(owner)
        for number in range(5):
            cpu_before_s = peers.cpu_seconds(worker.info.backend_pid)
            seconds, matched = match_one(worker, portal, tenant, f"{name} {number}", categories)
            times.append(seconds)
            cpu_times.append(peers.cpu_seconds(worker.info.backend_pid) - cpu_before_s)
            owner.execute("delete from handbell.match")
            owner.execute("delete from handbell.message")
            population_sql.settle(owner, "match", "message")
        seconds = statistics.median(times)
        bench.add(
            f"matching one course ({name}) among {count:,}",
            f"{seconds:.2f} s ({statistics.median(cpu_times):.2f} s of CPU) for {matched:,} matches"
            " and messages",
            f"{seconds / matched * 1e6:.1f} us each",
            "<= 0.4 s at 57,000 of a million",
        )
    bench.command(f"select handbell.fan_out(tenant, {FAN_OUT_LIMIT}) until it is false")
    return owner, tenant, count


def match_one(worker, portal, tenant, course, categories):
    """(seconds, matches): as the worker does it, step by step on one connection."""
    portal.put_course(course, categories=categories)
    queue = Queue(worker)
    started = time.perf_counter()
    while queue.fan_out(tenant, FAN_OUT_LIMIT):
        pass
    seconds = time.perf_counter() - started
    (matched,) = portal.connection.execute(
        """select recipients from handbell.course_report where tenant = 'demo' and course = %s
           and kind = 'course_alert'""",
        [course],
    ).fetchone()
    return seconds, matched


def add_queue(owner, tenant, first, count):
    """Alerts of one course each, due one after the other."""
    owner.execute(
        """with waiting as (
               insert into handbell.message (tenant_id, person_id, courses, due, expires_at, lane,
                                             kind, is_sealed)
               select %(tenant)s, p.person_id,
                      array[(select min(course_id) from handbell.course)],
                      now() - interval '1 day' + i * interval '10 ms', now() + interval '6 days', 5,
                      'course_alert', i > %(people)s
               from generate_series(%(first)s::bigint, %(first)s + %(count)s - 1) i
               join (select person_id, row_number() over (order by person_id) as n
                     from handbell.person where tenant_id = %(tenant)s) p
                   on p.n = i %% %(people)s + 1
               returning message_id, person_id, is_sealed)
           insert into handbell.match (tenant_id, course_id, person_id, message_id)
           select %(tenant)s, (select min(course_id) from handbell.course), person_id, message_id
           from waiting where not is_sealed""",
        {
            "tenant": tenant,
            "first": first,
            "count": count,
            "people": owner.execute("select count(*) from handbell.person").fetchone()[0],
        },
    )
    population_sql.settle(owner, "message", "match")


def time_claims(connection, tenant, rounds=200, place=FROM_START):
    """(median ms, ms of processor time) of a claim of 100, rolled back."""
    times = []
    queue = Queue(connection)
    cpu_before_s = peers.cpu_seconds(connection.info.backend_pid)
    for _ in range(rounds):
        with connection.transaction() as transaction:
            started = time.perf_counter()
            claimed = queue.claim(tenant, ALERT_LANE, 100, place=place)
            times.append((time.perf_counter() - started) * 1000)
            if len(claimed) != 100:
                raise RuntimeError(f"{len(claimed)} were claimed, not 100")
            raise psycopg.Rollback(transaction)
    cpu_s = peers.cpu_seconds(connection.info.backend_pid) - cpu_before_s
    return statistics.median(times), cpu_s * 1000 / rounds


def measure_claiming(bench, database, owner, tenant):
    short, long = 10_000, 100_000 if bench.is_quick else 5_000_000
    worker = bench.cluster.connect(database, WORKER)
    try:
        add_queue(owner, tenant, 1, short)
        population_sql.rest(owner)
        base = time_claims(worker, tenant)
        compare(bench, f"claiming 100, {short:,} queued", base, base, None)
        step = 1_000_000
        for first in range(short + 1, long, step):
            add_queue(owner, tenant, first, min(step, long - first + 1))
        population_sql.rest(owner)
        compare(bench, f"claiming 100, {long:,} queued", time_claims(worker, tenant), base, 1.2)
        dead = long // 5
        owner.execute(
            """with gone as (select message_id from handbell.message where tenant_id = %s
                             and is_sealed order by due limit %s)
               delete from handbell.message m using gone
               where m.tenant_id = %s and m.message_id = gone.message_id""",
            [tenant, dead, tenant],
        )
        population_sql.settle(owner, "message")
        population_sql.rest(owner)
        compare(bench, f"the same, {dead:,} dead rows vacuumed",
                time_claims(worker, tenant), base, 1.2)  # fmt: skip
        measure_with_snapshot(bench, database, worker, tenant, base)
    finally:
        worker.close()


def compare(bench, what, figure, base, goal):
    """By the clock; the processor time says how much of a difference is the machine's."""
    (wall_ms, cpu_ms), (base_wall_ms, base_cpu_ms) = figure, base
    bench.add(
        what,
        f"{wall_ms:.2f} ms ({cpu_ms:.2f} ms of CPU, {cpu_ms / base_cpu_ms:.2f} x)",
        f"{wall_ms / base_wall_ms:.2f} x",
        f"<= {goal} x" if goal else "-",
    )


@contextlib.contextmanager
def held_snapshot(bench, database):
    with bench.cluster.connect(database, autocommit=False) as holder:
        holder.execute("set transaction isolation level repeatable read")
        holder.execute("select count(*) from handbell.tenant")
        yield
        holder.rollback()


def measure_with_snapshot(bench, database, worker, tenant, base):
    """A snapshot is held while mails are claimed, marked and recorded: what ended cannot be swept. As the
    worker does it, each claim goes on where the last one ended; every few seconds one starts afresh."""
    seconds = 3 if bench.is_quick else 60
    stop = threading.Event()
    done = []
    places = [FROM_START]

    def work():
        with bench.cluster.connect(database, WORKER) as connection:
            queue = Queue(connection)
            while not stop.is_set():
                claimed = queue.claim(tenant, ALERT_LANE, 200, place=places[0])
                going = {
                    number: claimed[number]
                    for number, (verdict, *_) in queue.mark(tenant, claimed).items()
                    if verdict == "go"
                }
                queue.record(tenant, going)
                done.append(len(claimed))
                places[0] = queue.place

    with held_snapshot(bench, database):
        sender = threading.Thread(target=work)
        sender.start()
        time.sleep(seconds)
        stop.set()
        sender.join()
        figure = time_claims(worker, tenant, 30, places[0])
        first = time_claims(worker, tenant, 30)
    compare(bench, f"the same, a {seconds} s snapshot held, {sum(done):,} mails ended meanwhile",
            figure, base, 3)  # fmt: skip
    compare(bench, "the same, one claim in 5 s: from the beginning", first, base, None)
