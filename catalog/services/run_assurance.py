"""How much assures a training record: what the client watched, and whether somebody else got the same model from it.

A difference refutes the record, it taints nothing: such a run counts as declared only. A reproduction counts while its
signer's key does; one difference that counts outweighs every match.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from catalog.db import records, tables
from catalog.domain.principal import Key
from catalog.domain.reproduction import Reproduction
from catalog.domain.run import ASSURANCES, Assurance, Run
from catalog.services.context import Context


@dataclass(frozen=True)
class Assured:
    """The assurance of a run, and why it is not more where a reproduction refuted it."""

    level: Assurance
    why: str = ""


def assurance(context: Context, runs: Sequence[Run], twins: Sequence[Run] = ()) -> Assured:
    """The lowest assurance among a model's run and the runs of what it continues.

    A record that was refuted counts for the same weights under any name; any other assures its own model only.
    """
    found = [_of(context, run) for run in runs]
    found += [refuted for run in twins if (refuted := _of(context, run)).why]
    return min(found, key=lambda a: (ASSURANCES.index(a.level), not a.why))


def _of(context: Context, run: Run) -> Assured:
    counted = reproductions(context, run.id)
    refuted = [r for r in counted if r.outcome == "differs"]
    if refuted:
        return Assured("declared", f"Run {run.id} was not reproduced by {refuted[0].signer}: {refuted[0].why}")
    matched = {r.model for r in counted}
    if run.assurance == "observed" and run.outputs and matched >= set(run.outputs):
        return Assured("reproduced")
    return Assured(run.assurance)


def reproductions(context: Context, run: str) -> list[Reproduction]:
    """The reproductions of a run that count: signed by an evaluator whose key counted then, and was not compromised."""
    with context.records.read() as c:
        found = records.many(c, tables.reproduction, Reproduction, order="id", run=run)
        keys = {key.keyid: key for key in records.many(c, tables.key, Key, order="keyid")} if found else {}
    return [r for r in found if r.keyid in keys and not keys[r.keyid].counts("evaluator", r.received_at)]
