"""The verdict on one screen: what was judged, the worst first, small curves of them, and what could not be judged."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from catalog.cli.episodes import ranges
from catalog.cli.findings.curves import curve
from catalog.cli.findings.order import Group, grouped
from catalog.cli.findings.words import counts, facts, number, plain, said_besides, span

if TYPE_CHECKING:
    from validators.expectations.expectation import Progress
    from validators.findings import Finding, Outcome
    from validators.result import SuiteResult
    from validators.run import Told

SHOWN = 12  # groups of findings on one screen
CURVES = 3
NARROW = 60  # columns; on a narrower terminal there are no curves


def show(name: str, result: SuiteResult, chosen: str, *, pictures: bool | None, notes: bool) -> None:
    """Prints the verdict on standard output; `pictures` None draws curves where that is a terminal."""
    from validators.expectations import SHIPPED

    console = Console(highlight=False)
    console.print(Text(plain(name), style="bold"), Text(plain(" · ".join(facts(result)))))
    robot = f" · robot {result.robot.name}" if result.robot else ""
    console.print(Text(plain(f"suite {chosen}{robot}"), style="dim"))
    _verdict(console, result)
    groups = grouped(result.findings)
    if groups:
        console.print(Text("episode, check, time, value", style="dim"))
        wanted = console.is_terminal if pictures is None else pictures
        _list(console, groups, result if wanted and console.width >= NARROW else None)
    for said, checks in said_besides(result, all_notes=notes).items():
        console.print(Text(plain(f"{', '.join(checks)}: {said}"), style="dim"))
    explained = {e.check for e in SHIPPED}
    if named := next((g.worst.check for g in groups if g.worst.check in explained), None):
        console.print(Text(f"Explain one: assay check --explain {named}", style="dim"))


def list_findings(console: Console, findings: Sequence[Finding]) -> None:
    """The worst findings, grouped, without curves."""
    _list(console, grouped(findings), None)


def _verdict(console: Console, result: SuiteResult) -> None:
    failing = result.failing_episodes
    named = f"; failing episodes: {ranges(failing)}" if failing else ""
    word, style = ("PASSED", "bold green") if result.passed else ("BLOCKED", "bold red")
    console.print(Text(word, style=style), Text(counts(result) + named))


def _list(console: Console, groups: Sequence[Group], drawn: SuiteResult | None) -> None:
    """Two lines a group: episodes, check, time, value and limit; then what and the resolution; then a curve."""
    shown = groups[:SHOWN]
    where = [ranges(g.episodes, shorten=True) or "all" for g in shown]
    width, checks = max(map(len, where)), max(len(g.worst.check) for g in shown)
    curves = 0
    for group, episodes in zip(shown, where, strict=True):
        worst = group.worst
        line = Text(f"{episodes:>{width}}  ")
        line.append(f"{worst.check:<{checks}}", style="red" if worst.severity == "blocking" else "yellow")
        limit = number(worst.limit, worst.unit)
        parts = (span(worst), number(worst.value, worst.unit), f"(limit {limit})" if limit else "")
        line.append("".join(f"  {part}" for part in parts if part))
        console.print(line)
        what = Text(plain(f"{worst.stream}: {worst.message}" if worst.stream else worst.message))
        if len(group.findings) > 1:
            of = f" of episode {worst.affected[0]}" if len(worst.affected) == 1 and len(group.episodes) > 1 else ""
            what.append(f" (the worst of {len(group.findings)}{of})")
        what.append(plain(f" [resolves {worst.resolves}]") if worst.resolves else "", style="dim")
        console.print(Padding(what, (0, 0, 0, width + 2)))
        if drawn is not None and curves < CURVES:
            curves += _draw(console, drawn, worst, width + 2)
    if len(groups) > SHOWN:
        more = sum(len(g.findings) for g in groups[SHOWN:])
        console.print(Text(f"and {more} more; --json, --report and --sarif have all", style="dim"))


def _draw(console: Console, result: SuiteResult, finding: Finding, indent: int) -> bool:
    from validators.excerpt import excerpt

    piece = excerpt(result.recording, finding)
    if piece is None:
        return False
    room = min(72, console.width - indent - 1)
    blocks, marks = curve(piece, room)
    low, high = piece.values.min(), piece.values.max()
    label = f"{piece.label}, {low:.4g} to {high:.4g}, {piece.time_s[0]:.2f} to {piece.time_s[-1]:.2f} s"
    for text, style in ((blocks, "cyan"), (marks, "red"), (plain(label), "dim")):
        console.print(Padding(Text(text, style=style, no_wrap=True, overflow="crop"), (0, 0, 0, indent)))
    return True


@contextmanager
def progress() -> Iterator[tuple[Progress, Told]]:
    """A bar on standard error where that is a terminal, gone when the work is done; findings above it as they come."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True, highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    live = console.is_terminal and sys.stderr.isatty()
    with Progress(*columns, console=console, transient=True, disable=not live) as bar:
        tasks: dict[str, Any] = {}

        def report(what: str, done: int, of: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=of)
            bar.update(tasks[what], completed=done, total=of)

        def told(outcome: Outcome) -> None:
            if live and outcome.findings:
                first = outcome.findings[0]
                more = f" and {len(outcome.findings) - 1} more" if len(outcome.findings) > 1 else ""
                said = plain(f"{outcome.check}: {first.message}{more}")
                bar.console.print(Text(said, style="red" if first.severity == "blocking" else "yellow"))

        yield report, told
