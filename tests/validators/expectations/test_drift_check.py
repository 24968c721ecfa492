"""The rank rule: its false alarms, what it resolves, what it refuses; and profiles that travel as text."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from validators import profile, profiling, readers
from validators.declarations.origin import day_of, one_origin, origin_of, session_of
from validators.errors import InvalidProfile
from validators.expectations.comparison.drift import rank
from validators.findings import NotEvaluable
from validators.recording import Episode
from validators.run import run
from validators.suites import parse

BINS = profile.BINS
LEVELS = (np.arange(BINS) + 0.5) / BINS


def approved(rng, sessions, channels=6):
    """Quantiles of sessions that differ as days do: each channel has its own centre and width every day."""
    centre = rng.normal(0, 0.15, (sessions, channels, 1))
    width = np.exp(rng.normal(0, 0.1, (sessions, channels, 1)))
    rows = np.sort(rng.normal(0, 1, (sessions, channels, 100)), axis=2)
    return np.quantile(centre + width * rows, LEVELS, axis=2).transpose(1, 2, 0)


def alarms(rng, cases, number, alpha, shift=0.0):
    found = []
    for _ in range(cases):
        everyone = approved(rng, number + 1)
        everyone[-1, 2] += shift
        found.append(rank(everyone[:-1], everyone[-1], alpha, 0.01).p <= alpha + 1e-12)
    return np.mean(found)


@pytest.mark.parametrize(("number", "alpha"), [(19, 0.05), (99, 0.01)])
def test_false_alarms_are_at_most_alpha(number, alpha):
    """400 clean sessions with a fixed seed; the bound is alpha and three standard errors of its estimate."""
    rate = alarms(np.random.default_rng(1), 400, number, alpha)
    assert rate <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / 400)


def test_what_it_resolves_is_found_in_95_percent():
    rng = np.random.default_rng(2)
    resolves = np.median([rank(e[:-1], e[-1], 0.05, 0.01).resolves for e in (approved(rng, 40) for _ in range(50))])
    spread = 1.349  # of a unit normal, between quartiles
    assert alarms(rng, 400, 39, 0.05, shift=resolves * spread) >= 0.95
    assert 0.2 < resolves < 0.8


@given(st.integers(0, 9999), st.integers(19, 60))
def test_p_is_a_rank_and_moves_with_distance(seed, number):
    rng = np.random.default_rng(seed)
    everyone = approved(rng, number + 1, 3)
    near = rank(everyone[:-1], everyone[:-1].mean(axis=0), 0.05, 0.01)
    far = rank(everyone[:-1], everyone[-1] + 50.0, 0.05, 0.01)
    assert near.p > 0.5
    assert far.p == pytest.approx(1 / (number + 1))
    shuffled = rng.permutation(number)
    again = rank(everyone[:-1][shuffled], everyone[-1], 0.05, 0.01)
    assert again.p == rank(everyone[:-1], everyone[-1], 0.05, 0.01).p


def test_a_channel_that_never_moves_is_no_distance():
    still = np.zeros((20, 1, BINS))
    assert rank(still, still[0], 0.05, 0.01).distance == 0


# on recordings


def sessions_of(writer, number, shift=None, **facts):
    """One episode a session of three; rigs take turns, days go on."""
    tracks = []
    for i in range(number * 3):
        one = writer.track(i, 60, {})
        one.facts = {"rig": f"rig-{i // 3 % 2}", "recorded_at": f"2026-03-{i // 3 + 1:02d}T09:00:00+00:00", **facts}
        if shift is not None and i // 3 == shift:
            one.columns["observation.state"][:, 1] += 1.5
        tracks.append(one)
    return tracks


DRIFT = {"type": "expect_no_drift"}


def judged(root, reference=None, **kwargs):
    suite = parse(json.dumps({"name": "one", "expectations": [{**DRIFT, "kwargs": kwargs}]}))
    return run(readers.open(root), suite, reference=reference).outcomes[0]


@pytest.fixture
def good(writer):
    return profiling.of([readers.open(writer.write(sessions_of(writer, 20, origin="real"), "approved"))])


def test_a_session_that_drifts_is_found_by_name(writer, good):
    assert (good.unit, good.origin, len(good.streams["frames"])) == ("session", "recorded", 20)
    outcome = judged(writer.write(sessions_of(writer, 3, shift=1, origin="sensor")), good)
    (finding,) = outcome.findings
    assert finding.stream == "observation.state.shoulder"
    assert finding.episodes == (3, 4, 5)
    assert "rig-1 × 2026-03-02: p = 0.0476 among 20 approved" in finding.message
    assert finding.value > finding.limit
    assert {k: outcome.observed[k] for k in ("alpha", "bins", "floor", "n", "profile")} == {
        "alpha": 0.05,
        "bins": 20,
        "floor": 0.01,
        "n": 20,
        "profile": good.digest,
    }
    assert len(outcome.observed["p"]) == 3


@pytest.mark.parametrize(
    ("facts", "kwargs", "why"),
    [
        ({"origin": "simulated"}, {}, "this recording is simulated, the profile recorded: never pooled"),
        ({"origin": "real"}, {"alpha": 0.01}, "20 approved units, 99 are needed"),
        ({"origin": "real", "rig": None}, {}, "episode 0 names no rig and day"),
    ],
)
def test_what_it_refuses(writer, good, facts, kwargs, why):
    root = writer.write(sessions_of(writer, 2, **facts))
    outcome = judged(root, good, **kwargs)
    assert outcome.status == "not-evaluable"
    assert why in outcome.why


def test_mixed_origins_are_refused_by_name(writer, good):
    tracks = sessions_of(writer, 2, origin="real")
    tracks[4].facts["origin"] = "stand-in"
    root = writer.write(tracks)
    outcome = judged(root, good)
    assert outcome.why == (
        "origins are never pooled (recorded: episodes 0, 1, 2, 3, 5; stand-in: episodes 4); judge each apart"
    )
    with pytest.raises(NotEvaluable, match="never pooled"):
        profiling.of([readers.open(root)])
    assert "no profile" in judged(root).why


def test_episodes_are_the_unit_where_sessions_are_not_named(writer):
    tracks = writer.tracks(24)
    reference = profiling.of([readers.open(writer.write(tracks[:20], "approved"))])
    assert (reference.unit, len(reference.streams["frames"])) == ("episode", 20)
    tracks[22].columns["action"] += 3
    outcome = judged(writer.write(tracks[20:]), reference)
    assert {f.episode for f in outcome.findings} == {2}
    assert "the unit is the episode" in outcome.note
    assert "origins are not declared" in outcome.note


def test_a_profile_of_several_folders(writer):
    tracks = sessions_of(writer, 4)
    whole = profiling.of([readers.open(writer.write(tracks, "whole"))])
    halves = [readers.open(writer.write(tracks[a:b], f"part {a}")) for a, b in ((0, 5), (5, 12))]
    both = profiling.of(halves)
    assert [s.name for s in both.streams["frames"]] == [s.name for s in whole.streams["frames"]]
    split = both.streams["frames"][1]
    assert split.episodes == (3, 4, 0)  # of two folders, one session
    assert split.channels == whole.streams["frames"][1].channels
    unnamed = [readers.open(writer.write(writer.tracks(2), f"unnamed {i}")) for i in range(2)]
    names = [s.name for s in profiling.of(unnamed).streams["frames"]]
    assert names == [f"unnamed {i}: episode {j}" for i in range(2) for j in range(2)]


def test_a_profile_travels_as_text(writer, good, tmp_path):
    text = json.dumps(good.to_dict())
    assert profile.parse(text) == good
    assert profile.parse(text).digest == good.digest
    path = tmp_path / "profile.json"
    path.write_text(text)
    assert profile.load(path) == good
    with pytest.raises(InvalidProfile, match="no such file"):
        profile.load(tmp_path / "other.json")


@given(st.text(max_size=60) | st.binary(max_size=60))
def test_no_text_is_a_profile_but_a_profile(text):
    content = text if isinstance(text, str) else text.decode("latin-1")
    with pytest.raises(InvalidProfile):
        profile.parse(content)


SKETCH = {"rows": 20, "least": 0, "greatest": 1, "quantiles": [0.5] * BINS}
WHOLE = {
    "schema": "profile@1",
    "unit": "episode",
    "origin": "recorded",
    "robot_type": None,
    "fps": None,
    "bins": BINS,
    "streams": {"frames": [{"name": "episode 0", "episodes": [0], "channels": {"x": SKETCH}}]},
}


@given(st.data())
def test_a_spoilt_profile_is_refused_whole(data):
    assert profile.parse(json.dumps(WHOLE)).streams["frames"][0].channels["x"].rows == 20
    document = json.loads(json.dumps(WHOLE))
    at, key = data.draw(
        st.sampled_from(
            [
                (document, "schema"),
                (document, "unit"),
                (document, "streams"),
                (document, "bins"),
                (document["streams"], "frames"),
                (document["streams"]["frames"][0], "episodes"),
                (document["streams"]["frames"][0]["channels"], "x"),
                (document["streams"]["frames"][0]["channels"]["x"], "quantiles"),
                (document["streams"]["frames"][0]["channels"]["x"], "rows"),
            ]
        )
    )
    at[key] = data.draw(st.sampled_from([None, True, -1.5, "1e999", [None], {"a": 1}, [0.5] * 3]))
    with pytest.raises(InvalidProfile):
        profile.parse(json.dumps(document))


# origins and sessions


def episode(**provenance):
    return Episode(0, ("x",), 1, provenance=provenance)


@pytest.mark.parametrize(
    ("provenance", "origin"),
    [
        ({}, "of unknown origin"),
        ({"kind": "field"}, "recorded"),
        ({"kind": "synthetic", "maker": "simulated"}, "simulated"),
        ({"origin": "stand_in"}, "stand-in"),
        ({"origin": "recorded, origin unverified"}, "recorded"),
        ({"origin": 3, "kind": "sensor"}, "recorded"),
    ],
)
def test_origins(provenance, origin):
    assert origin_of(episode(**provenance)) == origin
    assert one_origin([episode(**provenance)] * 3) == origin


def test_sessions_need_a_rig_and_a_day():
    assert session_of(episode(rig="a", date="2026-03-01")) == "a × 2026-03-01"
    assert session_of(episode(rig="a", recorded_at="2026-03-01T23:59:59Z")) == "a × 2026-03-01"
    assert session_of(episode(rig="a", date="soon")) is None
    assert session_of(episode(date="2026-03-01")) is None
    assert day_of(episode(day=20260301)) is None


def test_the_real_humanoid_has_a_profile_and_too_few_episodes_to_judge(shared):
    root = shared / "lerobot_v21_unitree_g1"
    reference = profiling.of([readers.open(root)])
    assert (reference.unit, len(reference.streams["frames"])) == ("episode", 6)
    outcome = judged(root, reference)
    assert outcome.status == "not-evaluable"
    assert "6 approved units, 19 are needed" in outcome.why
