"""`assay model …`: bring a model, see it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from catalog.cli import output

app = typer.Typer(help="Models.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def register(
    name: Annotated[str, typer.Argument(help="The model's name.")],
    path: Annotated[Path, typer.Argument(help="Folder with the weights and contract.json.")],
    run: Annotated[str | None, typer.Option(help="The training run that produced it.")] = None,
    as_: output.As = None,
    json_: output.Json = False,
) -> None:
    """Bring a model. Without a run the record says that nobody recorded how it was fitted."""
    with output.reported(as_json=json_):
        with output.catalog(as_, "engineer") as catalog:
            result = catalog.register_model(name, path, run)
        output.said(result, json_, f"registered model {name}, {result['model']}")


@app.command()
def show(name: str, as_: output.As = None, json_: output.Json = False) -> None:
    """A model with its run, plans, evidence and decisions."""
    with output.reported(as_json=json_):
        with output.catalog(as_, "viewer") as catalog:
            view = catalog.model(name)
        if json_:
            output.say_json(view.document())
            return
        manifest, run = view.model.manifest, view.run
        rows = [["manifest", view.model.digest_]]
        rows += [["file", f"{f.path}  {f.size} B  {f.sha256}"] for f in manifest.files]
        rows += [["runtime", f"{manifest.contract.runtime.name} {manifest.contract.runtime.version}"]]
        rows += [["trained by", f"run {run.id} ({run.assurance})" if run else "missing training record"]]
        for item in run.inputs if run else ():
            rows.append(["input", f"{item.dataset} {item.tag}" if item.kind == "version" else f"folder {item.path}"])
        rows += [["plan", f"{p.id} class {p.device_class} line {p.line} attempt {p.k}"] for p in view.plans]
        rows += [["evidence", f"{e.digest_} by {e.signer}"] for e in view.evidence]
        rows += [["decision", f"{d.verdict} for {d.device_class} at {d.document()['at'][:19]}"] for d in view.decisions]
        output.table(f"model {manifest.name}", ("", ""), rows)


@app.command("list")
def list_(as_: output.As = None, json_: output.Json = False) -> None:
    """All models."""
    with output.reported(as_json=json_):
        with output.catalog(as_, "viewer") as catalog:
            models = catalog.models()
        if json_:
            output.say_json([m.document() for m in models])
            return
        rows = [[m.manifest.name, m.digest_[7:19], m.run or "missing training record"] for m in models]
        output.table("models", ("model", "manifest", "run"), rows)
