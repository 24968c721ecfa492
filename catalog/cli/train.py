"""`assay train reproduce`: run a recorded training run again, and sign what came out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from catalog.cli import output, signing

DIFFERS = 3

app = typer.Typer(help="Training runs.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _train() -> None:
    """Training runs."""


@app.command()
def reproduce(
    run: Annotated[str, typer.Argument(help="The run's id.")],
    repository: Annotated[Path, typer.Option(help="The git repository of the code.")] = Path(),
    harness: Annotated[
        str | None, typer.Option(help="Module with probe() and TOLERANCE; needed on another host class only.")
    ] = None,
    key: signing.KeyFile = None,
    as_: output.As = None,
    json_: output.Json = False,
) -> None:
    """Run the pinned code on the recorded inputs again, without keys, compare, sign and bring the result.

    Exit status: 0 reproduced, 3 not reproduced; a run that cannot be run again is refused and proves nothing.
    """
    with output.reported(as_json=json_):
        from catalog.attest.envelope import EVIDENCE, sign
        from catalog.client.reproduce import reproduce as run_again

        with output.catalog(as_, "evaluator") as catalog:
            with output.progress("reproduce") as progress:
                made = run_again(catalog, run, repository, harness, progress)
            path = signing.key_file(catalog, key)
            envelopes = [sign(s.canonical(), EVIDENCE, path, catalog.settings.home) for s in made]
            done = [catalog.reproduction(run, envelope) for envelope in envelopes]
        if json_:
            output.say_json([r.document() for r in done])
        for found, statement in zip(done, made, strict=True):
            if not json_:
                verdict = "not reproduced" if found.outcome == "differs" else "reproduced"
                say = output.console().print
                say(f"{verdict}: {statement.subject[0].name}, run {run}", markup=False)
                say(f"  {found.why}; signed by {found.signer}", markup=False)
        if any(r.outcome == "differs" for r in done):
            raise typer.Exit(DIFFERS)
