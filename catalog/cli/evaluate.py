"""`assay plan` and `assay evaluate`: say what will be tried, try it, sign every trial."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from catalog.cli import output

if TYPE_CHECKING:
    from catalog.domain.evidence import Harness
    from catalog.domain.replay import Replay


def plan(
    model: Annotated[str, typer.Argument(help="The model, by name or digest.")],
    device_class: Annotated[str, typer.Option(help="The device class it is tried for.")],
    line: Annotated[str, typer.Option(help="The enrolled line whose error budget this attempt uses.")],
    as_: output.As = None,
    json_: output.Json = False,
) -> None:
    """Record a plan; the seeds of its trials are drawn afterwards. Every plan counts as an attempt."""
    with output.reported(as_json=json_):
        with output.catalog(as_, "evaluator") as catalog:
            found = catalog.plan(model, device_class, line)
        if json_:
            output.say_json(found.document())
            return
        p = found.plan
        say = output.console().print
        say(f"plan {p.id}: {p.model_name} for {p.device_class}, attempt {p.k} of line {p.line}", markup=False)
        say(f"  {p.protocol.n} trials by {p.protocol.name} {p.protocol.version}, alpha {p.alpha:.4g}", markup=False)
        say("  every plan of the line counts until its next release is published", markup=False)
        say(f"  next: assay evaluate {p.id} --harness MODULE", markup=False)


def evaluate(
    plan_: Annotated[str, typer.Argument(metavar="PLAN", help="The plan's id.")],
    harness: Annotated[str, typer.Option(help="Module with NAME, VERSION, ORIGIN, trials() and step().")],
    key: Annotated[Path | None, typer.Option(help="The evaluator's key file; KEYS/<principal>.pem if absent.")] = None,
    pause_ms: Annotated[float, typer.Option(min=0, max=60_000, help="Pause between latency blocks.")] = 50,
    as_: output.As = None,
    json_: output.Json = False,
) -> None:
    """Run a plan's trials and latency blocks here, sign the whole table, and bring it to the catalog."""
    with output.reported(as_json=json_):
        from catalog.attest.envelope import EVIDENCE, sign
        from catalog.client.evaluation import measure

        with output.catalog(as_, "evaluator") as catalog:
            found = catalog.find_plan(plan_)
            with output.progress("evaluate") as progress:
                statement = measure(catalog, found, harness, pause_ms / 1000, progress)
            path = key or catalog.settings.keys_folder / f"{catalog.principal}.pem"
            envelope = sign(statement.canonical(), EVIDENCE, path, catalog.settings.home)
            evidence = catalog.evidence(envelope)
            with output.progress("replay") as progress:
                simulated = statement.predicate.harness.origin == "simulated"
                replayed = catalog.replay(evidence.digest_, progress) if simulated else None
        trials = statement.predicate.trials
        if json_:
            output.say_json(evidence.document() | {"replay": replayed.document() if replayed else None})
            return
        won = sum(t.outcome == "success" for t in trials)
        say = output.console().print
        say(f"evidence {evidence.digest_}", markup=False)
        say(f"  {won} of {len(trials)} trials succeeded, {statement.predicate.harness.origin}", markup=False)
        steps = sum(len(b.milliseconds) for b in statement.predicate.latency)
        say(f"  {steps} latencies on {statement.predicate.host.name}, signed by {evidence.signer}", markup=False)
        say(f"  {_said(replayed, statement.predicate.harness)}", markup=False)


def replay(
    evidence: Annotated[str, typer.Argument(help="The evidence's digest.")],
    as_: output.As = None,
    json_: output.Json = False,
) -> None:
    """Show what the catalog found when it ran trials again; a replay that failed is tried again, on the same draw."""
    with output.reported(as_json=json_):
        with output.catalog(as_, "evaluator") as catalog, output.progress("replay") as progress:
            found = catalog.replay(evidence, progress)
            if found.state == "failed":
                catalog.replay_again(evidence)
                found = catalog.replay(evidence, progress)
        differ = f"{found.differing} ended otherwise" if found.differing else "all ended as the evidence says"
        text = found.why if found.state != "done" else f"{found.replayed} of {found.returned} replayed: {differ}"
        output.said(found.document(), json_, f"{found.state}: {text}")


def _said(found: Replay | None, harness: Harness) -> str:
    """What the catalog found when it ran trials again."""
    if found is None:
        return "nothing is replayed of a stand-in"
    if found.state != "done":
        return f"not replayed: {found.why or found.state}"
    if against := found.against(harness):
        return f"it does not count: {against}"
    return f"the catalog ran {found.replayed} of {found.returned} trials again: all ended as the evidence says"
