"""Take lineage events of other systems: they add edges that recall follows, and nothing else.

No event removes, ends or overwrites an edge, satisfies a gate or ends what is live by itself. The same event again adds
nothing.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from catalog.db import tables
from catalog.db.door import Write
from catalog.domain.base import canonical, sha256
from catalog.domain.views import Ingested
from catalog.errors import Invalid
from catalog.services.context import Context
from lineage import ingest
from lineage.errors import IngestError
from lineage.kinds import EdgeKind

MAX_EDGES = 10_000  # of one request
MANY = 500


def ingest_lineage(context: Context, by: str, document: Any) -> Ingested:
    """Record what one event, or a batch of them, says was made with what; all of it or nothing."""
    try:
        events = ingest.read_all(document)
    except IngestError as error:
        raise Invalid("lineage-event-invalid", str(error)[:2000], do="correct the event; nothing was taken") from error
    edges = list(dict.fromkeys((str(e.src), str(e.dst)) for event in events for e in event.edges))
    if len(edges) > MAX_EDGES:
        what = f"these events hold {len(edges)} edges, at most {MAX_EDGES} are taken at once"
        raise Invalid("lineage-event-invalid", what, do="send fewer events at once")
    digest = sha256(canonical(document))
    with context.records.write(by) as write:
        known = _known(write.connection, sorted({src for src, _ in edges}))
        new = [edge for edge in edges if edge not in known]
        _add(write, new)
        write.audit("lineage.ingest", digest, events=len(events), edges=len(edges), new=len(new))
    if new:
        context.standings.clear()  # what is live may be questioned now: the next poll looks again
    return Ingested(digest_=digest, events=len(events), edges=len(edges), new=len(new))


def _known(connection: Connection, sources: list[str]) -> set[tuple[str, str]]:
    e, kind = tables.edge.c, EdgeKind.REPORTED.value
    found: set[tuple[str, str]] = set()
    for first in range(0, len(sources), MANY):
        some = sources[first : first + MANY]
        found |= {
            (r.src, r.dst) for r in connection.execute(select(e.src, e.dst).where(e.src.in_(some), e.kind == kind))
        }
    return found


def _add(write: Write, edges: list[tuple[str, str]]) -> None:
    write.new_edges([(src, dst, EdgeKind.REPORTED.value) for src, dst in edges], asserted_by="ingested")
