"""The whole pipeline with each mail signed, against what `openssl speed` signs on the same processors."""

import os
import re
import statistics
import subprocess

from tests.bench import bench_send, peers
from tests.support.dkim_keys import DkimKeys
from tests.support.portal import TENANT_FACTS

SECONDS = 3


def openssl_rate(bench):
    """rsa-2048 signatures a second, on all processors at once."""
    command = ["openssl", "speed", "-multi", str(os.cpu_count()), "-seconds", str(SECONDS), "rsa2048"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    bench.command(" ".join(command))
    found = re.search(r"^rsa 2048 bits +\S+ +\S+ +([0-9.]+)", done.stdout, re.M)
    if not found:
        raise RuntimeError("openssl speed said nothing of rsa 2048")
    return float(found.group(1))


def measure_dkim(bench):
    """By turns: openssl speed, mails signed with rsa-2048, and with both algorithms."""
    count, rounds = (2_000, 1) if bench.is_quick else (12_000, 3)
    domain = TENANT_FACTS["from_address"].partition("@")[2]
    rsa, both = (DkimKeys(bench.folder / name) for name in ("dkim-rsa", "dkim-both"))
    rsa.make(domain, "s1")
    both.make(domain, "s1")
    both.make(domain, "e1", "ed25519")
    sink = peers.Sink(bench.folder / "sink-dkim.log")
    signatures, rates, both_rates, cpu_us = [], [], [], {}
    try:
        for number in range(rounds):
            signatures.append(openssl_rate(bench))
            for name, keys, found in (("rsa", rsa, rates), ("both", both, both_rates)):
                settings = {"dkim": {"key_dir": keys.folder}}
                found.append(bench_send.send_all(bench, f"dkim_{name}{number}", count, sink, settings))
                cpu_us[name] = bench.worker_cpu_us
    finally:
        sink.stop()
    theirs = statistics.median(signatures)
    for name, what, found, goal in (("rsa", "rsa-2048", rates, ">= 0.85 x"),
                                    ("both", "rsa-2048 and ed25519", both_rates, "-")):  # fmt: skip
        rate = statistics.median(found)
        bench.add(
            f"whole pipeline, {count:,} mails signed with {what}",
            f"{rate:,.0f}/s, {cpu_us[name]:.0f} us of the worker's CPU a mail; openssl speed -multi"
            f" {os.cpu_count()} rsa2048 {theirs:,.0f} signatures/s",
            f"{rate / theirs:.2f} x",
            goal,
        )
