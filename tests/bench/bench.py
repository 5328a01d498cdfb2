"""`./dev bench`: each figure beside its goal of DESIGN.md, section 14, and how to take it again.

It measures with a private PostgreSQL that really syncs, on this machine alone; a slow machine is no
failure. Ratios compare two things in one run.
"""

import argparse
import os
import pathlib
import platform
import re
import shutil
import signal
import sys
import tempfile
import textwrap

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.bench import bench_busy, bench_dkim, bench_queue, bench_send  # noqa: E402
from tests.fault import soak  # noqa: E402
from tests.support import schema  # noqa: E402
from tests.support.cluster import Cluster  # noqa: E402

PARTS = ("send", "pipeline", "dkim", "match", "claim", *bench_busy.PARTS, "soak")
SETTINGS = {
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "min_wal_size": "2GB",
    "checkpoint_timeout": "30min",
    "maintenance_work_mem": "512MB",
    "effective_cache_size": "4GB",
}


class Bench:
    """What was measured so far, and where."""

    def __init__(self, is_quick, folder):
        self.is_quick = is_quick
        self.folder = folder
        self.rows = []
        self.failures = []
        self.commands = []
        self.worker_memory_kb = 0
        self.worker_cpu_us = 0
        self.load_before = os.getloadavg()[0]
        self.cluster = Cluster(settings=SETTINGS)

    def add(self, what, figure, ratio, goal):
        self.rows.append((what, figure, ratio, goal))
        print(f"  {what}: {figure} ({ratio}, goal {goal})", flush=True)

    def note(self, what, problem):
        self.add(what, f"not measured: {problem}", "-", "-")

    def fail(self, problem):
        """A promise that was broken, not a machine that is slow: the exit status says so."""
        self.failures.append(problem)
        print(f"  FAILED: {problem}", flush=True)

    def command(self, text):
        text = re.sub(r"(127\.0\.0\.1):\d+", r"\1:PORT", text)
        if text not in self.commands:
            self.commands.append(text)

    def attempt(self, what, measure):
        """One part that cannot be measured does not take the others with it."""
        try:
            return measure()
        except (RuntimeError, AssertionError, OSError) as error:
            self.note(what, str(error).splitlines()[0])
        return None


def print_table(bench):
    titles = ("what", "figure", "ratio", "goal")
    widths = [48, 58, 12, 24]

    def print_row(cells, rule=False):
        wrapped = [textwrap.wrap(cell, width) or [""] for cell, width in zip(cells, widths)]
        for number in range(max(map(len, wrapped))):
            line = [(w[number] if number < len(w) else "").ljust(width)
                    for w, width in zip(wrapped, widths)]  # fmt: skip
            print("  ".join(line).rstrip())
        if rule:
            print("  ".join("-" * width for width in widths))

    print()
    print_row(titles, rule=True)
    for row in bench.rows:
        print_row(row)
    print("\nTo take them again:")
    for command in bench.commands:
        print(textwrap.fill(command, 140, initial_indent="  ", subsequent_indent="      "))
    print(f"  ./dev bench {' '.join(sys.argv[1:])}".rstrip())
    print(f"On {platform.machine()}, {os.cpu_count()} processors, Linux {platform.release()};"
          f" load before: {bench.load_before:.1f} (above 0.5, others' work is in the figures).")


def run(bench, parts):
    bench.cluster.create()
    schema.Databases(bench.cluster)
    if "send" in parts:
        bench.attempt("send path", lambda: bench_send.measure_send_path(bench))
    if "pipeline" in parts:
        bench.attempt("whole pipeline", lambda: bench_send.measure_pipeline(bench))
        if bench.worker_memory_kb > 0:
            memory = f"{bench.worker_memory_kb / 1024:.1f} MB"
            bench.add("anonymous memory of that worker", memory, "-", "<= 32 MB")
    if "dkim" in parts:
        bench.attempt("signed mails", lambda: bench_dkim.measure_dkim(bench))
    if "soak" in parts:
        bench.attempt("soak", lambda: soak.measure_soak(bench))
    if set(parts) & set(bench_busy.PARTS):
        database = bench_send.make_database(bench, "busy")
        bench.attempt("beside a long queue", lambda: bench_busy.measure(bench, database, parts))
    if "match" in parts or "claim" in parts:
        database = bench_send.make_database(bench, "queue")
        measured = bench.attempt("matching", lambda: bench_queue.measure_matching(bench, database))
        if measured and "claim" in parts:
            owner, tenant, _ = measured
            bench.attempt(
                "claiming", lambda: bench_queue.measure_claiming(bench, database, owner, tenant)
            )


def main():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    parser.add_argument("part", nargs="*", help=f"{', '.join(PARTS)}; none: all but soak")
    arguments = parser.parse_args()
    parts = arguments.part or [part for part in PARTS if part != "soak"]
    unknown = set(parts) - set(PARTS)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    os.environ.setdefault("HANDBELL_BINARY", str(ROOT / "build/release/handbell"))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hb-bench-"))
    bench = Bench(arguments.quick, folder)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        run(bench, parts)
    finally:
        bench.cluster.remove()
        shutil.rmtree(folder, ignore_errors=True)
    print_table(bench)
    if bench.failures:
        sys.exit(1)


if __name__ == "__main__":
    main()
