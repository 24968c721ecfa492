"""A lineage of a million nodes and three million edges, shaped as the catalog makes them, without the recordings."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, insert

from catalog.db import tables
from lineage import urn

AT = "2026-01-01T00:00:00.000000Z"
PER_VERSION = 500  # episodes
RIG = 4_800  # episodes of the rig that is recalled


@dataclass(frozen=True)
class Shape:
    """How many of what; a version has 500 episodes, a run reads two versions, each fifth model continues another."""

    versions: int = 985

    @property
    def episodes(self) -> int:
        return self.versions * PER_VERSION


def digest(*words: object) -> str:
    """A digest that no file has."""
    return "sha256:" + hashlib.sha256(repr(words).encode()).hexdigest()


def edges(shape: Shape) -> Iterator[tuple[str, str, str]]:
    """(src, dst, kind): episodes with their fingerprints, rigs, robots and sites; versions, runs, models, evidence."""
    step = shape.versions // 10
    for v in range(shape.versions):
        slug, manifest = f"data-{v % 40}", digest("version", v)
        version = str(urn.version(slug, manifest))
        yield version, str(urn.dataset(slug)), "contains"
        for n in range(PER_VERSION):
            number = v * PER_VERSION + n
            episode = str(urn.episode(slug, manifest, "one", n))
            mark = str(urn.fingerprint(digest("episode", number)))
            yield episode, version, "contains"
            yield episode, mark, "overlaps"
            yield mark, episode, "overlaps"
            # the rig that is recalled recorded every step-th version; the others recorded the rest, alike
            bad = v % step == 0 and number // PER_VERSION // step * PER_VERSION + n < RIG
            yield str(urn.source("rig", "bad" if bad else f"rig-{number % 97}")), episode, "recorded-on"
            yield str(urn.robot(f"robot-{number % 31}")), episode, "recorded-on"
            yield str(urn.source("site", f"site-{number % 7}")), episode, "recorded-on"
    for r in range(shape.versions):
        run, model = str(urn.run(f"run-{r}")), str(urn.model(digest("model", r)))
        for v in sorted({r, (r * 7 + 3) % shape.versions}):
            yield str(urn.version(f"data-{v % 40}", digest("version", v))), run, "trained-on"
        yield run, model, "produced"
        if r % 5 == 4:
            yield str(urn.model(digest("model", r - 1))), model, "base-model"
        for k in range(3):
            plan, evidence = str(urn.plan(f"plan-{r}-{k}")), str(urn.evidence(digest("evidence", r, k)))
            decision = str(urn.decision(f"decision-{r}-{k}"))
            yield model, plan, "evaluated-by"
            yield model, evidence, "evaluated-by"
            yield plan, evidence, "evaluated-by"
            yield model, decision, "judged-by"
            yield evidence, decision, "judged-by"
        release = str(urn.release(f"release-{r}"))
        yield model, release, "released-as"
        yield str(urn.decision(f"decision-{r}-0")), release, "released-as"
        yield release, str(urn.device(f"arm-{r % 50}")), "installed-on"


def fill(engine: Engine, shape: Shape) -> int:
    """Write all of it; how many edges."""
    count, batch = 0, []
    with engine.connect() as connection, connection.begin():
        for src, dst, kind in edges(shape):
            batch.append(
                {"src": src, "dst": dst, "kind": kind, "valid_from": AT, "valid_to": None, "asserted_by": "catalog"}
            )
            if len(batch) == 50_000:
                count += _write(connection, batch)
        count += _write(connection, batch)
    return count


def _write(connection: Connection, batch: list[dict[str, str | None]]) -> int:
    connection.execute(insert(tables.edge), batch)
    written = len(batch)
    batch.clear()
    return written
