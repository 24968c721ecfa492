"""The gate: thirty rules over recounted facts, and a whole decision, from the store's bytes to the audit entry."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from catalog.domain.evidence import Trials
from catalog.domain.policy import Policy, Rule
from catalog.policy.evaluate import evaluate
from catalog.policy.loader import load
from catalog.policy.recount import recount
from catalog.policy.shipped import shipped_policies
from catalog.services.examine_model import proven_facts
from catalog.services.plan import enrol_line
from tests.attack.attacker import CLASS, Attack, statement
from tests.benchmarks.figure import Figure, compare, seconds
from tests.support.house import House
from tests.support.recordings import recording

RULES = 30


def thirty(policy: Policy, start: int = 0) -> Policy:
    """The policy's own rules, then their combinations two by two, until there are thirty; `start` makes other ones."""
    pairs = itertools.islice(itertools.cycle(itertools.permutations(policy.rules, 2)), start, None)
    joined = (_both(a, b, number) for number, (a, b) in enumerate(pairs))
    return policy.model_copy(update={"rules": tuple(itertools.islice(itertools.chain(policy.rules, joined), RULES))})


def _both(a: Rule, b: Rule, number: int) -> Rule:
    expression = f"({a.expression}) && ({b.expression})"
    return a.model_copy(update={"name": f"both-{number}", "expression": expression})


def figures(folder: Path) -> Iterator[Figure]:
    """Rules alone, then a decision as the service makes it."""
    house = House.begin(folder / "gate")
    with house.open() as desk:
        attack = Attack(house, desk)
        desk.bring("arm", "one", recording(folder / "gate" / "arm-one"))
        enrol_line(desk.context, "approver-1", "reach", CLASS)
        attack.model("reach", folder / "gate" / "model", attack.run("reach", "arm"))
        planned = attack.plan("reach")
        said = statement(attack, planned)
        evidence = attack.bring(said)
        facts = proven_facts(desk.context, (evidence, planned.plan))
        policy = load(dict(shipped_policies())["demo-arm"])
        text = json.dumps(facts)
        round_trip = ("JSON of the facts", lambda: json.dumps(json.loads(text)))
        cold = sorted(seconds(partial(evaluate, thirty(policy, start), facts)) for start in (0, 21, 42))
        other = sorted(seconds(round_trip[1], 50) for _ in cold)
        yield Figure(f"{RULES} rules, 21 of them new to the process", cold[1], round_trip[0], other[1], len(cold))
        rules = thirty(policy)
        verdicts = evaluate(rules, facts)
        if len(verdicts) != RULES or not all(v.verdict == "pass" for v in verdicts):
            raise RuntimeError("the thirty rules do not all pass on an honest table")
        yield compare(f"{RULES} rules, compiled before", lambda: evaluate(rules, facts), *round_trip, runs=9, repeat=50)
        yield compare(
            f"{RULES} rules with the evidence read",
            lambda: evaluate(rules, proven_facts(desk.context, (evidence, planned.plan))),
            *round_trip,
            runs=9,
            repeat=5,
            note="this is the gate's figure: plan, replay and every trial counted again from the records, then the rules",
        )
        decision = attack.gate("reach")
        if decision.verdict != "eligible":
            raise RuntimeError(f"the model is {decision.verdict}: {decision.blocking()[0].message}")
        yield compare(
            f"decision on a model, {len(decision.rules)} rules, recorded",
            lambda: attack.gate("reach"),
            "recounting 400 trials",
            lambda: recount(planned, Trials.of(said["predicate"]), evidence.received_at),
            runs=9,
            note="files re-read from the store, ancestry and quarantine searched, trials counted again, audit entry synced",
        )
