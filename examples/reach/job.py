"""A training job as its author writes it: approved versions in through the client, a policy out, the run recorded.

`python -m examples.reach.job NAME --out FOLDER [--approved DATASET[@TAG]] [--folder PATH] [--unrecorded]`
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from catalog.client import Catalog
from examples.reach.train import fit

SEED = 7


def recorded(name: str, out: Path, datasets: Sequence[str], folders: Sequence[Path]) -> str:
    """Fit on approved versions and local folders under a run record; the digest of the registered model."""
    with Catalog() as catalog, catalog.training_run(name, code=".", parameters={"seed": SEED}) as run:
        frames = []
        for dataset in datasets:
            slug, _, tag = dataset.partition("@")
            frames.append(run.approved(slug, version=tag or "*").scan())
        frames += [scan(run.input(folder)) for folder in folders]
        written = run.output(out)
        fit(frames, SEED).save(written)
        return run.log_model(name, written)


def scan(folder: Path) -> pl.LazyFrame:
    """All rows of a LeRobot root on disk, unverified."""
    return pl.scan_parquet(folder / "data" / "**" / "*.parquet")


def main() -> None:
    """Run the job."""
    parser = argparse.ArgumentParser(prog="python -m examples.reach.job", description="Clone reaching from data.")
    parser.add_argument("name", help="the model's name")
    parser.add_argument("--out", type=Path, required=True, help="folder of the fitted model; made new")
    parser.add_argument("--approved", action="append", default=[], metavar="DATASET[@TAG]", help="an approved version")
    parser.add_argument("--folder", action="append", default=[], type=Path, help="a local folder")
    parser.add_argument("--unrecorded", action="store_true", help="fit without asking the catalog or telling it")
    given = parser.parse_args()
    if given.unrecorded:
        fit([scan(folder) for folder in given.folder], SEED).save(given.out)
        print(f"fitted {given.name} in {given.out}; nobody recorded how")
    else:
        print(f"fitted and registered {given.name}: {recorded(given.name, given.out, given.approved, given.folder)}")


if __name__ == "__main__":
    main()
