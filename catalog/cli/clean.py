"""`assay clean`: the same dataset without some episodes, as a new folder; the old one is not touched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from catalog.cli.check import JsonOption, RobotOption, SuiteOption, judge, plain, ranges, reported

FAILING = "failing"


def clean(
    path: Annotated[Path, typer.Argument(help="Folder of a LeRobot v2.1 dataset without video.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write; must not exist.")],
    drop: Annotated[str, typer.Option("--drop", help="Episodes to leave out: `failing`, or indices such as 0,3,5.")],
    suite: SuiteOption = None,
    robot: RobotOption = None,
    json_: JsonOption = False,
) -> None:
    """Write a dataset without the bad episodes. Exit status: 0 written, 2 nothing written."""
    with reported(as_json=json_):
        from validators import readers
        from validators.clean import clean as write

        if drop == FAILING:
            result, _ = judge(path, suite, robot)
            recording, dropped = result.recording, set(result.failing_episodes)
        else:
            recording, dropped = readers.open(path), _indices(drop)
        report = write(recording, out, dropped)
    if json_:
        typer.echo(json.dumps({"out": str(out), **report.to_dict()}, indent=2))
        return
    named = f"dropped {ranges(report.dropped)}" if report.dropped else "nothing to drop"
    typer.echo(f"{plain(str(out))}: {len(report.kept)} episodes, {report.frames} rows; {named}")


def _indices(text: str) -> set[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
        raise typer.BadParameter(f"--drop {text!r}: `failing`, or indices such as 0,3,5")
    return {int(part) for part in parts}
