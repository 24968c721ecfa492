"""`assay check`: what is wrong with a folder of recordings, at once; no service, no account, nothing remembered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from catalog.cli import output
from catalog.cli.episodes import ranges

if TYPE_CHECKING:
    from rich.console import Console

    from validators.errors import ValidatorError
    from validators.expectations.expectation import Progress
    from validators.findings import Finding
    from validators.run import SuiteResult

CLEAN, BLOCKED, UNREADABLE = 0, 1, 2
SHOWN = 12  # findings on one screen

PathArgument = Annotated[Path | None, typer.Argument(help="Folder: LeRobot v2.1, or Parquet files with `timestamp`.")]
SuiteOption = Annotated[
    str | None, typer.Option("--suite", help="Suite by name or file; chosen by robot type if absent.")
]
RobotOption = Annotated[Path | None, typer.Option("--robot", help="Robot record (robot@1), URDF or MJCF.")]
ExplainOption = Annotated[str | None, typer.Option("--explain", help="What a check computes, with its false alarms.")]


def check(
    path: PathArgument = None,
    suite: SuiteOption = None,
    robot: RobotOption = None,
    json_: output.Json = False,
    explain: ExplainOption = None,
) -> None:
    """Check a dataset. Exit status: 0 clean, 1 something blocks, 2 unreadable input."""
    if explain is not None:
        _explain(explain)
        return
    if path is None:
        raise typer.BadParameter("give the dataset's folder, or --explain CHECK")
    with reported(as_json=json_):
        result, chosen = judge(path, suite, robot)
        if json_:
            typer.echo(json.dumps({"path": str(path), "chosen": chosen, **result.to_dict()}, indent=2, allow_nan=False))
        else:
            _show(path, result, chosen)
    raise typer.Exit(CLEAN if result.passed else BLOCKED)


def judge(path: Path, suite: str | None, robot: Path | None) -> tuple[SuiteResult, str]:
    """The verdict on a folder, and which suite was chosen why; progress goes to standard error."""
    from validators import readers, suites
    from validators import robot as robots
    from validators.run import run

    model = None if robot is None else robots.load(robot)
    with _progress() as progress:
        progress("reading metadata", 0, 1)
        recording = readers.open(path)
        chosen, why = suites.for_facts(recording.facts) if suite is None else (suites.load(suite), f"{suite}, as asked")
        return run(recording, chosen, model, progress), why


@contextmanager
def reported(*, as_json: bool) -> Iterator[None]:
    """What cannot be read or written ends with its message (or JSON) and exit status 2."""
    from validators.errors import ValidatorError

    try:
        yield
    except ValidatorError as error:
        _fail(error, as_json=as_json)
        raise typer.Exit(UNREADABLE) from error


def _fail(error: ValidatorError, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"error": {"kind": error.kind, "path": error.path, "message": str(error)}}, indent=2))
    else:
        typer.echo(plain(f"{error.kind}: {error}"), err=True)


def _explain(name: str) -> None:
    from validators.expectations import SHIPPED, explain

    try:
        typer.echo(explain(name))
    except KeyError:
        known = ", ".join(sorted({e.check for e in SHIPPED}))
        typer.echo(f"no check {name!r}; known are {known}", err=True)
        raise typer.Exit(UNREADABLE) from None


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar on standard error where that is a terminal, gone when the work is done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        tasks: dict[str, Any] = {}

        def report(what: str, done: int, of: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=of)
            bar.update(tasks[what], completed=done, total=of)

        yield report


def _show(path: Path, result: SuiteResult, chosen: str) -> None:
    from rich.console import Console
    from rich.text import Text

    from validators.expectations import SHIPPED

    console = Console(highlight=False)
    recording = result.recording
    facts = [
        recording.format,
        recording.facts.robot_type or "robot not declared",
        f"{len(recording.episodes)} episodes",
    ]
    facts += [f"{recording.rows} rows"] + ([f"{recording.facts.fps:g} Hz"] if recording.facts.fps else [])
    console.print(Text(plain(path.name or str(path)), style="bold"), Text(plain(" · ".join(facts))))
    console.print(
        Text(plain(f"suite {chosen}" + (f" · robot {result.robot.name}" if result.robot else "")), style="dim")
    )
    _verdict(console, result)
    if result.findings:
        console.print(Text("episode, check, time, value", style="dim"))
        list_findings(console, result.findings)
    for said, checks in _said(result).items():
        console.print(Text(plain(f"{', '.join(checks)}: {said}"), style="dim"))
    explained = {e.check for e in SHIPPED}
    if named := next((f.check for f in worst_first(result.findings) if f.check in explained), None):
        console.print(Text(f"Explain one: assay check --explain {named}", style="dim"))


def _said(result: SuiteResult) -> dict[str, list[str]]:
    """What could not be evaluated, and what is said even when clean, with the checks that say it."""
    said: dict[str, list[str]] = {}
    for outcome in result.outcomes:
        if outcome.status == "not-evaluable":
            blocks = "blocks, because the suite requires it" if outcome.required else "does not block"
            said.setdefault(f"not evaluable: {outcome.why} ({blocks})", []).append(outcome.check)
        elif outcome.note:
            said.setdefault(outcome.note, []).append(outcome.check)
    return said


def _verdict(console: Console, result: SuiteResult) -> None:
    from rich.text import Text

    statuses = [o.status for o in result.outcomes]
    counts = f"{len(result.blocking)} blocking findings, {len(result.warnings)} warnings; of {len(statuses)} checks "
    counts += f"{statuses.count('clean')} clean, {statuses.count('not-evaluable')} not evaluable"
    failing = result.failing_episodes
    named = f"; failing episodes: {ranges(failing)}" if failing else ""
    word, style = ("PASSED", "bold green") if result.passed else ("BLOCKED", "bold red")
    console.print(Text(word, style=style), Text(counts + named))


def list_findings(console: Console, findings: tuple[Finding, ...]) -> None:
    """The worst findings, two lines each: episodes, check, time, value and limit; then what and the resolution."""
    from rich.padding import Padding
    from rich.text import Text

    ordered = worst_first(findings)
    shown = ordered[:SHOWN]
    where = [ranges(f.affected, shorten=True) or "all" for f in shown]
    width, checks = max(map(len, where)), max(len(f.check) for f in shown)
    for finding, episodes in zip(shown, where, strict=True):
        line = Text(f"{episodes:>{width}}  ")
        line.append(f"{finding.check:<{checks}}", style="red" if finding.severity == "blocking" else "yellow")
        limit = _number(finding.limit, finding.unit)
        parts = (_span(finding), _number(finding.value, finding.unit), f"(limit {limit})" if limit else "")
        line.append("".join(f"  {part}" for part in parts if part))
        console.print(line)
        what = Text(plain(f"{finding.stream}: {finding.message}"))
        what.append(plain(f" [resolves {finding.resolves}]") if finding.resolves else "", style="dim")
        console.print(Padding(what, (0, 0, 0, width + 2)))
    if len(ordered) > SHOWN:
        console.print(Text(f"and {len(ordered) - SHOWN} more; --json shows all", style="dim"))


def plain(text: str) -> str:
    """The text with what a terminal would obey spelled out (escape sequences, line breaks): names are of strangers."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def worst_first(findings: tuple[Finding, ...]) -> list[Finding]:
    """Blocking before warnings, what concerns the whole dataset first, then episodes by how much is wrong with them."""
    weight: dict[int, int] = {}
    for finding in findings:
        for episode in finding.affected:
            weight[episode] = weight.get(episode, 0) + (1000 if finding.severity == "blocking" else 1)

    def rank(finding: Finding) -> tuple[bool, int, int]:
        most = max((weight[i] for i in finding.affected), default=1 << 60)
        return finding.severity != "blocking", -most, min(finding.affected, default=-1)

    return sorted(findings, key=rank)


def _span(finding: Finding) -> str:
    if finding.start_s is None or finding.end_s is None:
        return ""
    return f"{finding.start_s:.2f}-{finding.end_s:.2f} s"


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    return f"{value:.6g} {unit}".strip() if value.is_integer() else f"{value:.4g} {unit}".strip()
