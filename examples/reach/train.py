"""Behaviour cloning by ridge regression on random Fourier features: weights, contract and statistics are one artefact.

An observation is float32 (6,): joint angles (rad), then target minus tool (m). The model predicts the change of each
joint (rad) and answers the absolute joint command (rad). Needs no simulator. Source of the features: Rahimi and Recht,
Random Features for Large-Scale Kernel Machines, NIPS 2007.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
import polars as pl
from numpy.typing import NDArray

from examples.reach import ReachError

STATE, RELATIVE, ACTION = "observation.state", "observation.environment_state", "action"
JOINTS = ("base_yaw", "shoulder", "elbow")
RELATIVE_NAMES = ("target_minus_ee_x", "target_minus_ee_y", "target_minus_ee_z")
RATE_HZ = 20
MAX_BYTES = 1 << 20  # of the arrays of a policy; these weights are 41 kB
FEATURES = 512
BANDWIDTH = 0.4  # of the features, on normalised observations
RIDGE = 1e-6  # by row
ACTION_TYPE = "absolute joint position"
CONTRACT: dict[str, object] = {
    "inputs": [
        {
            "name": STATE,
            "shape": [3],
            "dtype": "float32",
            "units": ["rad"] * 3,
            "names": list(JOINTS),
            "rate_hz": RATE_HZ,
        },
        {
            "name": RELATIVE,
            "shape": [3],
            "dtype": "float32",
            "units": ["m"] * 3,
            "names": list(RELATIVE_NAMES),
            "rate_hz": RATE_HZ,
        },
    ],
    "outputs": [
        {
            "name": ACTION,
            "shape": [3],
            "dtype": "float32",
            "units": ["rad"] * 3,
            "names": list(JOINTS),
            "rate_hz": RATE_HZ,
        }
    ],
    "preprocessing": "inputs in order, minus mean, over std; action = joints + predicted change",
    "rate_hz": RATE_HZ,
    "action_type": ACTION_TYPE,
    "base_model": None,
}
SHAPES = {
    "mean": (6,),
    "std": (6,),
    "frequencies": (6, FEATURES),
    "phases": (FEATURES,),
    "weights": (FEATURES + 7, 3),
}

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Policy:
    """A fitted policy; arrays float64 with the shapes of `SHAPES`."""

    mean: Array
    std: Array
    frequencies: Array
    phases: Array
    weights: Array

    def act(self, observation: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Joint command (rad) (3,) for an observation (6,), or (n, 3) for (n, 6).

        Raises:
            ReachError: `observation-invalid` for another width or a non-finite value.
        """
        seen = np.asarray(observation, np.float64)
        if seen.shape[-1:] != (6,) or not np.isfinite(seen).all():
            raise ReachError("observation-invalid", f"an observation is 6 finite numbers, this is {observation!r}")
        return (seen[..., :3] + self._features(seen) @ self.weights).astype(np.float32)

    def _features(self, seen: Array) -> Array:
        z = (seen - self.mean) / self.std
        return np.concatenate((np.cos(z @ self.frequencies + self.phases), z, np.ones((*z.shape[:-1], 1))), axis=-1)

    def save(self, folder: Path) -> None:
        """Write `weights.npz` (no pickle) and `contract.json` into a new folder."""
        folder.mkdir(parents=True)
        np.savez(folder / "weights.npz", allow_pickle=False, **{name: getattr(self, name) for name in SHAPES})
        contract = {
            **CONTRACT,
            "normalisation": {"mean": self.mean.tolist(), "std": self.std.tolist()},
            "runtime": {"name": "numpy", "version": np.__version__},
        }
        (folder / "contract.json").write_text(json.dumps(contract, indent=2, sort_keys=True) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Policy:
        """Read a saved policy; nothing in the folder is executed.

        Raises:
            ReachError: `policy-unreadable`, `policy-invalid` (an array missing, of another shape, not finite) or
                `contract-differs` (the contract says something else than this code and these weights).
        """
        try:
            arrays, contract = _arrays(folder / "weights.npz"), json.loads((folder / "contract.json").read_bytes())
        except (OSError, ValueError, BadZipFile, EOFError, RecursionError) as error:
            raise ReachError(
                "policy-unreadable", f"{folder}: weights.npz and contract.json are needed: {error}"
            ) from error
        if {name: a.shape for name, a in arrays.items()} != SHAPES:
            found = {name: a.shape for name, a in arrays.items()}
            raise ReachError("policy-invalid", f"{folder}/weights.npz: arrays should be {SHAPES}, are {found}")
        if not all(a.dtype == np.float64 and np.isfinite(a).all() for a in arrays.values()):
            raise ReachError(
                "policy-invalid", f"{folder}/weights.npz: every array must be finite float64; save it again"
            )
        policy = cls(**arrays)
        stated = {"mean": policy.mean.tolist(), "std": policy.std.tolist()}
        promised = {**CONTRACT, "normalisation": stated}
        wrong = [k for k, v in promised.items() if not isinstance(contract, dict) or contract.get(k) != v]
        if wrong:
            raise ReachError(
                "contract-differs", f"{folder}/contract.json: {', '.join(wrong)} not as these weights need"
            )
        return policy


def fit(frames: Sequence[pl.LazyFrame], seed: int) -> Policy:
    """Clone the demonstrations in `frames` (columns `STATE`, `RELATIVE` and `ACTION`, three numbers a row each).

    Raises:
        ReachError: `data-empty`, or `data-invalid` where a row is null, not finite or of another width.
    """
    rows = np.concatenate([_rows(frame, number) for number, frame in enumerate(frames)] or [np.empty((0, 9))])
    if not len(rows):
        raise ReachError("data-empty", "there is no row to learn from: give at least one dataset with episodes")
    seen, change = rows[:, :6], rows[:, 6:] - rows[:, :3]
    rng = np.random.default_rng(seed)
    policy = Policy(
        mean=seen.mean(axis=0),
        std=np.maximum(seen.std(axis=0), 1e-6),
        frequencies=rng.normal(0.0, BANDWIDTH, (6, FEATURES)),
        phases=rng.uniform(0.0, 2 * np.pi, FEATURES),
        weights=np.zeros(SHAPES["weights"]),
    )
    features = policy._features(seen)
    gram = features.T @ features
    gram[np.diag_indices_from(gram)] += RIDGE * len(rows)
    weights = np.linalg.solve(gram, features.T @ change)
    return Policy(policy.mean, policy.std, policy.frequencies, policy.phases, weights)


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    with path.open("rb") as file, ZipFile(file) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > MAX_BYTES:
        raise ValueError(f"{size} bytes of arrays, at most {MAX_BYTES} are read")
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def _rows(frame: pl.LazyFrame, number: int) -> Array:
    """(n, 9) float64: state, relative, action."""
    table = frame.select(pl.col(STATE, RELATIVE, ACTION).cast(pl.List(pl.Float64))).collect()
    parts = []
    for name, column in zip(table.columns, table.iter_columns(), strict=True):
        if column.null_count() or (len(column) and not (column.list.len() == 3).all()):
            raise ReachError("data-invalid", f"dataset {number}, column {name}: every row must hold three numbers")
        parts.append(column.list.explode().to_numpy().reshape(-1, 3))
    rows = np.concatenate(parts, axis=1)
    if not np.isfinite(rows).all():
        raise ReachError("data-invalid", f"dataset {number}: a value is missing or not finite; run the checks on it")
    return rows
