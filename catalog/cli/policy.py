"""`assay policy …`: look, try on what is recorded, compare with what is in force, and sign into force."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from catalog.cli import output, signing
from catalog.errors import Absent, Invalid, Refused

if TYPE_CHECKING:
    from catalog.domain.policy import ActivePolicy, BlockedRule, PolicyDiff, PolicyTrial, PolicyView

app = typer.Typer(help="Policies: the rules that decide.", no_args_is_help=True, rich_markup_mode=None)
LIMIT = 256 * 1024
File = Annotated[Path, typer.Argument(metavar="FILE", help="A policy (policy@1, YAML).")]


@app.command("list")
def list_(as_: output.As = None, json_: output.Json = False) -> None:
    """Every policy that ever was in force."""
    with output.reported(as_json=json_):
        with output.catalog(as_, "viewer") as catalog:
            found = catalog.policies()
        if json_:
            output.say_json([p.document() for p in found])
            return
        newest = _newest(found)
        rows = [
            [
                p.policy.name,
                str(p.policy.version),
                "in force" if newest[p.policy.name] is p else "superseded",
                p.policy.device_class or "data",
                ", ".join(p.policy.environments),
                ", ".join(p.activated_by),
                p.digest_[7:23],
            ]
            for p in sorted(found, key=lambda p: (p.policy.name, -p.policy.version))
        ]
        columns = ("policy", "version", "state", "class", "environments", "signed by", "digest")
        output.table("policies", columns, rows)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="The policy's name.")], as_: output.As = None, json_: output.Json = False
) -> None:
    """A policy in force: thresholds and rules."""
    with output.reported(as_json=json_):
        with output.catalog(as_, "viewer") as catalog:
            newest = _newest(catalog.policies())
        if name not in newest:
            raise Absent("policy-unknown", f"no policy {name!r}", do=f"one of {', '.join(sorted(newest))}")
        found = newest[name]
        if json_:
            output.say_json(found.document())
            return
        p, say = found.policy, output.console().print
        say(f"{p.name} version {p.version}, signed by {', '.join(found.activated_by)}", style="bold", markup=False)
        say(f"  {p.description}", markup=False)
        frame = f"confidence {p.confidence}, evidence {p.evidence_days} days, decision {p.decision_hours} hours"
        say(f"  {frame}; hardware {p.hardware or '-'}; run {p.run_assurance or '-'}", markup=False)
        for threshold, value in p.thresholds.items():
            say(f"  {threshold} = {value:g}", markup=False)
        output.table("", ("rule", "holds when", "clause"), [[r.name, r.expression, r.clause] for r in p.rules])


@app.command("test")
def try_(
    file: File,
    evidence: Annotated[
        list[str] | None,
        typer.Option(help="Recorded evidence, by digest or as its envelope's file; all of its class if absent."),
    ] = None,
    as_: output.As = None,
    json_: output.Json = False,
) -> None:
    """Prove a policy's fixtures, and try each rule on what is recorded; nothing changes."""
    with output.reported(as_json=json_):
        with output.catalog(as_, "viewer") as catalog:
            trial = catalog.try_policy(_text(file), tuple(map(_digest, evidence or ())))
        if json_:
            output.say_json(trial.document())
            return
        _show_trial(trial)


def _show_trial(trial: PolicyTrial) -> None:
    p = trial.policy
    say = output.console().print
    say(f"{p.name} version {p.version}: {len(p.rules)} rules, every fixture behaves", markup=False)
    if not trial.tried:
        say("nothing recorded that it could be tried on", style="dim", markup=False)
        return
    rows = [
        [tried.subject, (tried.evidence or "")[7:19], rule.rule, rule.verdict, _read(rule)]
        for tried in trial.tried
        for rule in tried.rules
    ]
    output.table("", ("subject", "evidence", "rule", "verdict", "values"), rows)


@app.command()
def diff(file: File, as_: output.As = None, json_: output.Json = False) -> None:
    """A policy against the one in force, and the live releases that it would block; nothing changes."""
    with output.reported(as_json=json_):
        with output.catalog(as_, "viewer") as catalog:
            found = catalog.policy_diff(_text(file))
        if json_:
            output.say_json(found.document())
        else:
            _show_diff(found)


def _show_diff(found: PolicyDiff) -> None:
    p, say = found.policy, output.console().print
    before = f"version {found.replaced_version}" if found.replaces else "nothing"
    say(f"{p.name} version {p.version} against {before}", style="bold", markup=False)
    rows = [[c.kind, c.what, c.before, c.after] for c in found.changes]
    output.table("", ("", "what", "before", "after"), rows or [["none", "", "", ""]])
    if not found.blocks:
        say("no live release would be blocked", markup=False)
    for release in found.blocks:
        now = ", chosen now" if release.chosen else ""
        text = f"would block release {release.number} ({release.model_name}{now}) {release.release}"
        say(text, style="red", markup=False)
        for rule in release.rules:
            say(f"  {rule.rule}: {rule.message} {_read(rule)}", markup=False)


@app.command()
def activate(
    file: File,
    key: signing.KeyFile = None,
    yes: signing.Yes = False,
    as_: output.As = None,
    json_: output.Json = False,
) -> None:
    """Sign a policy as one of two approvers; the second signature puts it in force and denies what it blocks."""
    with output.reported(as_json=json_), output.catalog(as_, "approver-1") as catalog:
        from catalog.attest.envelope import POLICY

        text = _text(file)
        proposed = catalog.propose_policy(text)
        found = catalog.policy_diff(text)
        _is_the_file(proposed, found, text)
        if not json_:
            _show_diff(found)
            for rival in proposed.rivals:
                output.console().print(rival, style="red", markup=False)
            output.console().print(f"proposal {proposed.digest_}", style="dim", markup=False)
        envelope = signing.signed(catalog, proposed.proposal, POLICY, key, ask=not (yes or json_))
        done = catalog.activate_policy(envelope)
        output.said(done.document(), json_, _activated(done, proposed.rivals))


def _is_the_file(proposed: PolicyView, found: PolicyDiff, text: str) -> None:
    """Nothing is signed that is not this file, nor another policy than the one that was compared."""
    from catalog.domain.policy import Policy
    from validators.documents import DocumentError, parse_yaml

    policy = proposed.proposal.policy
    try:
        own = Policy.of(parse_yaml(text))
    except DocumentError as error:
        raise Invalid("policy-invalid", str(error), do="correct the policy") from error
    suites = own.suites or policy.suites  # the catalog names the suites of data policies
    same = own.model_copy(update={"suites": suites}) == policy == found.policy
    if not same or policy.digest() != proposed.proposal.policy_digest:
        what = "what the catalog proposes is not this file"
        raise Refused("decision-mismatch", what, where=proposed.digest_, do="do not sign; ask who runs the catalog")


def _activated(done: PolicyView, shown: tuple[str, ...]) -> str:
    """What became of it; the rivals that were shown before it was signed are not shown again."""
    p, signers = done.proposal.policy, ", ".join(done.signed_by)
    if done.done_at is None:
        until = done.proposal.document()["open_until"][:16]
        lines = [f"signed by {signers}; another approver to sign the same file until {until}Z"]
        lines += [rival for rival in done.rivals if rival not in shown]
    else:
        lines = [f"{p.name} version {p.version} is in force, signed by {signers}"]
        lines += [f"  denied release {release}" for release in done.denied]
    return "\n".join([*lines, *(f"  {note}" for note in done.notes)])


def _newest(found: list[ActivePolicy]) -> dict[str, ActivePolicy]:
    return {p.policy.name: p for p in sorted(found, key=lambda p: p.policy.version)}


def _read(rule: BlockedRule) -> str:
    values = {name: f"{value:g}" if isinstance(value, float) else str(value) for name, value in rule.read.items()}
    return ", ".join(f"{name} = {value}" for name, value in values.items())


def _digest(which: str) -> str:
    """The digest of recorded evidence, or of the envelope in a file."""
    from catalog.domain.base import canonical, sha256, strict_json

    path = Path(which)
    return sha256(canonical(strict_json(path.read_bytes(), which))) if path.is_file() else which


def _text(path: Path) -> str:
    if not path.is_file():
        raise Invalid("path-missing", f"no policy file {path}", do="name a YAML file (docs/policies.md)")
    if path.stat().st_size > LIMIT:
        raise Invalid("policy-invalid", f"{path} is larger than {LIMIT} bytes", do="make it smaller")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise Invalid("policy-invalid", f"{path} is not UTF-8: {error}", do="save it as UTF-8") from error
