"""Which episodes an HDF5 file holds, and of each which datasets are columns and which are pictures; no row is read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from validators.documents import DocumentError, parse_json
from validators.errors import UnreadableDataset
from validators.readers import columns
from validators.readers.hdf5 import tree
from validators.readers.hdf5.rows import Demo, encoding
from validators.readers.hdf5.tree import Leaf
from validators.recording import Problem

ACTIONS = ("actions", "action")
STATES = (
    "obs/joint_pos",
    "obs/robot0_joint_pos",
    "observations/qpos",
    "observations/joint_pos",
    "states/articulation/robot/joint_position",
    "obs/joint_positions",
    "obs/robot_joint_pos",
    "obs/qpos",
)
PASSED_OVER = ("next_obs", "initial_state")
MAX_EPISODES = 100_000
_DEMO = re.compile(r"(?:demo|episode|traj)_?(\d{1,9})")


@dataclass
class Contents:
    """What is gathered, file by file."""

    demos: list[Demo] = field(default_factory=list)
    provenance: list[dict[str, object]] = field(default_factory=list)
    listed: dict[int, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    arguments: list[Mapping[str, Any]] = field(default_factory=list)
    total: int | None = None


def gather(found: Contents, relative: str, file: Any, *, several: bool) -> None:
    """The episodes of one file. Raises `UnreadableDataset` when it has none."""
    splits: Mapping[str, Sequence[str]] = {}
    if "data" in dict(tree.groups(file)):
        data = file["data"]
        demos = sorted((g for g in tree.groups(data) if _DEMO.fullmatch(g[0])), key=lambda g: _number(g[0]))
        splits = _splits(found, relative, file, [name for name, _ in demos])
        total = tree.attribute(data, "total")
        found.total = (found.total or 0) + total if columns.is_count(total) else found.total
        found.arguments.append(_arguments(found, relative, data))
    else:
        demos = [(relative.rpartition("/")[2].rpartition(".")[0], file)]
    if not demos or not any(name in file for name in ("data", *ACTIONS)):
        detail = "neither groups data/demo_N nor actions at the root: no demonstrations that are known here"
        raise UnreadableDataset("format-unknown", detail)
    for name, group in demos:
        if len(found.demos) >= MAX_EPISODES:
            raise UnreadableDataset("too-large", f"more than {MAX_EPISODES} episodes")
        taken = {d.index for d in found.demos}
        own = _number(name)
        index = len(found.demos) + len(found.problems) if several or own < 0 or own in taken else own
        while index in taken:
            index += 1
        prefix = f"data/{name}" if "data" in file else ""
        try:
            demo = _demo(found, relative, prefix, group, index)
        except UnreadableDataset as error:
            found.problems.append(Problem(error.kind, relative, f"{prefix or 'the root'}: {error.detail}", index))
            continue
        said = {key: value for key in ("success", "seed") if (value := tree.attribute(group, key)) is not None}
        masks = [split for split, names in splits.items() if name in names]
        found.demos.append(demo)
        found.provenance.append({**({"demo": name} if prefix else {}), **said, **({"mask": masks} if masks else {})})
        if columns.is_count(length := tree.attribute(group, "num_samples")):
            found.listed[index] = length


def _number(name: str) -> int:
    known = _DEMO.fullmatch(name)
    return int(known[1]) if known else -1


def _splits(found: Contents, relative: str, file: Any, demos: Sequence[str]) -> dict[str, list[str]]:
    """`mask/*`: which episodes belong to which split; a name that is no episode is a problem."""
    if "mask" not in dict(tree.groups(file)):
        return {}
    splits = {}
    leaves, _ = tree.leaves(file["mask"])
    for leaf in leaves:
        if not (leaf.strings or leaf.dtype.kind == "S") or len(leaf.shape) != 1 or leaf.shape[0] > MAX_EPISODES:
            continue
        names = [n.decode("utf-8", "replace") if isinstance(n, bytes) else str(n) for n in file["mask"][leaf.path][()]]
        splits[leaf.path] = names
        if unknown := sorted(set(names) - set(demos)):
            detail = f"mask/{leaf.path} names episodes that are not there: {', '.join(unknown[:5])}"
            found.problems.append(Problem("metadata-invalid", relative, detail))
    return splits


def _arguments(found: Contents, relative: str, data: Any) -> Mapping[str, Any]:
    """`env_args`, a JSON text."""
    text = tree.attribute(data, "env_args")
    if text is None:
        return {}
    try:
        value = parse_json(text) if isinstance(text, str) else None
    except DocumentError as error:
        found.problems.append(Problem("metadata-invalid", relative, f"data, attribute env_args: {error}"))
        return {}
    return value if isinstance(value, dict) else {}


def _demo(found: Contents, relative: str, prefix: str, group: Any, index: int) -> Demo:
    """One episode: which datasets are columns and which are pictures."""
    leaves, refused = tree.leaves(group, PASSED_OVER if prefix else (*PASSED_OVER, "compress_len"))
    at = f"{prefix}/" if prefix else ""
    found.problems += [Problem(r.kind, relative, f"{at}{r.path} {r.why}", index) for r in refused]
    known = {leaf.path: leaf for leaf in leaves if leaf.shape}
    leader = next((known[name] for name in ACTIONS if name in known), None)
    rows = leader.shape[0] if leader else _usual(list(known.values()))
    if not rows:
        raise UnreadableDataset("file-damaged", "holds 0 rows")
    for leaf in list(known.values()):
        if leaf.shape[0] != rows:
            del known[leaf.path]
            if leaf.shape[0] != 1:  # one row is a fact of the episode, not a series
                detail = (
                    f"{at}{leaf.path} has {leaf.shape[0]} rows, {leader.path if leader else 'most'} {rows}; not read"
                )
                found.problems.append(Problem("column-type", relative, detail, index))
    state = next((path for path in STATES if path in known), None)
    renamed = {state: "observation.state", leader.path if leader else None: "action"}
    pictures = {leaf.path: leaf for leaf in known.values() if encoding(leaf)}
    rest = {renamed.get(path, path): leaf for path, leaf in known.items() if path not in pictures}
    return Demo(index, relative, prefix, rows, rest, pictures)


def _usual(leaves: Sequence[Leaf]) -> int:
    lengths = [leaf.shape[0] for leaf in leaves]
    return max(set(lengths), key=lambda n: (lengths.count(n), n), default=0)
