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
TIMES = st.integers(0, 12).map(lambda n: timedelta(hours=n)) | st.integers(-2, 40).map(lambda n: timedelta(hours=n))
ERRORS = st.sampled_from([timedelta(0)] * 12 + [timedelta(minutes=-9), timedelta(minutes=9), timedelta(hours=-5)])


def mostly(value: str, other: str) -> st.SearchStrategy[str]:
    """The honest value, seldom another."""
    return st.sampled_from([value] * 15 + [other])


def root(size: int, fork: bool) -> str:
    return sha256(f"{size}{fork}".encode())


heads = st.builds(
    lambda size, fork: Head(size, root(size, fork)), st.integers(0, 6), st.sampled_from([False] * 5 + [True])
)


@st.composite
def manifests(draw: st.DrawFn, identity: str) -> Manifest:
    return Manifest(
        id=identity, number=1, device_class=draw(mostly("demo-arm", "other-arm")),
        environment=draw(mostly("demo", "dev")), hardware=draw(mostly("any", "x86") | st.just("orin")),
        model=sha256(draw(st.sampled_from([b"one", b"two"]))), model_name="reach", files=(), decision=sha256(b"d"),
        policy=sha256(b"p"), epoch=0, audit_head=Head(0, root(0, False)), issued_at=T0, lease_hours=draw(st.integers(20, 30)),
    )  # fmt: skip


@st.composite
def shows(draw: st.DrawFn, at: datetime) -> Shown:
    found = {identity: draw(manifests(identity)) for identity in draw(st.sets(st.sampled_from(IDS), min_size=2))}
    current = Current(
        device_class=draw(mostly("demo-arm", "other-arm")), environment="demo",
        release=draw(st.sampled_from([None, *sorted(found) * 3, *IDS])), fallbacks=tuple(draw(st.sets(st.sampled_from(IDS)))), reason="r",
        requested_at=at, issued_at=at, lease_until=at + timedelta(hours=draw(st.integers(1, 30))), epoch=draw(st.integers(0, 3)), audit_head=draw(heads),
    )  # fmt: skip
    lines = draw(
        st.lists(
            st.builds(Denied, st.sampled_from(IDS), st.sampled_from([sha256(b"one")]), st.just("bad")),
            max_size=draw(st.sampled_from([0, 0, 0, 0, 1])),
        )
    )
    denied = DenyList(draw(mostly("demo", "dev")), tuple(lines), at, draw(st.integers(0, 3)), draw(heads))
    customs = {i: m.custom() if draw(st.integers(0, 20)) else {} for i, m in found.items()}
    return Shown(current, denied, found, customs)


@st.composite
def rounds(draw: st.DrawFn) -> tuple[Shown, datetime]:
    """What a device is shown, and what its clock says then."""
    clock = T0 + draw(TIMES)
    return draw(shows(clock + draw(ERRORS))), clock


def test_invariants_over_any_history() -> None:
    ran: list[str] = []

    @given(st.lists(rounds(), min_size=1, max_size=4), TIMES, st.sampled_from(IDS))
    @settings(max_examples=300, deadline=None, derandomize=True, database=None)
    def histories(history: list[tuple[Shown, datetime]], last: timedelta, installed: str) -> None:
        _history(history, last, installed, ran)

    histories()
    assert len(ran) >= 5, "something must have been allowed, or this shows nothing"


def _history(history: list[tuple[Shown, datetime]], last: timedelta, installed: str, ran: list[str]) -> None:
    state, accepted = State(floor=T0), None
    denied: set[str] = set()
    for shown, clock in history:
        before = state
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
    if accepted is not None and _only_what_may(state, accepted, installed, state.floor + last - timedelta(hours=2)):
        ran.append(installed)


def _only_what_may(state: State, shown: Shown, release: str, clock: datetime) -> bool:
    try:
        manifest = permitted(ME, state, shown, release, clock)
    except Refused:
        return False
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
    return True


@given(rounds())
@settings(deadline=None)
def test_the_same_shown_again_changes_nothing_more(shown_at: tuple[Shown, datetime]) -> None:
    shown, clock = shown_at
    once = decide(ME, State(floor=T0), shown, clock)
    again = decide(ME, once.state, shown, clock)
    assert again.state == once.state
    assert (again.release, again.refused is None) == (once.release, once.refused is None)
