"""`assay report`: where a model's data came from, how it was labelled, which version, why it was allowed; on file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from catalog.cli import output
from catalog.errors import Invalid

Out = Annotated[Path, typer.Option("--out", file_okay=False, help="The folder for both files.")]


def report(
    model: Annotated[str | None, typer.Argument(help="The model, by name or digest.")] = None,
    device_class: Annotated[str | None, typer.Option(help="The device class that the report is about.")] = None,
    device: Annotated[str | None, typer.Option(help="Instead of a model: the one now on this device.")] = None,
    out: Out = Path(),
    as_: output.As = None,
    json_: output.Json = False,
) -> None:
    """Write a provenance report: one HTML file to read, and one signed JSON bundle to check."""
    with output.reported(as_json=json_):
        from catalog.cli.writing import write
        from catalog.domain.report import REPORT_HTML, REPORT_JSON, SAID, Report

        if (device is None) == (model is None) or (model is None) != (device_class is None):
            do = "assay report MODEL --device-class CLASS, or assay report --device NAME"
            raise Invalid("input-invalid", "a report is of a model and a class, or of a device", do=do)
        with output.catalog(as_, "viewer") as catalog:
            if device is not None:
                bundle = catalog.device_report(device)
            else:
                bundle = catalog.report(model or "", device_class or "")
        said = Report.parse(bundle.files[REPORT_JSON])
        name = f"{said.model_name}-{said.device_class}-{said.document()['as_of'][:19].replace(':', '')}Z"
        page, signed = out / f"{name}.html", out / f"{name}.bundle.json"
        write(page, bundle.files[REPORT_HTML].encode())
        write(signed, bundle.canonical())
        if json_:
            found = {"standing": said.standing, "result": said.result, "report": str(page), "bundle": str(signed)}
            output.say_json({**found, "model": said.model, "as_of": said.document()["as_of"]})
            return
        say = output.console().print
        style = "bold green" if said.result == "PASSED" else "bold red"
        say(
            f"{said.result}  {said.model_name} for {said.device_class}: {SAID[said.standing]}",
            style=style,
            markup=False,
        )
        say(f"  to read:  {page}", markup=False)
        say(f"  to check: {signed}", markup=False)
        say(f"  do: assay verify {signed} --trust-root TRUST", markup=False)
