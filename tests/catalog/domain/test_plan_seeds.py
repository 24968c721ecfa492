"""A plan's seeds follow from the bytes that the catalog drew, and from nothing else."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.domain.evidence import Plan, PlanWithSeed, Protocol, Trial
from catalog.errors import Invalid


def plan_with_seed(seed: bytes, n: int = 400) -> PlanWithSeed:
    protocol = Protocol(
        name="p", version="1", n=n, sampled=("target",), fixed=("scene",), latency_blocks=20, latency_block_steps=100
    )
    plan = Plan(
        id="1",
        model="sha256:" + "a" * 64,
        model_name="m",
        device_class="demo-arm",
        environment="demo",
        policy="sha256:" + "b" * 64,
        thresholds={"success_lower_ratio": 0.9},
        protocol=protocol,
        line="m",
        k=1,
        alpha=0.04,
        by="eva",
        at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return PlanWithSeed(plan=plan, plan_digest=plan.digest(), seed=seed.hex())


@given(st.binary(min_size=32, max_size=32), st.integers(1, 400))
@settings(deadline=None, max_examples=30)
def test_seeds_are_as_documented(seed: bytes, n: int) -> None:
    seeds = plan_with_seed(seed, n).seeds()
    assert len(seeds) == len(set(seeds)) == n
    assert all(0 <= s < 2**63 for s in seeds)
    last = hashlib.sha256(seed + (n - 1).to_bytes(8, "big")).digest()[:8]
    assert seeds[-1] == int.from_bytes(last, "big") >> 1


def test_a_longer_plan_continues_the_same_seeds_and_another_draw_shares_none() -> None:
    short, long = plan_with_seed(b"\x01" * 32, 10).seeds(), plan_with_seed(b"\x01" * 32, 20).seeds()
    assert long[:10] == short
    assert not set(long) & set(plan_with_seed(b"\x02" * 32, 20).seeds())


def test_a_plan_is_read_back_as_it_was_written() -> None:
    plan = plan_with_seed(b"\x03" * 32)
    assert PlanWithSeed.parse(plan.canonical()) == plan
    assert plan.plan.digest() == plan.plan_digest


@pytest.mark.parametrize(
    "changes",
    [
        {"outcome": "mostly"},
        {"seed": -1},
        {"seed": 2**63},
        {"seed": 1.0},
        {"distance_m": -0.1},
        {"distance_m": "0.1"},
        {"assisted": 0},
        {"judge": ""},
        {"slice": "near"},
    ],
)
def test_a_trial_is_strict(changes: dict[str, object]) -> None:
    good: dict[str, object] = {
        "unit": "u1",
        "seed": 1,
        "outcome": "success",
        "distance_m": 0.01,
        "duration_s": 1.5,
        "assisted": False,
        "judge": "distance",
    }
    Trial.of(good)
    with pytest.raises(Invalid) as error:
        Trial.of({**good, **changes})
    assert next(iter(changes)) in str(error.value)
