"""`assay`: the command, put together from one module a noun."""

from __future__ import annotations

import typer

from catalog.cli import (
    audit,
    dataset,
    device,
    evaluate,
    gate,
    home,
    key,
    lakefs,
    line,
    model,
    output,
    policy,
    release,
    robot,
    service,
    train,
    trust,
)
from catalog.cli.check import check
from catalog.cli.clean import clean
from catalog.cli.profile import profile
from catalog.cli.recall import recall
from catalog.cli.report import report
from catalog.cli.verify import verify

app = typer.Typer(
    name="assay",
    help="Assay: where physical-AI data came from, what was trained on it, and what may go to the edge.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command()(check)
app.command()(clean)
app.command()(profile)
app.command()(home.init)
app.command()(home.status)
app.command()(evaluate.plan)
app.command()(evaluate.evaluate)
app.command()(evaluate.replay)
app.command()(gate.gate)
app.command()(gate.trace)
app.command()(release.approve)
app.command()(release.promote)
app.command()(release.rollback)
app.command()(release.withdraw)
app.command()(recall)
app.command()(report)
app.command()(verify)
app.command()(service.serve)
app.command()(service.up)
app.command()(service.down)
app.add_typer(dataset.app, name="dataset")
app.add_typer(robot.app, name="robot")
app.add_typer(model.app, name="model")
app.add_typer(line.app, name="line")
app.add_typer(train.app, name="train")
app.add_typer(release.app, name="release")
app.add_typer(audit.app, name="audit")
app.add_typer(trust.app, name="trust")
app.add_typer(device.app, name="device")
app.add_typer(key.app, name="key")
app.add_typer(policy.app, name="policy")
app.add_typer(lakefs.app, name="lakefs")


def main() -> None:
    """Run the command line."""
    output.to_the_end(app)


if __name__ == "__main__":
    main()
