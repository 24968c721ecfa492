"""`assay clean`: the same dataset without some episodes, as a new folder; the old one is not touched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from catalog.cli import output
from catalog.cli.check import RobotOption, SuiteOption, judge, reported
from catalog.cli.episodes import indices, ranges
from catalog.cli.findings.words import plain

FAILING = "failing"
_HOW = {
    "copied": "copied",
    "cut": "cut between keyframes, their pictures untouched",
    "encoded": "encoded again, because the cut falls between keyframes",
}


def clean(
    path: Annotated[str, typer.Argument(help="A LeRobot dataset, v2.0, v2.1 or v3.0: a folder, s3://… or lakefs://….")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write; must not exist.")],
    drop: Annotated[str, typer.Option("--drop", help="Episodes to leave out: `failing`, or indices such as 0,3,5.")],
    suite: SuiteOption = None,
    robot: RobotOption = None,
    json_: output.Json = False,
) -> None:
    """Write a dataset without the bad episodes. Exit status: 0 written, 2 nothing written."""
    with output.reported(as_json=json_), reported(as_json=json_):
        from catalog.cli.findings.terminal import progress
        from validators import readers
        from validators.clean import clean as write
        from validators.errors import UncleanableDataset

        if drop == FAILING:
            result, _ = judge(path, suite, robot)
            recording, dropped, why = result.recording, set(result.failing_episodes), result.blocking
        else:
            recording, dropped, why = readers.open(path), set(indices(drop)), ()
        with progress() as (told, _):
            try:
                report = write(recording, out, dropped, why, told)
            except OSError as error:
                raise UncleanableDataset("unwritable", f"{error.strerror}; nothing was left there", path=out) from error
    if json_:
        typer.echo(json.dumps({"out": str(out), **report.to_dict()}, indent=2))
        return
    named = f"dropped {ranges(report.dropped)}" if report.dropped else "nothing to drop"
    typer.echo(f"{plain(str(out))}: {len(report.kept)} episodes, {report.frames} rows; {named}")
    for how, said in _HOW.items():
        if number := sum(1 for v in report.videos if v.how == how):
            typer.echo(f"{number} videos {said}")
