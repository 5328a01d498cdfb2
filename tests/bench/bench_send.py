"""The send path alone, and the whole pipeline, each against smtp-source -d on the same smtp-sink."""

import pathlib
import re
import statistics

from tests.bench import peers, population_sql
from tests.support import process, programs, schema
from tests.support.mail_store import MailStore
from tests.support.queue_calls import is_quiet

CONNECTIONS = 50
MAIL_BYTES = 4096


def measure_send_path(bench):
    """bench_smtp and smtp-source by turns; medians."""
    program = pathlib.Path(schema.binary()).parent / "smtp_bench"
    if not program.exists():
        bench.note("send path", f"{program} has not been built")
        return
    count, rounds = (5_000, 3) if bench.is_quick else (60_000, 5)
    sink = peers.Sink(bench.folder / "sink.log")
    ours, theirs = [], []
    try:
        command = [program, sink.url, CONNECTIONS, count, MAIL_BYTES]
        source = peers.smtp_source(sink.port, count, MAIL_BYTES, CONNECTIONS)
        for number in range(rounds + 1):
            results = (peers.run_timed(command), peers.run_timed(source))
            if number > 0:  # the first pair warms up
                ours.append(results[0])
                theirs.append(results[1])
    finally:
        sink.stop()
    rate, cpu_us = summarise(ours, count)
    their_rate, their_cpu_us = summarise(theirs, count)
    bench.add(
        "send path alone, 50 connections",
        f"{rate:,.0f}/s, {cpu_us:.0f} us CPU a mail; smtp-source -d {their_rate:,.0f}/s,"
        f" {their_cpu_us:.0f} us",
        f"{rate / their_rate:.2f} x",
        ">= 1.3 x",
    )
    bench.command("smtp-sink 127.0.0.1:PORT 1000")
    bench.command(" ".join(map(str, command)))
    bench.command(" ".join(source))


def summarise(results, count):
    """(mails a second, CPU us a mail), medians."""
    return (
        statistics.median(count / elapsed_s for elapsed_s, _, _ in results),
        statistics.median(cpu_s * 1e6 / count for _, cpu_s, _ in results),
    )


def make_database(bench, name):
    with bench.cluster.connect("postgres") as connection:
        connection.execute(f"create database {name} template {schema.TEMPLATE}")
    return name


def queue_alerts(bench, database, count):
    """That many people with an alert of two courses each waiting: (owner, tenant)."""
    owner = population_sql.open_loader(bench.cluster, database)
    portal, tenant = population_sql.put_tenant(bench.cluster, database)
    population_sql.add_people(owner, tenant, count)
    everybody = [f"subject-{number}" for number in range(population_sql.SUBJECTS)]
    for number in range(2):
        portal.put_course(f"c{number}", title=f"Course number {number} for everybody",
                          summary="A day that is worth the drive.", categories=everybody,
                          venue="Westmarch Professional Centre",
                          booking_url="https://westmarch.example.org/c")  # fmt: skip
    while owner.execute("select handbell.fan_out(%s, 10000)", [tenant]).fetchone()[0]:
        pass
    population_sql.settle(owner, "message", "match")
    queued = owner.execute("select count(*) from handbell.message").fetchone()[0]
    if queued != count:
        raise RuntimeError(f"{queued} alerts are queued, not {count}")
    return owner, tenant


def weigh_mail(bench):
    """Bytes of one such alert, as it arrives."""
    database = make_database(bench, "weigh")
    owner, _ = queue_alerts(bench, database, 20)
    store = MailStore()
    started = programs.Programs(bench.folder / "weigh", bench.cluster, database)
    try:
        started.start_worker(store.url)
        mails = store.wait_for(20, 30)
    finally:
        started.stop()
        store.stop()
        owner.close()
    return round(statistics.mean(len(mail.content) for mail in mails))


def measure_pipeline(bench):
    """Claim, mark, render text and HTML, sign the link, send, record: all of it, by one worker."""
    size_bytes = weigh_mail(bench)
    count, rounds = (5_000, 1) if bench.is_quick else (40_000, 3)
    rates, their_rates = [], []
    sink = peers.Sink(bench.folder / "sink.log")
    source = peers.smtp_source(sink.port, count, size_bytes, CONNECTIONS)
    try:
        for number in range(rounds):
            rates.append(send_all(bench, f"pipeline{number}", count, sink))
            their_rates.append(count / peers.run_timed(source)[0])
    finally:
        sink.stop()
    rate, their_rate = statistics.median(rates), statistics.median(their_rates)
    bench.add(
        f"whole pipeline, {count:,} two-part mails of {size_bytes:,} bytes",
        f"{rate:,.0f}/s, {bench.worker_cpu_us:.0f} us of the worker's CPU a mail; smtp-source -d"
        f" {their_rate:,.0f}/s",
        f"{rate / their_rate:.2f} x",
        ">= 0.8 x (0.5 x at this stage)",
    )
    bench.command(" ".join(source))


def send_all(bench, name, count, sink, more_settings=None):
    """Mails a second, from the first recorded to the last."""
    database = make_database(bench, name)
    owner, _ = queue_alerts(bench, database, count)
    started = programs.Programs(bench.folder / name, bench.cluster, database)
    try:
        settings = {"smtp": {"connections": CONNECTIONS}, **(more_settings or {})}
        worker = started.start_worker(sink.url, settings)
        process.wait_until(
            lambda: worker.check_running() and is_quiet(owner), 600, "all is sent", 0.05
        )
        memory = re.search(
            r"RssAnon:\s+(\d+)", pathlib.Path(f"/proc/{worker.process.pid}/status").read_text()
        )
        bench.worker_cpu_us = peers.cpu_seconds(worker.process.pid) * 1e6 / count
        bench.worker_memory_kb = max(bench.worker_memory_kb, int(memory.group(1)))
        sent, seconds = owner.execute(
            """select count(*), extract(epoch from max(ended_at) - min(ended_at))::float8
               from handbell.message_record where state = 'sent'"""
        ).fetchone()
        if sent != count:
            raise RuntimeError(f"{sent} of {count} were sent")
        return sent / seconds
    finally:
        started.stop()
        owner.close()
        with bench.cluster.connect("postgres", "postgres") as superuser:
            superuser.execute(f"drop database {database} with (force)")
