"""`assay profile`: a suite proposed from approved data, for a steward to read, change and keep."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from catalog.cli import output
from catalog.cli.check import reported
from catalog.cli.findings.words import plain


def profile(
    paths: Annotated[list[str], typer.Argument(help="Folders or files of approved data, of one format.")],
    name: Annotated[str, typer.Option("--name", help="Name of the suite, with its version, such as welding@1.")],
    out: Annotated[Path | None, typer.Option("--out", help="File to write; standard output if absent.")] = None,
    json_: output.Json = False,
) -> None:
    """Propose a suite from approved data. Exit status: 0 proposed, 2 nothing proposed or not written."""
    with output.reported(as_json=json_), reported(as_json=json_):
        from validators import readers
        from validators.proposal import propose

        proposal = propose([readers.open(p) for p in paths], name)
    text = json.dumps(proposal.suite, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        typer.echo(f"{out} cannot be written: {error.strerror}", err=True)
        raise typer.Exit(2) from error
    if json_:
        left = list(proposal.left_out)
        output.say_json({"out": str(out), "checks": len(proposal.suite["expectations"]), "left_out": left})
        return
    typer.echo(plain(f"{out}: {len(proposal.suite['expectations'])} checks from {proposal.episodes} episodes"))
    for why in proposal.left_out:
        typer.echo(plain(f"  not proposed: {why}"))
