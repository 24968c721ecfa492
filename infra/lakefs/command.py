"""The care of a home: `python -m infra.lakefs fsck | gc | backup | restore`. Beside a running server or without one.

    fsck    --home DIR [--allow-import DIR]... [--json]           status 1 when something is damaged
    gc      --home DIR [--grace 24h] [--apply] [--json]           says what would go; --apply removes it
    backup  --home DIR --to DIR2 [--imported] [--json]            status 1 when something is lost
    restore --from DIR2 --home NEW [--json]                       the same; NEW does not exist or is empty

Status 2 is a refusal with one sentence on stderr, where progress is shown as well.
"""

from __future__ import annotations

import argparse
import json
import re
import sqlite3
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from infra.lakefs.errors import HomeError, LakeFSError, storage_error
from infra.lakefs.store.affected import LISTED, affected
from infra.lakefs.store.backup import Copied, backup, restore
from infra.lakefs.store.folders import Folders
from infra.lakefs.store.fsck import fsck
from infra.lakefs.store.gc import gc
from infra.lakefs.store.snapshot import snapshot, undisturbed

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
PROGRESS_SECONDS = 2.0


def main(arguments: list[str]) -> int:
    given = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = given.run
    try:
        return run(given)
    except (HomeError, LakeFSError) as error:
        print(f"lakefs: {error}", file=sys.stderr)
        return 2
    except (OSError, sqlite3.Error) as error:
        print(f"lakefs: {storage_error(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("lakefs: interrupted; nothing is half-done, repeat it to go on", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m infra.lakefs", description="The care of a home.")
    verbs = parser.add_subparsers(required=True, metavar="fsck | gc | backup | restore")

    def verb(name: str, run: Callable[[argparse.Namespace], int], described: str) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=described, description=described)
        made.set_defaults(run=run)
        made.add_argument("--home", type=Path, required=True, help="the folder of the server")
        made.add_argument("--json", action="store_true", help="say everything as one JSON document")
        return made

    checking = verb("fsck", _fsck, "Read everything again and name what is damaged and whom it concerns.")
    checking.add_argument(
        "--allow-import",
        type=Path,
        action="append",
        metavar="DIR",
        help="as the server is started with: what was imported counts as whole only where it would be served",
    )
    collecting = verb("gc", _gc, "Find what no ref reaches; a dry run unless --apply is given.")
    collecting.add_argument("--grace", type=_duration, default=86_400.0, metavar="24h", help="how long it stays anyway")
    collecting.add_argument("--apply", action="store_true", help="remove it")
    copying = verb("backup", _backup, "Copy the home as it is at this moment.")
    copying.add_argument("--to", type=Path, required=True, help="a new folder, or an earlier backup, which is reread")
    copying.add_argument("--imported", action="store_true", help="copy imported content too, which else stays outside")
    restoring = verb("restore", _restore, "Make a new home of a backup.")
    restoring.add_argument("--from", type=Path, required=True, dest="source", help="the backup")
    return parser


def _fsck(given: argparse.Namespace) -> int:
    with undisturbed(given.home), snapshot(given.home) as home:
        folders = None if given.allow_import is None else Folders(given.home, given.allow_import)
        found = fsck(home, _Progress("fsck"), folders)
        damage = affected(home, found.damage)
    report = {
        "home": str(given.home),
        "clean": not found.damage,
        "checked": found.checked,
        "unnamed": found.unnamed,
        "damages": len(found.damage),
        "damage": damage,
    }
    lines = [f"{item['kind']} {item['name']}: {item['problem']}{_reach(item)}" for item in damage]
    lines += [f"and {len(found.damage) - len(damage)} more"] * (len(found.damage) > len(damage))
    counts = ", ".join(f"{number} {kind}" for kind, number in found.checked.items())
    lines.append(f"{'damaged' if found.damage else 'clean'}: {counts}; {found.unnamed} files are named by nothing")
    _say(report, lines, as_json=given.json)
    return 1 if found.damage else 0


def _reach(item: dict[str, Any]) -> str:
    """What a damage concerns, in lines below it."""
    said = []
    for kind in ("commits", "branches", "tags", "paths", "staged"):
        total, first = item[kind]["total"], item[kind]["first"]
        shown = [_named(value) for value in first]
        more = [f"and {total - LISTED} more"] * (total > LISTED)
        said += [f"\n  {kind}: {', '.join(shown + more)}"] * (total > 0)
    return "".join(said)


def _named(value: str | dict[str, Any]) -> str:
    if isinstance(value, str):
        return value
    where = {True: " (at its head)", False: " (in its history)", None: ""}[value.get("at_head")]
    return "/".join(item for item in value.values() if isinstance(item, str)) + where


def _gc(given: argparse.Namespace) -> int:
    found = gc(given.home, given.grace, apply=given.apply, say=_Progress("gc"))
    done = "removed" if found.applied else "would be removed"
    lines = [f"commit {identifier} of {repository} {done}" for repository, identifier in found.commits[:LISTED]]
    lines += [f"and {len(found.commits) - LISTED} more commits"] * (len(found.commits) > LISTED)
    for kind, sizes in found.files.items():
        lines += [f"{kind} {name}: {size} bytes {done}" for name, size in list(sizes.items())[:LISTED]]
        lines += [f"and {len(sizes) - LISTED} more {kind}"] * (len(sizes) > LISTED)
    counts = ", ".join(f"{len(sizes)} {kind}" for kind, sizes in found.files.items())
    lines.append(f"{len(found.commits)} commits, {counts} with {found.bytes} bytes {done}; {found.young} are too young")
    _say({**asdict(found), "bytes": found.bytes}, lines, as_json=given.json)
    return 0


def _backup(given: argparse.Namespace) -> int:
    return _copied(backup(given.home, given.to, imported=given.imported, say=_Progress("backup")), given)


def _restore(given: argparse.Namespace) -> int:
    return _copied(restore(given.source, given.home, say=_Progress("restore")), given)


def _copied(done: Copied, given: argparse.Namespace) -> int:
    lines = [f"lost: {item}" for item in done.lost[:LISTED]]
    lines += [f"and {len(done.lost) - LISTED} more"] * (len(done.lost) > LISTED)
    lines.append(
        f"{done.copied} files copied ({done.bytes} bytes), {done.already_there} were there; "
        f"{done.outside} imported objects stay where they lie; {len(done.lost)} lost"
    )
    _say(asdict(done), lines, as_json=given.json)
    return 1 if done.lost else 0


def _say(report: dict[str, Any], lines: list[str], *, as_json: bool) -> None:
    print(json.dumps(report, ensure_ascii=False) if as_json else "\n".join(lines))


def _duration(text: str) -> float:
    """Seconds of `90s`, `30m`, `24h`, `7d` or a plain number."""
    parsed = re.fullmatch(r"(\d{1,9})([smhd]?)", text)
    if parsed is None:
        raise argparse.ArgumentTypeError(f"'{text[:40]}': a number with s, m, h or d, as in 24h")
    return float(int(parsed[1]) * SECONDS[parsed[2] or "s"])


class _Progress:
    """A line on stderr every two seconds of a long work."""

    def __init__(self, verb: str) -> None:
        self._verb = verb
        self._said = time.monotonic()

    def __call__(self, text: str) -> None:
        now = time.monotonic()
        if now - self._said > PROGRESS_SECONDS:
            self._said = now
            print(f"{self._verb}: {text}", file=sys.stderr, flush=True)
