"""HDF5 demonstrations: robomimic and Isaac Lab (`data/demo_N`), and ALOHA's kind (one file an episode).

Datasets with a row for each action are columns under their path in the file, except that actions are `action` and joint
positions `observation.state`, where the checks look for them: `Feature.source` keeps the path. Pictures are cameras.
`next_obs` repeats `obs` and `initial_state` has one row; both are passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from validators.errors import UnreadableDataset
from validators.files import Files
from validators.readers import clocks, columns
from validators.readers.hdf5 import guard, tree
from validators.readers.hdf5 import rows as hdf5_rows
from validators.readers.hdf5.contents import Contents, gather
from validators.readers.hdf5.rows import Demo
from validators.readers.hdf5.tree import Leaf
from validators.recording import CLOCK, MAIN, Camera, Episode, Facts, Problem, Recording
from validators.stream import PER_SECOND, Clock, Feature, Stream

FORMAT = "HDF5 demonstrations (robomimic, Isaac Lab, ALOHA)"
SUFFIXES = (".hdf5", ".h5")


def recognises(files: Files) -> bool:
    """Whether any HDF5 file is there."""
    return bool(files.names(*SUFFIXES))


def read(files: Files) -> Recording:
    """Looks at groups, shapes and attributes; rows are decoded when they are wanted.

    A file that is elsewhere is fetched whole: what is looked at lies all over it, and the guard needs it here.
    """
    found = Contents()
    names = files.names(*SUFFIXES)
    tree.available()
    unsound = guard.unsound([files.local(name) for name in names])
    for relative in names:
        if why := unsound.get(files.local(relative)):
            found.problems.append(Problem("file-damaged", relative, why))
            continue
        try:
            with tree.opened(files, relative) as file:
                gather(found, relative, file, several=len(names) > 1)
        except UnreadableDataset as error:
            if error.kind == "path-outside":
                raise
            found.problems.append(columns.unreadable(error, files, relative, None))
    if not found.demos:
        detail = f"; the first: {found.problems[0].message}" if found.problems else ""
        raise UnreadableDataset(
            found.problems[0].kind if found.problems else "format-unknown",
            f"no episode can be read (data/demo_N, or actions at the root of each file){detail}",
            path=files.where(names[0]),
        )
    return _recording(files, found)


def _recording(files: Files, found: Contents) -> Recording:
    first = found.demos[0]
    facts = _facts(found, files)
    features = {name: _feature(name, leaf) for name, leaf in first.columns.items()}
    clock = _clock(files, first)
    if clock is None and facts.fps:
        features = {CLOCK: Feature(CLOCK, "float64", source="the row's number / fps"), **features}
    kept, provenance = [], []
    for demo, said in zip(found.demos, found.provenance, strict=True):
        why = _misfit(demo, features)
        if why:
            found.problems.append(
                Problem("column-missing", demo.relative, f"{demo.group or 'the root'}: {why}", demo.index)
            )
        else:
            kept.append(demo)
            provenance.append(said)
    spans = [hdf5_rows.span(files, demo, clock.column if clock else None) for demo in kept]
    if clock is None and facts.fps:
        clock = Clock(CLOCK, "s", "index")
        spans = [(0.0, (demo.rows - 1) / facts.fps) for demo in kept]
    if clock:
        clock = replace(clock, origin=clocks.origin([s[0] for s in spans if s], clock.unit))
    episodes = tuple(
        Episode(d.index, (d.relative,), d.rows, *_seconds(span, clock), provenance=said)
        for d, span, said in zip(kept, spans, provenance, strict=True)
    )
    rows = hdf5_rows.Rows(files, tuple(kept), tuple(f for f in features.values() if f.width), facts.fps)
    stream = Stream(MAIN, features, partial(rows.tables, MAIN), clock, facts.fps)
    cameras: Mapping[str, Camera] = hdf5_rows.cameras(files, kept, facts.fps)
    problems = tuple(found.problems)
    return Recording("hdf5", files, facts, episodes, {MAIN: stream}, cameras, None, problems, late=rows.problems)


def _feature(name: str, leaf: Leaf) -> Feature:
    """HDF5 names no channels: those of joint positions are called after their dataset, `robot0_joint_pos[3]`."""
    shape, own = hdf5_rows.shape(leaf), leaf.path.rsplit("/", 1)[-1]
    joints = name == "observation.state" and len(shape) == 1 and "joint" in own
    names = tuple(f"{own}[{i}]" for i in range(shape[0])) if joints else ()
    return Feature(name, hdf5_rows.word(leaf), shape, names, source=leaf.path if leaf.path != name else "")


def _seconds(span: tuple[float, float] | None, clock: Clock | None) -> tuple[float | None, float | None]:
    if span is None or clock is None:
        return None, None
    start, end = ((value - clock.origin) / PER_SECOND[clock.unit] for value in span)
    return start, end


def _misfit(demo: Demo, features: Mapping[str, Feature]) -> str:
    """Why an episode cannot be read as the first one is."""
    for feature in features.values():
        leaf = demo.columns.get(feature.name)
        if feature.source == "the row's number / fps":
            continue
        if leaf is None:
            return f"has no {feature.source or feature.name}, which the first episode has"
        if hdf5_rows.shape(leaf) != feature.shape or (feature.width and not hdf5_rows.numeric(leaf)):
            first = f"{feature.dtype}{list(feature.shape)} in the first"
            return f"{leaf.path} is {hdf5_rows.word(leaf)}{list(leaf.shape[1:])}, {first}"
    return ""


def _clock(files: Files, first: Demo) -> Clock | None:
    """The dataset with the time: the declared one, else one whose name and values leave no doubt."""
    declared = files.declared.clock if files.declared else None
    by_name: dict[str, str] = {}
    for name, leaf in first.columns.items():
        if len(leaf.shape) == 1 and hdf5_rows.numeric(leaf):
            by_name.setdefault(leaf.path.rpartition("/")[2], name)
            by_name[leaf.path] = name
    wanted = [declared.column] if declared else clocks.candidates(tuple(by_name), None)
    for candidate in wanted:
        if candidate in by_name:
            name = by_name[candidate]
            span = hdf5_rows.span(files, first, name)
            kind = hdf5_rows.word(first.columns[name])
            found = clocks.clock(candidate.rpartition("/")[2], None, span[0] if span else None, kind, declared)
            if found:
                return replace(found, column=name)
    if declared and declared.column != CLOCK:
        raise UnreadableDataset("column-missing", f"the declared clock {declared.column!r} is no series of numbers")
    return None


def _facts(found: Contents, files: Files) -> Facts:
    """What `env_args` says: the robot, the task, the rate of control, the version of the environment."""
    arguments = next((a for a in found.arguments if a), {})
    kwargs, simulation = (arguments.get(key) for key in ("env_kwargs", "sim_args"))
    kwargs = kwargs if isinstance(kwargs, dict) else {}
    fps = _rate(kwargs.get("control_freq")) or _rate(_inverse(simulation))
    robots = kwargs.get("robots", kwargs.get("robot"))
    robot = robots[0] if isinstance(robots, list) and robots else robots
    name, version = arguments.get("env_name"), arguments.get("env_version")
    return Facts(
        robot_type=robot if isinstance(robot, str) else None,
        fps=fps or (files.declared.fps if files.declared else None),
        totals={} if found.total is None else {"total_frames": found.total},
        tasks=(name,) if isinstance(name, str) else (),
        listed=found.listed if len(found.listed) == len(found.demos) else {},
        tools={"environment": f"{name} {version}"} if isinstance(version, str) else {},
    )


def _rate(value: object) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if 0 < value <= 100_000 else None


def _inverse(simulation: object) -> float | None:
    """Hz of control from the step of simulation, s, and how many steps an action holds."""
    if not isinstance(simulation, dict):
        return None
    step, decimation = _rate(simulation.get("dt")), _rate(simulation.get("decimation", 1))
    return 1 / (step * decimation) if step and decimation else None
