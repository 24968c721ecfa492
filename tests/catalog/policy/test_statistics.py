"""The figures of ASSURANCE, computed; and bounds that hold at the rate they claim, by exact sums."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from catalog.policy.statistics import (
    attempt_alpha,
    forged_share_found,
    latency_bound,
    rate_upper_bound,
    success_lower_bound,
)


def fewest(threshold: float, alpha: float, failures: int) -> int:
    """The smallest n that proves the threshold with that many failures."""
    n = failures + 1
    while success_lower_bound(n - failures, n, alpha) < threshold:
        n += 1
    return n


@pytest.mark.parametrize(
    ("threshold", "failures", "n"),
    [(0.99, 0, 299), (0.99, 1, 473), (0.99, 2, 628), (0.999, 0, 2995), (0.999, 1, 4742), (0.999, 2, 6294)],
)
def test_units_needed_at_the_full_alpha(threshold: float, failures: int, n: int) -> None:
    assert fewest(threshold, 0.05, failures) == n


@pytest.mark.parametrize(
    ("threshold", "attempt", "n"),
    [(0.95, 1, 63), (0.95, 2, 95), (0.95, 3, 126), (0.99, 1, 321), (0.99, 2, 481), (0.99, 3, 641)],
)
def test_flawless_units_needed_at_each_attempt(threshold: float, attempt: int, n: int) -> None:
    assert fewest(threshold, attempt_alpha(attempt), 0) == n


@pytest.mark.parametrize(("attempt", "successes"), [(1, 371), (2, 375), (3, 378)])
def test_the_demo_arm_passes_from_these_successes_on(attempt: int, successes: int) -> None:
    alpha = attempt_alpha(attempt)
    assert success_lower_bound(successes, 400, alpha) >= 0.90
    assert success_lower_bound(successes - 1, 400, alpha) < 0.90


def test_what_a_good_and_a_bad_arm_would_do_at_the_first_attempt() -> None:
    assert binom.sf(370, 400, 0.97) == pytest.approx(0.99999, abs=5e-6)
    assert binom.sf(370, 400, 0.85) == pytest.approx(2e-6, rel=0.2)


@pytest.mark.parametrize(("attempt", "allowed"), [(1, 12), (2, 9), (3, 7)])
def test_the_misses_that_two_thousand_steps_allow(attempt: int, allowed: int) -> None:
    for misses, within in ((allowed, True), (allowed + 1, False)):
        blocks = [[1.0] * 100 for _ in range(20)]
        for i in range(misses):
            blocks[i % 20][i // 20] = 30.0
        bound = latency_bound(blocks, 20.0, 0.99, attempt_alpha(attempt))
        assert bound is not None
        assert (bound.n, bound.misses, bound.allowed, bound.dispersion) == (2000, misses, allowed, 1.0)
        assert bound.upper_ms is not None
        assert (bound.upper_ms <= 20.0) is within


@pytest.mark.parametrize(("quantile", "confidence", "n"), [(0.99, 0.95, 299), (0.99, 0.99, 459), (0.999, 0.95, 2995)])
def test_the_steps_from_which_the_maximum_bounds_a_quantile(quantile: float, confidence: float, n: int) -> None:
    def bound(count: int) -> float | None:
        times = [float(i) for i in range(count)]
        found = latency_bound([times[: count // 2], times[count // 2 :]], 1e9, quantile, 1 - confidence)
        assert found is not None
        return found.upper_ms

    assert bound(n) == n - 1
    assert bound(n - 1) is None


def test_attempts_share_one_budget() -> None:
    assert [attempt_alpha(k) for k in (1, 2, 3)] == pytest.approx([0.04, 0.008, 0.0016])
    assert sum(attempt_alpha(k) for k in range(1, 50)) <= 0.05 + 1e-15


@given(st.integers(1, 60), st.floats(0.02, 0.98), st.floats(0.001, 0.2))
@settings(deadline=None, max_examples=60)
def test_the_success_bound_is_too_high_at_most_alpha_of_the_time(n: int, rate: float, alpha: float) -> None:
    wrong = sum(binom.pmf(x, n, rate) for x in range(n + 1) if success_lower_bound(x, n, alpha) > rate)
    assert wrong <= alpha + 1e-12


@given(st.integers(1, 60), st.floats(0.02, 0.98), st.floats(0.001, 0.2))
@settings(deadline=None, max_examples=60)
def test_the_miss_bound_is_too_low_at_most_alpha_of_the_time(n: int, rate: float, alpha: float) -> None:
    wrong = sum(binom.pmf(x, n, rate) for x in range(n + 1) if rate_upper_bound(x, n, alpha) < rate)
    assert wrong <= alpha + 1e-12


BLOCKS = st.lists(st.lists(st.floats(0, 100), min_size=150, max_size=150), min_size=3, max_size=5)


@given(BLOCKS, st.floats(0.1, 100))
@settings(deadline=None, max_examples=60)
def test_the_upper_bound_is_within_the_limit_exactly_when_the_misses_are_allowed(
    blocks: list[list[float]], limit: float
) -> None:
    bound = latency_bound(blocks, limit, 0.9, 0.05)
    assert bound is not None
    assert bound.misses == sum(t > limit for block in blocks for t in block)
    allowed = bound.allowed if bound.allowed is not None else -1
    assert (bound.upper_ms is not None and bound.upper_ms <= limit) == (bound.misses <= allowed)
    independent = latency_bound(blocks, 1e9, 0.9, 0.05)
    assert independent is not None
    assert independent.allowed is not None
    assert allowed <= independent.allowed


def test_misses_in_one_burst_count_for_less() -> None:
    spread = [[30.0] + [1.0] * 99 for _ in range(10)] + [[1.0] * 100] * 10
    burst = [[30.0] * 10 + [1.0] * 90] + [[1.0] * 100] * 19
    a, b = latency_bound(spread, 20, 0.99, 0.04), latency_bound(burst, 20, 0.99, 0.04)
    assert a is not None
    assert b is not None
    assert (a.misses, b.misses) == (10, 10)
    assert a.upper_ms == 1.0
    assert b.dispersion == pytest.approx(10)
    assert b.effective_n == pytest.approx(200)
    assert (b.allowed, b.upper_ms) == (None, None)


def test_without_a_miss_dependence_cannot_be_tested() -> None:
    clean = latency_bound([[1.0] * 100] * 20, 20, 0.99, 0.04)
    assert clean is not None
    assert clean.dependence == "not testable"
    late = latency_bound([[1.0] * 99 + [21.0]] * 20, 20, 0.99, 0.04)
    assert late is not None
    assert late.dependence == "tested"


def test_one_block_tests_nothing() -> None:
    assert latency_bound([[1.0] * 2000], 20, 0.99, 0.04) is None
    assert latency_bound([], 20, 0.99, 0.04) is None


@pytest.mark.parametrize(
    ("n", "share"), [(0, 1.0), (1, 0.95), (59, 0.0495), (299, 0.00997)], ids=["none", "one", "59", "299"]
)
def test_the_forged_share_that_a_replay_finds(n: int, share: float) -> None:
    assert forged_share_found(n, 0.95) == pytest.approx(share, abs=5e-5)
    assert 1 - (1 - forged_share_found(n, 0.95)) ** n >= 0.95 - 1e-12 or n == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda: success_lower_bound(2, 1, 0.05),
        lambda: success_lower_bound(0, 0, 0.05),
        lambda: success_lower_bound(-1, 3, 0.05),
        lambda: success_lower_bound(1, 3, 0.0),
        lambda: rate_upper_bound(4, 3, 0.05),
        lambda: attempt_alpha(0),
        lambda: latency_bound([[1.0], [float("nan")]], 20, 0.99, 0.05),
        lambda: latency_bound([[1.0], [1.0]], float("inf"), 0.99, 0.05),
        lambda: forged_share_found(-1),
    ],
)
def test_nonsense_is_refused(call: object) -> None:
    with pytest.raises(ValueError):
        call()  # type: ignore[operator]
