"""T7, lineage from outside: a contributor who reports edges so that a recall is too large to do, or stops too early."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from sqlalchemy import select

from catalog.db import tables
from catalog.services import recall
from catalog.services.ingest_lineage import ingest_lineage
from catalog.services.reach import FIRST, LAST
from lineage import urn
from tests.attack.attacker import Attack
from tests.support.house import ended
from tests.support.recordings import recording

ETL = "https://example.org/etl"


def event(number: int, used: str, made: str) -> dict[str, object]:
    return {
        "eventType": "COMPLETE",
        "eventTime": "2026-03-01T12:00:00Z",
        "producer": ETL,
        "schemaURL": ETL,
        "run": {"runId": str(UUID(int=number))},
        "job": {"namespace": "etl", "name": "export"},
        "inputs": [{"namespace": "lake", "name": used}],
        "outputs": [{"namespace": "lake", "name": made}],
    }


def version_of(attack: Attack, dataset: str) -> str:
    return attack.desk.context.candidate(dataset, None).manifest_digest


def test_a_chain_of_reported_edges_makes_no_recall_too_large_to_do(attack: Attack, tmp_path: Path) -> None:
    """Each node with its whole path would take memory with the square of the chain: the recall would never end."""
    attack.desk.bring("chained", "one", recording(tmp_path / "one", seed=71))
    names = [str(urn.version("chained", version_of(attack, "chained"))), *(f"link-{i}" for i in range(1500))]
    for first in range(0, len(names) - 1, 500):
        pairs = list(zip(names[first : first + 501], names[first + 1 : first + 501], strict=False))
        ingest_lineage(attack.desk.context, "engineer", [event(first + i, *pair) for i, pair in enumerate(pairs)])
    shown = recall.show(attack.desk.context, "chained")
    deepest = max(shown.reached, key=lambda r: len(r.path) + r.left_out)
    assert len(deepest.path) + deepest.left_out > 3000 - 10
    assert deepest.path[0].src in shown.start
    assert deepest.path[-1].dst == deepest.urn
    assert all(len(r.path) <= FIRST + LAST for r in shown.reached)
    assert all(not r.left_out for r in shown.reached if len(r.path) < FIRST + LAST)
    started = recall.start(attack.desk.service.operations, "steward", "chained", "bad", shown.plan)
    ended(attack.desk.wait(started))
    assert attack.approved()["chained"] == "no-approved-version"


def test_what_came_back_as_a_whole_is_bad_as_a_whole_whatever_path_is_shorter(attack: Attack, tmp_path: Path) -> None:
    """The whole is reported two steps away; a report about one of its episodes comes to it sooner."""
    attack.desk.bring("washed", "one", recording(tmp_path / "one", seed=72))
    digest = version_of(attack, "washed")
    e = tables.episode.c
    with attack.desk.context.records.read() as c:
        rows = c.execute(select(e.root, e.number).where(e.manifest_digest == digest)).all()
    episodes = [str(urn.episode("washed", digest, row.root, row.number)) for row in rows]
    assert len(episodes) > 1
    events = [
        event(9001, "raw", episodes[0]),
        event(9002, "raw", "between"),
        event(9003, "between", "after"),
        event(9004, "after", str(urn.version("washed", digest))),
    ]
    ingest_lineage(attack.desk.context, "engineer", events)
    shown = recall.show(attack.desk.context, str(urn.external("lake", "raw")))
    assert set(episodes) <= {r.urn for r in shown.reached}
