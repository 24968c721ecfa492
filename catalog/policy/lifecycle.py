"""What a policy may not be, and what a new one changes. Pure.

The floor of a policy itself, so that no two signatures put one in force that judges nothing:
confidence at least 95 % (the error budget and every published bound are stated at it); evidence at most 90 days old and
decisions at most 72 hours (a longer word outlives what it was about); a run at least observed, and reproduced outside
`demo` and `dev`, where hardware is named, too; a rule that blocks a model which fails every second trial or more often,
or data whose check failed; and no rule whose failing example cannot happen.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any

from catalog.domain.policy import Policy, PolicyChange, Rule
from catalog.domain.run import ASSURANCES
from catalog.errors import Refused
from catalog.policy.cel import CompiledRule, compile_rule
from catalog.policy.facts import Kind
from catalog.policy.reads import Path

CONFIDENCE, EVIDENCE_DAYS, DECISION_HOURS = 0.95, 90, 72
OPEN = frozenset({"demo", "dev"})  # environments that accept one operator
RATES = frozenset({"lower", "confidence", "alpha"})  # facts between 0 and 1; other numbers are 0 or more
MOST = 6  # facts beside the one in question; a rule that reads more is not counted as blocking
HALF = (
    0.0,
    0.1,
    0.25,
    0.4,
    0.5,
)  # rates that a promotion must be blocked at, beside what lies between the policy's own
Case = tuple[Path, tuple[Any, ...]]
BAD: dict[str, tuple[tuple[str, tuple[Case, ...]], ...]] = {
    # of each group one case at least must be blocked, at all of its values, by rules that read it
    "promotion": (
        (
            "a model that fails every second trial or more",
            ((("success", "lower"), HALF), (("real_robot", "lower"), HALF)),
        ),
    ),
    "dataset-approval": (
        ("data whose check failed", ((("check", "passed"), (False,)),)),
        ("data judged by suites that the policy does not name", ((("check", "suites_known"), (False,)),)),
    ),
}
_LIMIT = re.compile(r"\s*[\w.]+\s*(>=|>|<=|<)\s*policy\.(\w+)\s*")


def require_strong(policy: Policy, environment: str, replaced: Policy | None = None) -> None:
    """Raise `Refused("policy-too-weak")` for a policy below the floor of policies, naming what is weak."""
    for where, what in _faults(policy, environment, replaced):
        raise Refused("policy-too-weak", f"{policy.name} {what}", where=where, do="write a stronger policy")


def _faults(policy: Policy, environment: str, replaced: Policy | None) -> Iterator[tuple[str, str]]:
    yield from _frame(policy, environment)
    if replaced is not None and (dropped := sorted(set(replaced.environments) - set(policy.environments))):
        yield "environments", f"drops {dropped[0]}, where version {replaced.version} would hold again"
    for rule in policy.rules:
        if impossible := _impossible((), rule.fixtures.fail):
            yield f"rule {rule.name}", f"has a rule that fails only where {impossible}, which cannot be"
    for what, cases in BAD[policy.decides]:
        if not any(all(_blocks(policy, path, value) for value in _tried(policy, values)) for path, values in cases):
            yield "rules", f"would let {what} pass"


def _frame(policy: Policy, environment: str) -> Iterator[tuple[str, str]]:
    if environment not in policy.environments:
        yield "environments", f"is not for environment {environment}, which this is"
    if policy.confidence < CONFIDENCE:
        yield "confidence", f"is content with confidence {policy.confidence}; the least is {CONFIDENCE}"
    if policy.evidence_days > EVIDENCE_DAYS:
        yield "evidence_days", f"takes evidence of {policy.evidence_days} days; the most is {EVIDENCE_DAYS}"
    if policy.decision_hours > DECISION_HOURS:
        yield "decision_hours", f"lets decisions stand {policy.decision_hours} hours; the most is {DECISION_HOURS}"
    closed = sorted(set(policy.environments) - OPEN)
    if policy.decides == "dataset-approval":
        if closed:
            yield "environments", f"is for {closed[0]}, where one steward's approval is not enough"
        return
    assurance = policy.run_assurance or "declared"
    if assurance == "declared":
        yield "run_assurance", "takes a training record that nobody observed"
    elif closed and ASSURANCES.index(assurance) < ASSURANCES.index("reproduced"):
        yield "run_assurance", f"is for {closed[0]} and takes a run that was only {assurance}"
    if policy.hardware is None or (closed and policy.hardware == "any"):
        yield "hardware", f"names no hardware{' for ' + closed[0] if closed else ''}"


def _impossible(path: tuple[str, ...], value: Any) -> str:
    """The first number of a failing example that no fact can have."""
    if isinstance(value, dict):
        return next((found for k, v in value.items() if (found := _impossible((*path, k), v))), "")
    if isinstance(value, list):
        return next((found for v in value if (found := _impossible(path, v))), "")
    if isinstance(value, int | float) and not isinstance(value, bool):
        most = 1.0 if path and path[-1] in RATES else None
        if value < 0 or (most is not None and value > most):
            return f"{'.'.join(path)} is {value}"
    return ""


def _tried(policy: Policy, values: tuple[Any, ...]) -> list[Any]:
    """These values; of rates also the policy's thresholds and what lies between: a rule changes its mind there only."""
    if values is not HALF:
        return list(values)
    marks = sorted(n for n in {*policy.thresholds.values(), *values} if 0 <= n <= max(values))
    return [*marks, *((low + high) / 2 for low, high in itertools.pairwise(marks))]


def _blocks(policy: Policy, path: Path, value: Any) -> bool:
    """Whether some rule that reads this fact passes on this value for no value of whatever else it reads."""
    compiled = (compile_rule(rule, policy.decides) for rule in policy.rules)
    return any(path in rule.paths and not _can_pass(rule, policy, path, value) for rule in compiled)


def _can_pass(rule: CompiledRule, policy: Policy, path: Path, value: Any) -> bool:
    others = {p: kind for p, kind in rule.paths.items() if p != path and "*" not in p}
    if len(others) > MOST:
        return True
    facts = _with(rule.rule.fixtures.pass_, path, value)
    for values in itertools.product(*(_any(kind, facts, p) for p, kind in others.items())):
        tried = facts
        for other, chosen in zip(others, values, strict=True):
            tried = _with(tried, other, chosen)
        if rule.evaluate(tried, policy.thresholds).verdict == "pass":
            return True
    return False


def _any(kind: Kind, facts: dict[str, Any], path: Path) -> tuple[Any, ...]:
    """Values that a fact may take: small and large, yes and no, and what the fixture says."""
    if kind.of == "number":
        return tuple(int(n) if kind.whole else float(n) for n in (0, 1, 10**9))
    if kind.of == "bool":
        return True, False
    said: Any = facts
    for step in path:
        said = said.get(step) if isinstance(said, dict) else None
    return "", "other", said


def _with(facts: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    head, *rest = path
    return {**facts, head: _with(facts.get(head, {}), tuple(rest), value) if rest else value}


def compare(old: Policy | None, new: Policy) -> tuple[PolicyChange, ...]:
    """What a new policy changes, the frame first, then thresholds, then rule by rule."""
    if old is None:
        return tuple(PolicyChange(what=rule.name, kind="added", after=rule.expression) for rule in new.rules)
    return (*_frame_changes(old, new), *_threshold_changes(old, new), *_rule_changes(old.rules, new.rules))


def _frame_changes(old: Policy, new: Policy) -> Iterator[PolicyChange]:
    yield from _number("confidence", old.confidence, new.confidence, more_is=1)
    yield from _number("evidence_days", old.evidence_days, new.evidence_days, more_is=-1)
    yield from _number("decision_hours", old.decision_hours, new.decision_hours, more_is=-1)
    if old.run_assurance != new.run_assurance and old.run_assurance and new.run_assurance:
        up = ASSURANCES.index(new.run_assurance) > ASSURANCES.index(old.run_assurance)
        yield _change("run_assurance", "stronger" if up else "weaker", old.run_assurance, new.run_assurance)
    for field in ("environments", "hardware", "protocol", "suites"):
        before, after = (policy.document()[field] for policy in (old, new))
        if before != after:
            yield _change(field, "changed", before, after)


def _threshold_changes(old: Policy, new: Policy) -> Iterator[PolicyChange]:
    for name in sorted(old.thresholds.keys() | new.thresholds.keys()):
        before, after = old.thresholds.get(name), new.thresholds.get(name)
        if before is None or after is None:
            yield _change(name, "added" if before is None else "removed", before, after)
        else:
            yield from _number(name, before, after, more_is=_direction(name, old.rules, new.rules))


def _direction(threshold: str, *policies: Sequence[Rule]) -> int:
    """1 where raising it lets less through, -1 where more, 0 where its rules do not say so plainly and alike."""
    used = [
        rule.expression
        for rules in policies
        for rule in rules
        if re.search(rf"\bpolicy\.{threshold}\b", rule.expression)
    ]
    found = {m[1][0] if (m := _LIMIT.fullmatch(text)) else "" for text in used}
    return {">": 1, "<": -1}.get(found.pop(), 0) if len(found) == 1 else 0


def _number(what: str, before: float, after: float, *, more_is: int) -> Iterator[PolicyChange]:
    if before != after:
        step = more_is * (1 if after > before else -1)
        yield _change(what, "stronger" if step > 0 else "weaker" if step < 0 else "changed", before, after)


def _rule_changes(old: Sequence[Rule], new: Sequence[Rule]) -> Iterator[PolicyChange]:
    before, after = {r.name: r for r in old}, {r.name: r for r in new}
    for name in dict.fromkeys((*before, *after)):
        a, b = before.get(name), after.get(name)
        if a is None or b is None:
            yield _change(name, "added" if a is None else "removed", a and a.expression, b and b.expression)
        elif a.expression != b.expression:
            yield _change(name, "changed", a.expression, b.expression)
        elif (a.message, a.clause) != (b.message, b.clause):
            yield _change(name, "worded", f"{a.message} ({a.clause})", f"{b.message} ({b.clause})")
        elif a != b:
            yield _change(name, "worded", "", "other examples")


def _change(what: str, kind: Any, before: Any, after: Any) -> PolicyChange:
    said = ["" if value is None else str(value)[:4000] for value in (before, after)]
    return PolicyChange(what=what, kind=kind, before=said[0], after=said[1])
