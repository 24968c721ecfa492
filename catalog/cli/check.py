"""`assay check`: what is wrong with a dataset, at once; no service, no account, nothing remembered."""

from __future__ import annotations

import errno
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from catalog.cli import output

if TYPE_CHECKING:
    from validators.errors import ValidatorError
    from validators.result import SuiteResult

CLEAN, BLOCKED, UNREADABLE = 0, 1, 2
STANDARD_OUTPUT = "-"
ALIKE = 48  # first bytes by which answers of one kind are known

PathArgument = Annotated[str | None, typer.Argument(help="Folder or file, s3://… or lakefs://repository/ref/path.")]
SuiteOption = Annotated[
    str | None, typer.Option("--suite", help="Suite by name or file; chosen by what the data says if absent.")
]
RobotOption = Annotated[Path | None, typer.Option("--robot", help="Robot record (robot@1), URDF or MJCF.")]
ClockOption = Annotated[
    str | None, typer.Option("--clock", help="COLUMN or COLUMN:UNIT (s, ms, us, ns) with the time of a table's rows.")
]
ProfileOption = Annotated[
    Path | None, typer.Option("--profile", help="Profile of approved data (profile@1) that drift is judged against.")
]
ExplainOption = Annotated[
    str | None, typer.Option("--explain", help="What a check computes, with its false alarms; `list` names all.")
]
ReportOption = Annotated[str | None, typer.Option("--report", help="Write one HTML file with plots and pictures.")]
JunitOption = Annotated[str | None, typer.Option("--junit", help="Write JUnit XML; - is standard output.")]
SarifOption = Annotated[str | None, typer.Option("--sarif", help="Write SARIF 2.1.0; - is standard output.")]
NotesOption = Annotated[bool, typer.Option("--notes", help="What each check says, clean or not evaluable.")]
PicturesOption = Annotated[
    bool | None,
    typer.Option("--pictures/--no-pictures", help="Small curves of the worst findings; in a terminal if absent."),
]


def check(
    path: PathArgument = None,
    suite: SuiteOption = None,
    robot: RobotOption = None,
    clock: ClockOption = None,
    profile: ProfileOption = None,
    json_: output.Json = False,
    explain: ExplainOption = None,
    report: ReportOption = None,
    junit: JunitOption = None,
    sarif: SarifOption = None,
    pictures: PicturesOption = None,
    notes: NotesOption = False,
) -> None:
    """Check a dataset. Exit status: 0 clean, 1 something blocks, 2 unreadable input or an answer not written."""
    if explain is not None:
        _explain(explain)
        return
    if path is None:
        raise typer.BadParameter("give the dataset's folder, or --explain CHECK")
    if [report, junit, sarif].count(STANDARD_OUTPUT) + json_ > 1:
        raise typer.BadParameter("only one answer goes to standard output")
    with output.reported(as_json=json_), reported(as_json=json_):
        result, chosen = judge(path, suite, robot, clock, profile)
        name = path.rstrip("/").rsplit("/", 1)[-1] or path
        _write(name, result, chosen, report=report, junit=junit, sarif=sarif)
        if json_:
            document = {"path": path, "chosen": chosen, **result.to_dict()}
            typer.echo(json.dumps(document, indent=2, allow_nan=False))
        elif STANDARD_OUTPUT not in (report, junit, sarif):
            from catalog.cli.findings.terminal import show

            show(name, result, chosen, pictures=pictures, notes=notes)
    raise typer.Exit(CLEAN if result.passed else BLOCKED)


def judge(
    path: str, suite: str | None, robot: Path | None, clock: str | None = None, profile: Path | None = None
) -> tuple[SuiteResult, str]:
    """The verdict on a folder, and which suite was chosen why; progress goes to standard error."""
    from catalog.cli.findings.terminal import progress
    from catalog.domain.clock import wall_clock
    from validators import profile as profiles
    from validators import readers, suites
    from validators import robot as robots
    from validators.declarations import declaration
    from validators.run import run

    model = None if robot is None else robots.load(robot)
    reference = None if profile is None else profiles.load(profile)
    with progress() as (report, told):
        report("reading metadata", 0, 1)
        recording = readers.open(path, clock=None if clock is None else declaration.clock(clock))
        report("reading metadata", 1, 1)
        if suite is None:
            chosen, why = suites.for_recording(recording)
        else:
            chosen, why = suites.load(suite), f"{suite}, as asked"
        return run(recording, chosen, model, report, told, now=wall_clock(), reference=reference), why


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
    from catalog.cli.findings.words import plain

    if as_json:
        typer.echo(json.dumps({"error": {"kind": error.kind, "path": error.path, "message": str(error)}}, indent=2))
    else:
        typer.echo(plain(f"{error.kind}: {error}"), err=True)


def _write(
    name: str, result: SuiteResult, chosen: str, *, report: str | None, junit: str | None, sarif: str | None
) -> None:
    from catalog.cli.findings.junit import junit as as_junit
    from catalog.cli.findings.page import page
    from catalog.cli.findings.sarif import sarif as as_sarif
    from catalog.cli.findings.words import plain

    wanted: list[tuple[str | None, Callable[[], str]]] = [
        (report, lambda: page(name, result, chosen)),
        (junit, lambda: as_junit(name, result)),
        (sarif, lambda: as_sarif(name, result)),
    ]
    for target, made in wanted:
        if target == STANDARD_OUTPUT:
            sys.stdout.write(made())
        elif target is not None:
            try:
                text = made()
                _apart(Path(target), text)
                Path(target).write_text(text, encoding="utf-8")
            except OSError as error:
                typer.echo(plain(f"{target} cannot be written: {error.strerror}"), err=True)
                raise typer.Exit(UNREADABLE) from error


def _apart(target: Path, made: str) -> None:
    """Raises `OSError` where another file than an earlier answer of this kind is there, which stays."""
    if not target.is_file():
        return
    with target.open("rb") as file:
        before = file.read(ALIKE)
    if before and before != made.encode()[:ALIKE]:
        raise OSError(errno.EEXIST, "another file is there, and it is left as it is; name another place")


def _explain(name: str) -> None:
    from validators.expectations import SHIPPED, explain

    if name == "list":
        for expectation in sorted(SHIPPED, key=lambda e: (e.check, e.type)):
            first = (expectation.__doc__ or "").strip().split("\n")[0]
            typer.echo(f"{expectation.check}\n    {expectation.type}: {first}")
        return
    try:
        typer.echo(explain(name))
    except KeyError:
        known = ", ".join(sorted({e.check for e in SHIPPED}))
        typer.echo(f"no check {name!r}; known are {known}", err=True)
        raise typer.Exit(UNREADABLE) from None
