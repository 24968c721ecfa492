"""`assay robot …`: record a robot, its model inside the record."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from catalog.cli import output
from catalog.cli.naming import slug
from catalog.errors import Invalid

app = typer.Typer(help="Robot records.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def register(
    record: Annotated[Path, typer.Argument(help="Robot record (robot@1, YAML or JSON) with its model beside it.")],
    suite: Annotated[str, typer.Option(help="The suite that checks data of this robot.")],
    name: Annotated[str | None, typer.Option(help="The robot's name; made from the record's if absent.")] = None,
    as_: output.As = None,
    json_: output.Json = False,
) -> None:
    """Record a robot as a steward: limits and kinematics come from here, not from the data under test."""
    with output.reported(as_json=json_):
        from validators import robot
        from validators.errors import InvalidRobot

        try:
            document: dict[str, Any] = robot.document(record)
        except InvalidRobot as error:
            raise Invalid("robot-invalid", str(error), where=str(record), do="correct the record") from error
        with output.catalog(as_, "steward") as catalog:
            found = catalog.register_robot(name or slug(str(document["name"])), suite, document)
        renamed = "" if found.name == document["name"] else f" (the record calls it {document['name']})"
        output.said(found.document(), json_, f"recorded robot {found.name}{renamed}, suite {found.suite}")
