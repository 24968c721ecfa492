"""The bar, simulated: each planted defect is found by its check, in its episode and span; the clean episodes give nothing."""

import pytest

from tests.support.simulated import KINDS, record, rig
from tests.support.spoiled import DEFECTS
from validators import suites
from validators.run import run

CLEAN = 59  # episodes without a false alarm: its rate is below 5 % with 95 % confidence, 1 - 0.05 ** (1 / 59)


@pytest.mark.parametrize("kind", KINDS)
def test_clean_episodes_give_nothing(kind, tmp_path):
    recording = record(tmp_path, kind, rig(kind, CLEAN, seed=20261127))
    suite, _ = suites.for_recording(recording)
    assert suite.name == KINDS[kind].suite
    result = run(recording, suite)
    assert [(f.check, f.stream, f.episode, f.message) for f in result.findings] == []
    assert result.passed
    assert sum(o.status == "clean" for o in result.outcomes) > 10


@pytest.mark.parametrize("planted", DEFECTS, ids=lambda d: f"{d.kind}-{d.name}")
def test_a_defect_is_found_where_it_is_and_nowhere_else(planted, tmp_path):
    episodes = rig(planted.kind, 4, seed=20261128)
    start, end = planted.spoil(episodes[1])
    recording = record(tmp_path, planted.kind, episodes)
    findings = run(recording, suites.load(KINDS[planted.kind].suite)).findings
    assert {f.affected for f in findings} == {(1,)}
    assert {f.check for f in findings} <= {planted.check} | planted.also
    found = [f for f in findings if f.check == planted.check]
    here = [f for f in found if f.stream in (planted.stream, planted.stream.split(": ")[-1])]
    assert here, [(f.check, f.stream, f.message) for f in findings]
    for f in here:
        assert start - 0.06 <= f.start_s <= f.end_s <= end + 0.06, (start, end, f)
        assert f.value is not None
        assert f.limit is not None
        assert f.resolves
