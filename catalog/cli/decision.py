"""How a decision is read under pressure: the verdict, what blocks and why, then what passed with the values it read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from catalog.cli import output

if TYPE_CHECKING:
    from catalog.domain.decision import Decision, RuleVerdict


HEADLINES = 3
BOUNDS = (".lower", ".p99_ms", ".attempt")


def show_decision(decision: Decision, *, brief: bool = False) -> None:
    """Print a decision; briefly, what passed is only counted."""
    say = output.console().print
    about = f"class {decision.device_class}, " if decision.device_class else ""
    say(
        f"{decision.verdict.upper()}  {decision.subject_name}  ({about}environment {decision.environment}, "
        f"policy {decision.policy_name})",
        style="bold green" if decision.verdict == "eligible" else "bold red",
        markup=False,
    )
    blocking = decision.blocking()
    passed = [r for r in decision.rules if r.verdict == "pass"]
    for line in _headlines(decision):
        say(f"  {line}", style="bold", markup=False)
    shown = blocking if brief else [*blocking, *passed]
    if shown:
        output.table("", ("", "rule", "why"), [[r.verdict, _name(r), _brief(r) if brief else _why(r)] for r in shown])
    if brief:
        say(f"  {len(passed)} rules passed", style="dim", markup=False)
        return
    for condition in decision.conditions:
        say(f"  only if: {condition}", style="dim", markup=False)
    until = decision.document()["expires_at"][:16]
    say(f"  decision {decision.digest()}, epoch {decision.epoch}, until {until}Z", style="dim", markup=False)


def _headlines(decision: Decision) -> list[str]:
    """What decides: when blocked, what failed or else is missing first; when eligible, the bounds that were read."""
    blocking = decision.blocking()
    if blocking:
        failed = [r for r in blocking if r.verdict == "fail"] or blocking[:1]
        return [f"because: {_brief(r)}" for r in failed[:HEADLINES]]
    read = {k: v for r in decision.rules for k, v in r.read.items() if k.endswith(BOUNDS)}
    return [f"bounds: {', '.join(f'{k} {_value(v)}' for k, v in sorted(read.items()))}"] if read else []


def _brief(rule: RuleVerdict) -> str:
    """The requirement that is not met, without the values: the first sentence."""
    return rule.message.partition(" Cannot be judged: ")[0].partition(" Not so: ")[0]


def _name(rule: RuleVerdict) -> str:
    return f"floor {rule.rule}" if rule.floor else rule.rule


def _why(rule: RuleVerdict) -> str:
    if rule.verdict == "missing" and not rule.floor:
        return _brief(rule)
    if rule.floor or rule.verdict != "pass" or not rule.read:
        return rule.message
    return f"{rule.message} [{', '.join(f'{k} = {_value(v)}' for k, v in sorted(rule.read.items()))}]"


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return f"{len(value)} items"
    return str(value)
