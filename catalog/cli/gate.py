"""`assay gate` and `assay trace`: may this model go to the edge, and where does it come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from catalog.cli import output
from catalog.cli.decision import show_decision

if TYPE_CHECKING:
    from rich.tree import Tree

    from catalog.domain.views import Lineage

BLOCKED = 3


def gate(
    model: Annotated[str, typer.Argument(help="The model, by name or digest.")],
    device_class: Annotated[str, typer.Option(help="The device class; it and the environment choose the policy.")],
    brief: Annotated[bool, typer.Option("--brief", help="Show only what blocks.")] = False,
    as_: output.As = None,
    json_: output.Json = False,
) -> None:
    """Judge a model for a device class. Exit status: 0 eligible, 3 blocked."""
    with output.reported(as_json=json_):
        with output.catalog(as_, "viewer") as catalog:
            decision = catalog.gate(model, device_class)
        if json_:
            output.say_json(decision.document())
        else:
            show_decision(decision, brief=brief)
        if decision.verdict != "eligible":
            raise typer.Exit(BLOCKED)


def trace(
    of: Annotated[str, typer.Argument(help="A dataset, dataset@tag, model or URN.")],
    down: Annotated[
        bool, typer.Option("--down", help="What was made with it, instead of what it was made from.")
    ] = False,
    episodes: Annotated[bool, typer.Option("--episodes", help="Show single episodes too.")] = False,
    as_: output.As = None,
    json_: output.Json = False,
) -> None:
    """Trace an asset to where it came from, or to all that was made with it."""
    with output.reported(as_json=json_):
        with output.catalog(as_, "viewer") as catalog:
            lineage = catalog.trace(of, "down" if down else "up", episodes=episodes)
        if json_:
            output.say_json(lineage.document())
            return
        output.console().print(_tree(lineage))
        if lineage.cut:
            output.console().print("… and more: the answer was cut, trace a part of it", style="yellow")


def _tree(lineage: Lineage) -> Tree:
    from rich.text import Text
    from rich.tree import Tree

    following: dict[str, list[tuple[str, str]]] = {}
    for edge in lineage.edges:
        near, far = (edge.src, edge.dst) if lineage.direction == "down" else (edge.dst, edge.src)
        following.setdefault(near, []).append((far, edge.kind))
    root = Tree(Text(lineage.labels[lineage.start], style="bold"))
    seen = {lineage.start}

    def grow(node: str, branch: Tree) -> None:
        for far, kind in following.get(node, []):
            again = far in seen
            leaf = branch.add(Text(f"{kind}  {lineage.labels[far]}" + ("  (shown above)" if again else "")))
            if not again:
                seen.add(far)
                grow(far, leaf)

    grow(lineage.start, root)
    return root
