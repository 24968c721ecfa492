"""`assay recall WHAT`: see all that something wrong has reached, each with its path; then block it at once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from catalog.cli import output, signing
from catalog.cli.episodes import ranges
from catalog.cli.release import show_withdrawal
from catalog.errors import Invalid

if TYPE_CHECKING:
    from rich.text import Text
    from rich.tree import Tree

    from catalog.domain.recall import Reach, Reached, RecallView

QUIET = ("episode", "other")  # recordings, rigs, fingerprints, plans: shown by name where something hangs on them


def recall(
    what: Annotated[
        str | None,
        typer.Argument(
            help="A URN, dataset, dataset@tag, model, run, rig:NAME, robot:NAME, site:NAME or "
            "episode:DATASET/INGEST/INDEX.",
        ),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; goes into every record.")] = "",
    as_of: Annotated[str | None, typer.Option(help="Follow only what was recorded until then, as 2026-03-01.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what it reaches, and do nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; for scripts.")] = False,
    as_: output.As = None,
    json_: output.Json = False,
) -> None:
    """Show what is reached; then block episodes, runs, models, evidence and releases in one step, and tell the devices.

    Without WHAT, list the recalls that were done.
    """
    with output.reported(as_json=json_), output.catalog(as_, "steward") as catalog:
        if what is None:
            _list([catalog.find_recall(r.id) for r in catalog.recalls()], as_json=json_)
            return
        shown = catalog.reach(what, _time(as_of))
        if not json_:
            _show(shown)
        if dry_run:
            if json_:
                output.say_json(shown.document())
            return
        if not reason.strip():
            raise Invalid("input-invalid", "nothing was done: a recall needs a reason", do="say it with --reason")
        if not yes:
            if json_:
                raise Invalid("input-invalid", "nothing was done: nobody could be asked", do="confirm it with --yes")
            signing.asked("Block all of this, and withdraw its releases?")
        with output.progress("recall") as progress:
            done = catalog.recall(shown, reason, progress)
        view = catalog.find_recall(done["recall"])
        if json_:
            output.say_json({"reach": shown.document(), **view.document()})
        else:
            _say(view)


def _time(text: str | None) -> datetime | None:

    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise Invalid(
            "input-invalid", f"{text[:50]!r} is no time", do="write 2026-03-01 or 2026-03-01T12:00Z"
        ) from error
    return at.astimezone(UTC) if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _show(shown: Reach) -> None:
    from catalog.domain.recall import Group

    numbers = [(shown.counts[group], group) for group in get_args(Group) if group in shown.counts]
    counts = ", ".join(f"{n} {group}{'' if n == 1 else 's'}" for n, group in numbers) or "nothing"
    output.console().print(f"a recall of {shown.what} reaches {counts}", style="bold", markup=False)
    for tree in _trees(shown):
        output.console().print(tree)


def _trees(shown: Reach) -> list[Tree]:
    """The shortest paths, which are a tree; recordings that nothing else hangs on stand together."""
    from rich.text import Text
    from rich.tree import Tree

    nodes = {r.urn: r for r in shown.reached}
    below: dict[str, list[Reached]] = {}
    above: dict[str, str] = {}
    expanded: set[str] = set()
    for reached in shown.reached:
        if reached.path:
            above[reached.urn] = reached.path[-1].src
            below.setdefault(reached.path[-1].src, []).append(reached)
    for reached in shown.reached:
        node = reached.urn if reached.group not in QUIET else None
        while node is not None and node not in expanded:
            expanded.add(node)
            node = above.get(node)
    trees = []
    for start in shown.start:
        trees.append(Tree(Text(nodes[start].label, style="bold")))
        pending = [(trees[-1], start)]
        while pending:
            branch, node = pending.pop()
            following = below.get(node, [])
            pending += [(branch.add(_line(r)), r.urn) for r in following if r.urn in expanded]
            for text in _recordings(below, [r for r in following if r.urn not in expanded]):
                branch.add(Text(text))
    return trees


def _line(reached: Reached) -> Text:
    from rich.text import Text

    denied = "  (denied before)" if reached.denied else ""
    style = "red" if reached.group in ("release", "device") else ""
    return Text(f"{reached.path[-1].kind}  {reached.label}{denied}", style=style)


def _recordings(below: dict[str, list[Reached]], leaves: list[Reached]) -> list[str]:
    """Episodes among these and all that hangs on them, one line for each recording and how it was reached."""
    found: dict[tuple[str, str, str], list[int]] = {}
    pending = list(leaves)
    while pending:
        reached = pending.pop()
        pending += below.get(reached.urn, [])
        if reached.group == "episode":
            dataset, _, root, number = reached.urn.split(":")[3:]
            found.setdefault((reached.path[-1].kind, dataset, root), []).append(int(number))
    said = []
    for (kind, dataset, root), numbers in sorted(found.items()):
        unique = tuple(sorted(set(numbers)))
        which = ranges(unique, shorten=True)
        said.append(f"{kind}  {dataset}/{root} episode{'' if len(unique) == 1 else 's'} {which}")
    return said


def _say(view: RecallView) -> None:
    said = output.console()
    recall = view.recall
    said.print(f"recalled {recall.what}: {recall.reason}", style="bold", markup=False)
    said.print(f"  recall {recall.id} by {recall.by}", style="dim", markup=False)
    if not recall.denied:
        said.print("  it denied no release: none rests on it that was not denied before", markup=False)
        return
    show_withdrawal(view.withdrawal)


def _list(views: list[RecallView], *, as_json: bool) -> None:
    if as_json:
        output.say_json([v.document() for v in views])
        return
    rows = []
    for view in views:
        heard = sum(d.acknowledged for d in view.withdrawal.devices)
        recall = view.recall
        at = recall.document()["at"][:19]
        rows.append(
            [at, recall.what[:60], recall.reason, recall.by, f"{heard} of {len(view.withdrawal.devices)}", recall.id]
        )
    output.table("recalls", ("at (UTC)", "what", "reason", "by", "acknowledged", "recall"), rows)
