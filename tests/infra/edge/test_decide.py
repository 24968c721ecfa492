"""Whatever is shown in whatever order and at whatever time: what may run is allowed, leased, not denied, and its own."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from infra.edge.decide import SKEW, Identity, Shown, decide, permitted
from infra.edge.document import sha256
from infra.edge.errors import Refused
from infra.edge.release import Current, Denied, DenyList, Head, Manifest
from infra.edge.state import State

T0 = datetime(2026, 11, 21, tzinfo=UTC)
ME = Identity("arm-7", "demo-arm", "demo", "orin")
IDS = [f"00000000-0000-7000-8000-{n:012d}" for n in range(4)]
HOURS = st.integers(-3, 40).map(lambda n: timedelta(hours=n))


def root(size: int, fork: bool) -> str:
    return sha256(f"{size}{fork}".encode())


heads = st.builds(
    lambda size, fork: Head(size, root(size, fork)), st.integers(0, 6), st.sampled_from([False] * 5 + [True])
)


@st.composite
def manifests(draw: st.DrawFn, identity: str) -> Manifest:
    return Manifest(
        id=identity, number=1, device_class=draw(st.sampled_from(["demo-arm"] * 6 + ["other-arm"])),
        environment=draw(st.sampled_from(["demo"] * 6 + ["dev"])), hardware=draw(st.sampled_from(["any", "orin", "x86"])),
        model=sha256(draw(st.sampled_from([b"one", b"two"]))), model_name="reach", files=(), decision=sha256(b"d"),
        policy=sha256(b"p"), epoch=0, audit_head=Head(0, root(0, False)), issued_at=T0, lease_hours=draw(st.integers(1, 30)),
    )  # fmt: skip


@st.composite
def shows(draw: st.DrawFn) -> Shown:
    found = {identity: draw(manifests(identity)) for identity in draw(st.sets(st.sampled_from(IDS)))}
    at = T0 + draw(HOURS)
    current = Current(
        device_class=draw(st.sampled_from(["demo-arm"] * 6 + ["other-arm"])), environment="demo",
        release=draw(st.none() | st.sampled_from(IDS)), fallbacks=tuple(draw(st.sets(st.sampled_from(IDS)))), reason="r",
        requested_at=at, issued_at=at, lease_until=at + draw(HOURS), epoch=draw(st.integers(0, 3)), audit_head=draw(heads),
    )  # fmt: skip
    lines = draw(
        st.lists(st.builds(Denied, st.sampled_from(IDS), st.sampled_from([sha256(b"one")]), st.just("bad")), max_size=1)
    )
    denied = DenyList(
        draw(st.sampled_from(["demo"] * 6 + ["dev"])), tuple(lines), at, draw(st.integers(0, 3)), draw(heads)
    )
    customs = {i: m.custom() if draw(st.integers(0, 8)) else {} for i, m in found.items()}
    return Shown(current, denied, found, customs)


@given(st.lists(st.tuples(shows(), HOURS), max_size=8), HOURS, st.sampled_from(IDS))
@settings(max_examples=300, deadline=None)
def test_invariants_over_any_history(history: list[tuple[Shown, timedelta]], last: timedelta, installed: str) -> None:
    state, accepted = State(floor=T0), None
    denied: set[str] = set()
    for shown, offset in history:
        before, clock = state, T0 + offset
        decision = decide(ME, state, shown, clock)
        state = decision.state
        denied |= {line.release for line in shown.denied.releases}
        assert denied <= set(state.denials.releases)
        assert state.floor >= before.floor
        assert state.epoch >= before.epoch
        assert before.head is None or (state.head is not None and state.head.size >= before.head.size)
        assert (
            before.head is None or state.head is None or state.head.size > before.head.size or state.head == before.head
        )
        assert sum(part is not None for part in (decision.refused, decision.nothing, decision.release)) == 1
        if decision.refused is not None:
            assert replace(state, denials=before.denials) == before
        else:
            accepted = shown
    if accepted is not None:
        _only_what_may(state, accepted, installed, T0 + last)


def _only_what_may(state: State, shown: Shown, release: str, clock: datetime) -> None:
    try:
        manifest = permitted(ME, state, shown, release, clock)
    except Refused:
        return
    current = shown.current
    assert manifest.id == release
    assert release in {current.release, *current.fallbacks}
    assert current.release is not None
    assert release not in state.denials.releases
    assert manifest.model not in state.denials.models
    assert (manifest.device_class, manifest.environment) == (ME.device_class, ME.environment)
    assert manifest.hardware in {"any", ME.hardware}
    assert shown.customs[release] == manifest.custom()
    assert max(clock, state.floor) < current.lease_until
    assert clock >= state.floor - SKEW
    assert current.lease_until - current.issued_at <= timedelta(hours=manifest.lease_hours)


@given(shows(), HOURS)
@settings(deadline=None)
def test_the_same_shown_again_changes_nothing_more(shown: Shown, offset: timedelta) -> None:
    clock = T0 + offset
    once = decide(ME, State(floor=T0), shown, clock)
    again = decide(ME, once.state, shown, clock)
    assert again.state == once.state
    assert (again.release, again.refused is None) == (once.release, once.refused is None)
