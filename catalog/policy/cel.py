"""One rule, compiled and judged: only a BOOL that is True passes, and what is absent is missing, never an answer.

An evaluation error is a truthy value in the CEL library, and `||` swallows errors; so every value that a rule reads
is checked before the evaluation, which then sees those values and nothing else.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cel_expr_python import cel

from catalog.domain.decision import RuleVerdict
from catalog.domain.policy import Rule, Verdict
from catalog.errors import Invalid
from catalog.policy.facts import FACTS, Kind
from catalog.policy.reads import Path, Reads, dotted
from catalog.policy.tree import tree

SHOWN = 400  # characters of values in a message; the verdict's `read` has them all


class _Missing(ValueError):
    """Why a value cannot be read."""


@dataclass(frozen=True)
class CompiledRule:
    """A rule whose expression makes sense; `paths` are the facts it reads, `thresholds` the names after `policy.`."""

    rule: Rule
    expression: Any
    paths: Mapping[Path, Kind]
    thresholds: frozenset[str]

    def evaluate(self, facts: Mapping[str, Any], thresholds: Mapping[str, float]) -> RuleVerdict:
        """The verdict on these facts, with every value read; never raises for what facts hold."""
        sources = {**facts, "policy": thresholds}
        wanted: dict[Path, Kind] = {**self.paths}
        wanted.update({("policy", name): Kind("number") for name in sorted(self.thresholds)})
        read: dict[str, Any] = {}
        lacking: list[str] = []
        for path, kind in wanted.items():
            try:
                read[dotted(path)] = _value(sources, path, kind)
            except _Missing as reason:
                lacking.append(f"{dotted(path)} {reason}")
        if lacking:
            return self._verdict("missing", f"Cannot be judged: {'; '.join(lacking)}.", read)
        try:
            result = self.expression.eval(data=_prune(sources, _branches(wanted)))
        except (RuntimeError, ValueError, TypeError, OverflowError) as error:
            return self._verdict("missing", f"Cannot be judged: {error}.", read)
        if result.type() != cel.Type.BOOL:
            return self._verdict("missing", f"Cannot be judged: the answer is {result.type()}.", read)
        if result.value() is True:
            return self._verdict("pass", "", read)
        values = ", ".join(f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in read.items())
        return self._verdict("fail", f"Not so: {values[:SHOWN]}{'…' if len(values) > SHOWN else ''}.", read)

    def _verdict(self, verdict: Verdict, why: str, read: dict[str, Any]) -> RuleVerdict:
        message = f"{self.rule.message} {why}".strip()[:4000]
        return RuleVerdict(rule=self.rule.name, verdict=verdict, message=message, clause=self.rule.clause, read=read)


def compile_rule(rule: Rule, decides: str) -> CompiledRule:
    """Compile a rule of a policy that decides `dataset-approval` or `promotion`; raises `Invalid("policy-invalid")`."""
    try:
        expression, reads = _compiled(rule.expression, decides)
    except (RuntimeError, ValueError) as error:
        what = str(error).replace("<input>:", "").removeprefix("INVALID_ARGUMENT: ").split("\n")[0]
        raise Invalid(
            "policy-invalid",
            f"expression {rule.expression!r}: {what}",
            where=f"rule {rule.name}",
            do="correct the rule",
        ) from error
    return CompiledRule(rule, expression, reads.paths, frozenset(reads.thresholds))


@functools.lru_cache(maxsize=1024)
def _compiled(expression: str, decides: str) -> tuple[Any, Reads]:
    compiled = _environment(decides).compile(expression)
    return compiled, Reads(tree(compiled.serialize()), decides)


@functools.cache
def _environment(decides: str) -> Any:
    return cel.NewEnv(variables=dict.fromkeys([*FACTS[decides].model_fields, "policy"], cel.Type.DYN))


def _value(source: Any, path: Path, kind: Kind) -> Any:
    """The value at a path, or the list of values where the path goes through lists; raises `_Missing`."""
    if not path:
        return _checked(source, kind)
    step, rest = path[0], path[1:]
    if step == "*":
        if not isinstance(source, list | tuple):
            raise _Missing("is not a list")
        if not source:
            raise _Missing("is empty")
        return [_value(element, rest, kind) for element in source]
    if not isinstance(source, Mapping) or source.get(step) is None:
        raise _Missing("is not there")
    return _value(source[step], rest, kind)


def _checked(value: Any, kind: Kind) -> Any:
    expected: Any = {"bool": bool, "text": str, "number": int if kind.whole else (int, float)}[kind.of]
    if not isinstance(value, expected) or (kind.of == "number" and isinstance(value, bool)):
        raise _Missing(f"is of the wrong type ({type(value).__name__})")
    if isinstance(value, float) and not math.isfinite(value):
        raise _Missing("is not a finite number")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise _Missing("does not fit 64 bits")
    return value


def _branches(paths: Iterable[Path]) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for path in paths:
        branch = root
        for step in path:
            branch = branch.setdefault(step, {})
    return root


def _prune(value: Any, branches: dict[str, Any]) -> Any:
    """The value without anything that is not read; what is read is known to be there."""
    if not branches:
        return value
    if "*" in branches:
        return [_prune(element, branches["*"]) for element in value]
    return {step: _prune(value[step], below) for step, below in branches.items()}
