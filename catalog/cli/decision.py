"""How a decision is read under pressure: the verdict, what blocks and why, then what passed with the values it read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from catalog.cli import output

if TYPE_CHECKING:
    from catalog.domain.decision import Decision, RuleVerdict


HEADLINES = 3
FEW = 3  # items of a list that are shown and not counted
BOUNDS = (".lower", ".p99_ms", ".attempt")
NOT_SIMULATED = "a simulation cannot give this"
RECORD = frozenset({"training-record"})
DATA = ("no-quarantined-input", "inputs-approved", "ancestry")  # the first of these explains the others
FORMAT = "safe-format"
EVIDENCE = frozenset({"evidence-enrolled", "known-overlap"})


def show_decision(decision: Decision, *, brief: bool = False) -> None:
    """Print a decision; briefly, what passed is only counted and what nothing shows is only named."""
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
    if brief:
        _show_rest(decision)
        say(f"  {len(passed)} rules passed", style="dim", markup=False)
    else:
        rows = [[r.verdict, name(r), why(r)] for r in (*blocking, *passed)]
        output.table("", ("", "rule", "why"), rows)
        for condition in decision.conditions:
            say(f"  note: {condition}", style="dim", markup=False)
    until = decision.document()["expires_at"][:16]
    say(f"  decision {decision.digest()}, epoch {decision.epoch}, until {until}Z", style="dim", markup=False)
    if next_step := _next(decision):
        say(f"  do: {next_step}", markup=False)


def _show_rest(decision: Decision) -> None:
    """What blocks beside the headlines: failures with their reason, what nothing shows by name."""
    say = output.console().print
    rest = [r for r in decision.blocking() if r not in _deciding(decision)]
    for rule in rest:
        if rule.verdict == "fail":
            say(f"  and: {why(rule)}", markup=False)
    if missing := [name(r) for r in rest if r.verdict != "fail"]:
        say(f"  not shown either: {', '.join(missing)}", markup=False)


def headline(decision: Decision) -> str:
    """What decides, in one sentence; empty when eligible without a bound."""
    return next(iter(_headlines(decision)), "")


def _headlines(decision: Decision) -> list[str]:
    """What decides when blocked; when eligible, the bounds that were read."""
    if decision.blocking():
        return [f"because: {why(r)}" for r in _deciding(decision)]
    read = {k: v for r in decision.rules for k, v in r.read.items() if k.endswith(BOUNDS)}
    return [f"bounds: {', '.join(f'{k} {_value(v)}' for k, v in sorted(read.items()))}"] if read else []


def _deciding(decision: Decision) -> list[RuleVerdict]:
    """What the floor says, and, unless that is about the data, what is not so and what no simulation could show."""
    blocking = decision.blocking()
    floor = [r for r in blocking if r.floor]
    first = [r for r in floor if r.verdict == "fail"] or floor[:1]
    first.sort(key=lambda r: DATA.index(r.rule) if r.rule in DATA else len(DATA))
    rest: list[RuleVerdict] = []
    if not RECORD.union(DATA) & {r.rule for r in first}:
        policy = [r for r in blocking if not r.floor]
        rest = [r for r in policy if r.verdict == "fail"]
        rest += [r for r in policy if r.verdict == "missing" and NOT_SIMULATED in r.message]
    return [*first[:HEADLINES], *rest[:HEADLINES]] or blocking[:1]


def _next(decision: Decision) -> str:
    """What to do about a model that is blocked; empty where nothing here can mend it."""
    blocking = {r.rule for r in decision.blocking() if r.floor}
    if decision.decides != "promotion" or not blocking:
        return ""
    if FORMAT in {r.rule for r in decision.blocking() if r.floor and r.verdict == "fail"}:
        return "export to npz, safetensors or ONNX, leave every other file out, and register that folder"
    if blocking & RECORD:
        return "train under training_run(...), so that data, code and output are recorded"
    if blocking.intersection(DATA):
        return "train on approved versions"
    if blocking <= EVIDENCE:
        return f"assay plan {decision.subject_name} --device-class {decision.device_class} --line LINE"
    return ""


def name(rule: RuleVerdict) -> str:
    """A rule's name, and whether it is the floor's."""
    return f"floor {rule.rule}" if rule.floor else rule.rule


def why(rule: RuleVerdict) -> str:
    """A floor rule says what is; a policy rule says what it asks for, so whether that is so is put before it."""
    if rule.floor:
        return rule.message
    asked = rule.message.partition(" Cannot be judged: ")[0].partition(" Not so: ")[0]
    if rule.verdict == "missing":
        return f"not shown: {asked}"
    read = f" [{', '.join(f'{k} = {_value(v)}' for k, v in sorted(rule.read.items()))}]" if rule.read else ""
    return f"not so: {asked}{read}" if rule.verdict == "fail" else f"{asked}{read}"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        short = len(value) <= FEW and all(isinstance(item, str | int | float) for item in value)
        return ", ".join(_value(item) for item in value) if short and value else f"{len(value)} items"
    return str(value)
