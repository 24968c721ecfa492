"""`assay line …`: enrol the line that a model belongs to."""

from __future__ import annotations

from typing import Annotated

import typer

from catalog.cli import output

app = typer.Typer(help="Model lines, which share an error budget.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def enrol(
    name: Annotated[str, typer.Argument(help="The line's name.")],
    device_class: Annotated[str, typer.Option(help="The device class it is for.")],
    as_: output.As = None,
    json_: output.Json = False,
) -> None:
    """Enrol a line, as an approver: attempts on it share one error budget."""
    with output.reported(as_json=json_):
        with output.catalog(as_, "approver-1") as catalog:
            line = catalog.enrol_line(name, device_class)
        output.said(line.document(), json_, f"enrolled line {line.name} for class {line.device_class}")
