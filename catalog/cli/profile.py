"""`assay profile`: a suite proposed from approved data, for a steward to read, change and keep."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from catalog.cli import output, writing
from catalog.cli.check import reported
from catalog.cli.findings.words import plain

if TYPE_CHECKING:
    from validators.recording import Recording


def profile(
    paths: Annotated[list[str], typer.Argument(help="Folders or files of approved data, of one format.")],
    name: Annotated[str, typer.Option("--name", help="Name of the suite, with its version, such as welding@1.")],
    out: Annotated[Path | None, typer.Option("--out", help="File to write; standard output if absent.")] = None,
    sessions: Annotated[
        Path | None, typer.Option("--sessions", help="File for the profile (profile@1) that drift is judged against.")
    ] = None,
    json_: output.Json = False,
) -> None:
    """Propose a suite from approved data. Exit status: 0 proposed, 2 nothing proposed or not written."""
    with output.reported(as_json=json_), reported(as_json=json_):
        from validators import readers
        from validators.proposal import propose

        recordings = [readers.open(p) for p in paths]
        proposal = propose(recordings, name)
        if sessions is not None:
            _write_sessions(recordings, sessions)
    text = json.dumps(proposal.suite, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if out is None:
        typer.echo(text, nl=False)
        return
    with output.reported(as_json=json_):
        writing.write(out, text.encode())
    if json_:
        left = list(proposal.left_out)
        output.say_json({"out": str(out), "checks": len(proposal.suite["expectations"]), "left_out": left})
        return
    typer.echo(plain(f"{out}: {len(proposal.suite['expectations'])} checks from {proposal.episodes} episodes"))
    for why in proposal.left_out:
        typer.echo(plain(f"  not proposed: {why}"))


def _write_sessions(recordings: Sequence[Recording], path: Path) -> None:
    """The profile of the recordings' sessions; origins that are mixed end with 2 and nothing written."""
    from validators import profiling
    from validators.findings import NotEvaluable

    try:
        document = profiling.of(recordings).to_dict()
        writing.write(path, (json.dumps(document, allow_nan=False) + "\n").encode())
    except NotEvaluable as why:
        typer.echo(plain(f"no profile: {why}"), err=True)
        raise typer.Exit(2) from why
