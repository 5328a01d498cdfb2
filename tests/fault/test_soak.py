"""What must not grow does not; and the rule that says so can fail."""

import pytest

from tests.fault import soak
from tests.support import scale, schema


def test_the_soaks_rule_finds_a_leak_a_peak_and_a_run_that_is_too_short():
    flat = [20000.0 + 300 * (number % 3) for number in range(soak.SAMPLES)]
    leak = [20000.0 + 60 * number for number in range(soak.SAMPLES)]
    assert soak.judge("anonymous memory", flat) is None
    assert "grew" in soak.judge("anonymous memory", [value + 1500 * (number >= 30) for number, value in
                                                     enumerate(flat)])  # fmt: skip
    assert "grew" in soak.judge("anonymous memory", leak)
    assert "above" in soak.judge("anonymous memory", [*flat[:-1], 40000.0])
    assert "too few" in soak.judge("database", [1.0])
    assert "grew" in soak.judge("file descriptors", [30.0] * 24 + [32.0] * 24)
    # Warming up is no leak.
    assert soak.judge("anonymous memory", [5000.0 + 1000 * min(number, 10) for number in range(48)]) is None


@pytest.mark.skipif(not scale.FULL, reason="an hour; ./dev bench soak takes a minute")
def test_in_an_hour_at_full_rate_nothing_grows(cluster, database, tmp_path):
    if b"__asan_init" in schema.binary().read_bytes():
        pytest.skip("the sanitizer's memory is its own")
    run = soak.Soak(cluster, database, tmp_path)
    try:
        run.run(soak.length_s())
    finally:
        run.end()
    assert run.problems() == [], run.samples
