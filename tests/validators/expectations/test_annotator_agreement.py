"""Agreement against published examples, and against the definition computed the slow way."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validators.statistics.agreement import Alpha, bounds, cohens_kappa, iou, kappa_of, matched

_ = math.nan
KRIPPENDORFF = np.array(  # Krippendorff 2011, section C: four observers, twelve units
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
        [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
    ]
)


def flat(table):
    units = np.broadcast_to(np.arange(table.shape[1]), table.shape)
    there = np.isfinite(table)
    return table[there], units[there]


@pytest.mark.parametrize(("level", "published"), [("nominal", 0.743), ("interval", 0.849)])
def test_krippendorffs_own_example(level, published):
    alpha = Alpha(*flat(KRIPPENDORFF), level)
    assert alpha.value() == pytest.approx(published, abs=5e-4)
    assert 11 not in alpha.kept  # one observer alone


def test_kappa_of_the_textbook():
    """Two readers, fifty proposals: 20 and 15 agreed, 5 and 10 not."""
    assert cohens_kappa(np.array([[20.0, 5], [10, 15]])) == pytest.approx(0.4)


def test_kappa_of_cohens_own_table():
    """Cohen 1960, table 1, as proportions of 200: p_o = 0.70, p_e = 0.41."""
    table = np.array([[0.44, 0.05, 0.01], [0.07, 0.20, 0.03], [0.09, 0.05, 0.06]]) * 200
    assert cohens_kappa(table) == pytest.approx((0.70 - 0.41) / (1 - 0.41))


ratings = st.lists(st.lists(st.sampled_from([_, 0, 1, 2, 5]), min_size=3, max_size=3), min_size=1, max_size=8)


@given(ratings, st.sampled_from(["nominal", "interval"]))
def test_alpha_is_its_definition(rows, level):
    table = np.array(rows).T  # [raters, units]
    found = Alpha(*flat(table), level).value()
    units = [[v for v in unit if not math.isnan(v)] for unit in rows]
    units = [u for u in units if len(u) > 1]
    distance = (lambda a, b: float(a != b)) if level == "nominal" else (lambda a, b: (a - b) ** 2)
    values = [v for u in units for v in u]
    n = len(values)
    observed = sum(sum(distance(a, b) for a, b in itertools.permutations(u, 2)) / (len(u) - 1) for u in units)
    expected = sum(distance(a, b) for a, b in itertools.permutations(values, 2)) / (n - 1) if n > 1 else 0
    if not expected:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(1 - observed / expected)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40))
def test_kappa_is_its_definition_and_weights_repeat_units(pairs):
    first, second = np.array(pairs).T
    n = len(pairs)
    observed = np.mean(first == second)
    expected = sum(np.mean(first == c) * np.mean(second == c) for c in range(4))
    found = kappa_of(first, second, 4)
    if expected == 1:
        assert math.isnan(found)
        return
    assert found == pytest.approx((observed - expected) / (1 - expected))
    weights = np.arange(n) % 3 + 1.0
    repeated = np.repeat(np.arange(n), weights.astype(int))
    twice = kappa_of(first[repeated], second[repeated], 4)
    assert kappa_of(first, second, 4, weights) == pytest.approx(twice, nan_ok=True)


@given(ratings, st.sampled_from(["nominal", "interval"]))
def test_weights_of_alpha_repeat_units(rows, level):
    values, units = flat(np.array(rows).T)
    alpha = Alpha(values, units, level)
    weights = np.arange(len(alpha.kept)) % 3 + 1.0
    where = [np.flatnonzero(units == np.unique(units)[k]) for k in alpha.kept]
    often = list(zip(weights.astype(int), where, strict=True))
    again = [(i, 10 * u + r) for u, (w, found) in enumerate(often) for r in range(w) for i in found]
    if not again:
        assert math.isnan(alpha.value(weights))
        return
    index, unit = np.array(again).T
    assert alpha.value(weights) == pytest.approx(Alpha(values[index], unit, level).value(), nan_ok=True)


box = st.tuples(*[st.integers(0, 12)] * 2, *[st.integers(0, 8)] * 2)


@given(st.lists(box, min_size=1, max_size=5), st.lists(box, min_size=1, max_size=5))
def test_iou_counts_pixels(first, second):
    def pixels(b):
        return {(i, j) for i in range(b[0], b[0] + b[2]) for j in range(b[1], b[1] + b[3])}

    found = iou(np.array(first, float), np.array(second, float))
    for (i, a), (j, b) in itertools.product(enumerate(map(pixels, first)), enumerate(map(pixels, second))):
        assert found[i, j] == pytest.approx(len(a & b) / len(a | b) if a | b else 0.0)


@settings(deadline=None)  # the first match imports scipy
@given(st.lists(box, min_size=1, max_size=4), st.lists(box, min_size=1, max_size=4))
def test_a_match_is_one_to_one_and_best(first, second):
    a, b = np.array(first, float), np.array(second, float)
    rows, columns, overlap = matched(a, b, 0.5)
    assert len(set(rows)) == len(rows)
    assert len(set(columns)) == len(columns)
    assert (overlap >= 0.5).all()
    table = iou(a, b) * (iou(a, b) >= 0.5)
    size = max(table.shape)
    whole = np.zeros((size, size))
    whole[: table.shape[0], : table.shape[1]] = table
    best = max(sum(whole[i, p] for i, p in enumerate(order)) for order in itertools.permutations(range(size)))
    assert overlap.sum() == pytest.approx(best)


def test_bounds_are_repeatable_and_cover_the_value():
    draw = np.random.default_rng(0)
    first = draw.integers(0, 3, 600)
    second = np.where(draw.random(600) < 0.8, first, draw.integers(0, 3, 600))
    images = np.arange(600) // 6
    low, high = bounds(lambda w: kappa_of(first, second, 3, w), images)
    assert low < kappa_of(first, second, 3) < high
    assert 0.05 < high - low < 0.25
    assert (low, high) == bounds(lambda w: kappa_of(first, second, 3, w), images)
    assert all(map(math.isnan, bounds(lambda w: 1.0, np.zeros(5, int))))
