"""A replay: in the harness installed here, in a child that has nothing, drawn after receipt; what fails proves nothing."""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.db import tables
from catalog.domain.replay import Replay
from catalog.domain.run import NUMERIC
from catalog.errors import Unavailable
from catalog.services import replay as replays
from catalog.services.intent import commit
from catalog.services.plan import enrol_line
from catalog.services.replay import find_replay, replay_again
from catalog.services.simulate import Failed, Simulated, installed, simulate
from tests.attack.attacker import Attack, blocked_by, statement, verdict
from tests.support.house import House
from tests.support.recordings import recording

SEEDS = tuple(range(10, 20))
START = """\
import json, os, sys, time
from pathlib import Path
seeds = json.load(sys.stdin)
def say(document): print(json.dumps(document), flush=True)
"""
HONEST = (
    START
    + """\
say({"name": "h", "version": "1", "origin": "simulated"})
for seed in seeds: say({"seed": seed, "outcome": "success", "distance_m": 0.01})
"""
)


def child(tmp_path: Path, text: str) -> tuple[str, ...]:
    """A command as an operator could have installed it."""
    script = tmp_path / "harness.py"
    script.write_text(text)
    return (sys.executable, "-I", str(script))


def run(command: tuple[str, ...], seconds: float = 30.0) -> Simulated:
    return simulate(command, {"weights.npz": b"w", "deep/contract.json": b"{}"}, SEEDS, seconds, lambda done: None)


def test_every_seed_is_answered(tmp_path: Path) -> None:
    found = run(child(tmp_path, HONEST))
    assert found.outcomes.keys() == set(SEEDS)
    assert found.harness.name == "h"


def test_the_child_is_given_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_TOKEN", "secret")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    look = f"""
say_ = {{"environment": dict(os.environ), "here": os.listdir("."), "where": os.getcwd(),
         "model": sorted(str(p.relative_to(sys.argv[1])) for p in Path(sys.argv[1]).rglob("*") if p.is_file()),
         "open": len(os.listdir("/proc/self/fd"))}}
Path({str(tmp_path / "seen.json")!r}).write_text(json.dumps(say_))
"""
    run(child(tmp_path, START + look + HONEST.removeprefix(START)))
    seen = json.loads((tmp_path / "seen.json").read_text())
    plain = {"PATH", "HOME", "TMPDIR", "LANG", "LC_CTYPE"}
    assert all(name in plain or name.startswith(NUMERIC) for name in seen["environment"])
    assert seen["environment"]["HOME"] == seen["where"]
    assert seen["here"] == []
    assert seen["model"] == ["deep/contract.json", "weights.npz"]
    assert seen["open"] <= 4, "standard input, output, error, and the listing itself"
    assert not Path(seen["where"]).exists()


BAD = {
    "ends early": ("say({'name': 'h', 'version': '1', 'origin': 'simulated'})\nsys.exit(3)", "0 of 10 trials"),
    "says why": ("print('no physics', file=sys.stderr)\nsys.exit(1)", "no physics"),
    "says nothing of itself": ("for s in seeds: say({'seed': s})\nsay({})", "no trial"),
    "answers no number": (
        "say({'name': 'h', 'version': '1', 'origin': 'simulated'})\nfor s in seeds: print('NaN')",
        "no trial",
    ),
    "calls itself real": ("say({'name': 'h', 'version': '1', 'origin': 'real'})\nfor s in seeds: say({})", "no trial"),
    "writes for ever": ("while True: print('x' * 1000)", "more than was asked"),
    "answers other seeds": (
        HONEST.removeprefix(START).replace("seed}", "seed + 1}").replace('"seed": seed', '"seed": seed + 1'),
        "other seeds",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_child_that_does_not_answer_has_failed(tmp_path: Path, name: str) -> None:
    text, word = BAD[name]
    with pytest.raises(Failed, match=word):
        run(child(tmp_path, START + text))


def test_a_child_that_takes_too_long_is_killed_with_what_it_started(tmp_path: Path) -> None:
    text = f"""
import subprocess
other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
Path({str(tmp_path / "pids")!r}).write_text(f"{{os.getpid()}} {{other.pid}}")
time.sleep(600)
"""
    with pytest.raises(Failed, match="in time"):
        run(child(tmp_path, START + text), seconds=3.0)
    for pid in map(int, (tmp_path / "pids").read_text().split()):
        stat = Path(f"/proc/{pid}/stat")
        assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


def test_the_harness_is_found_by_the_protocols_name_and_never_guessed() -> None:
    assert installed("reach-in-simulation")[-1] == "examples.reach.rollout"
    with pytest.raises(Unavailable, match="no harness is installed for protocol os"):
        installed("os")


@given(st.sets(st.integers(0, 2**63 - 1), min_size=1, max_size=60), st.binary(min_size=32, max_size=32))
def test_the_order_is_a_permutation_that_the_draw_alone_decides(seeds: set[int], draw: bytes) -> None:
    replay = _drawn(draw.hex())
    order = replay.order(seeds)
    assert sorted(order) == sorted(seeds)
    assert replay.order(reversed(order)) == order


def test_every_trial_is_as_likely_to_be_first() -> None:
    """300 draws over 10 seeds: each comes first about 30 times; below 8 or above 60 has odds of 1e-6."""
    firsts = [_drawn(secrets.token_hex(32)).order(SEEDS)[0] for _ in range(300)]
    counts = [firsts.count(seed) for seed in SEEDS]
    assert all(8 <= count <= 60 for count in counts), counts


def _drawn(draw: str) -> Replay:
    fields: dict[str, Any] = {"evidence": "sha256:" + "e" * 64, "protocol": "p", "operation": "o", "state": "drawn"}
    return Replay.of(fields | {"draw": draw, "drawn_at": "2026-03-01T09:00:00Z", "returned": 10})


def at_hand(protocol: str) -> tuple[str, ...]:
    """The harness that a test has installed."""
    command: tuple[str, ...] = WHO[0](protocol)
    return command


@pytest.fixture(scope="module")
def attack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attack]:
    folder = tmp_path_factory.mktemp("replay")
    house = House.begin(folder)
    with house.open(harness=at_hand) as desk:
        desk.bring("arm", "one", recording(folder / "one"))
        enrol_line(desk.context, "approver-1", "reach", "demo-arm")
        WHO[:] = [house.world.command]
        yield Attack(house, desk)


WHO: list[Any] = [installed]


def planned(attack: Attack, name: str, folder: Path) -> Any:
    attack.model(name, folder / name, attack.run(name, "arm"), seed=secrets.randbits(30))
    enrol_line(attack.desk.context, "approver-1", f"line-{name}", "demo-arm")
    return attack.plan(name, f"line-{name}")


def test_all_is_replayed_where_that_is_cheap(attack: Attack, tmp_path: Path) -> None:
    plan = planned(attack, "cheap", tmp_path)
    evidence = attack.bring(statement(attack, plan, wins=390))
    replay = find_replay(attack.desk.context, evidence.digest_)
    assert (replay.state, replay.replayed, replay.returned, replay.differing) == ("done", 400, 400, 0)
    assert replay.seeds is not None
    decision = attack.gate("cheap")
    assert decision.verdict == "eligible", [r for r in decision.rules if r.verdict != "pass"]
    assert "all 400 trials were replayed by the catalog" in "\n".join(decision.conditions)
    log = {e.action: e for e in attack.desk.audit() if e.subject == evidence.digest_}
    assert log["evidence.receive"].seq < log["replay.draw"].seq < log["evidence.replay"].seq
    assert log["replay.draw"].details["draw"] == replay.draw


def test_a_sample_where_all_would_take_long(attack: Attack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replays, "CHEAP", 1e-6)
    plan = planned(attack, "long", tmp_path)
    evidence = attack.bring(statement(attack, plan))
    replay = find_replay(attack.desk.context, evidence.digest_)
    assert (replay.replayed, replay.returned) == (59, 400)
    said = "\n".join(attack.gate("long").conditions)
    assert "59 of 400 trials, drawn after receipt, were replayed by the catalog: a forged share of 5.0%" in said
    assert attack.gate("long").verdict == "eligible"


def test_no_harness_replays_nothing_and_the_gate_waits(attack: Attack, tmp_path: Path) -> None:
    plan = planned(attack, "none", tmp_path)
    WHO[:] = [lambda _protocol: installed("no-such-protocol")]
    try:
        evidence = attack.bring(statement(attack, plan))
    finally:
        WHO[:] = [attack.house.world.command]
    replay = find_replay(attack.desk.context, evidence.digest_)
    assert (replay.state, replay.replayed) == ("failed", 0)
    assert "no harness is installed" in replay.why
    decision = attack.gate("none")
    assert blocked_by(decision) == {"trials-replayed", "replay-agrees"}
    assert verdict(decision, "trials-replayed")[0] == "missing"
    assert "(no harness is installed" in "\n".join(decision.conditions)


def test_a_failed_replay_is_tried_again_on_the_same_draw(attack: Attack, tmp_path: Path) -> None:
    """Who could draw again until the sample is a lucky one would not be found."""
    plan = planned(attack, "again", tmp_path)
    WHO[:] = [lambda _protocol: child(tmp_path, "import sys; sys.exit(1)")]
    try:
        evidence = attack.bring(statement(attack, plan))
    finally:
        WHO[:] = [attack.house.world.command]
    failed = find_replay(attack.desk.context, evidence.digest_)
    assert failed.state == "failed"
    again = replay_again(attack.desk.service.operations, "evaluator", evidence.digest_)
    assert (again.state, again.draw) == ("drawn", failed.draw)
    attack.desk.wait(again.operation)
    done = find_replay(attack.desk.context, evidence.digest_)
    assert (done.state, done.draw, done.replayed) == ("done", failed.draw, 400)
    error = attack.desk.fails(lambda: replay_again(attack.desk.service.operations, "evaluator", evidence.digest_))
    assert error.kind == "already-exists"


def test_a_replay_that_was_cut_off_goes_on_in_the_next_service(attack: Attack, tmp_path: Path) -> None:
    plan = planned(attack, "cut", tmp_path)
    evidence = attack.bring(statement(attack, plan))
    before = find_replay(attack.desk.context, evidence.digest_)
    with attack.desk.context.records.write("evaluator") as write:
        again = before.model_copy(update={"state": "drawn", "replayed": 0, "seeds": None, "harness": None})
        write.replace(tables.replay, {"evidence": evidence.digest_}, again)
        write.audit("test.cuts-off", evidence.digest_)
        commit(write, "cut-off", "replay", {"evidence": evidence.digest_})
    assert blocked_by(attack.gate("cut")) == {"trials-replayed", "replay-agrees"}
    attack.desk.restarted().settle()
    assert find_replay(attack.desk.context, evidence.digest_).seeds == before.seeds
    assert attack.gate("cut").verdict == "eligible"


def test_a_model_whose_bytes_are_damaged_is_not_run(attack: Attack, tmp_path: Path) -> None:
    plan = planned(attack, "damaged", tmp_path)
    whole = (tmp_path / "damaged/weights.npz").read_bytes()
    store = attack.house.settings.home / "lakefs"
    for blob in (b for b in store.rglob("*") if b.is_file() and b.stat().st_size == len(whole)):
        if blob.read_bytes() == whole:
            blob.chmod(0o600)
            blob.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    evidence = attack.bring(statement(attack, plan))
    assert find_replay(attack.desk.context, evidence.digest_).state == "failed"


def test_limits_are_set_before_the_harness(tmp_path: Path) -> None:
    text = (
        f"import sys; sys.path.insert(0, {os.fspath(Path(__file__).parents[3])!r})\n"
        """\
import json, resource
from catalog.services import harness_child
harness_child.limit()
json.load(sys.stdin)
print(json.dumps({"name": str(resource.getrlimit(resource.RLIMIT_FSIZE)[1]), "version": "1", "origin": "simulated"}))
for seed in range(10, 20): print(json.dumps({"seed": seed, "outcome": "failure", "distance_m": 1.0}))
"""
    )
    assert run(child(tmp_path, text)).harness.name == str(64 * 2**20)
