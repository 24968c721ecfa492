"""Two-dot and three-dot differences between refs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from starlette.responses import Response

from infra.lakefs.api.call import Call, Query, page
from infra.lakefs.store import commits, refs
from infra.lakefs.store.diff import Brought, Change, brought, changes
from infra.lakefs.store.entries import Entry
from infra.lakefs.store.listing import CommonPrefix
from infra.lakefs.store.listing import page as store_page


def between_refs(call: Call) -> Response:
    """Two dots: from left to right. Three dots: what right changed since both parted, conflicts marked."""
    store, repository = call.store, call.params["repository"]
    kind = call.query.choice("type", ("two_dot", "three_dot"), "three_dot")
    with store.database.read() as connection:
        left = refs.resolve_commit(connection, repository, call.params["left"])
        right = refs.resolve_commit(connection, repository, call.params["right"])
        old, new = store.trees.load(left.tree), store.trees.load(right.tree)
        if kind == "two_dot":
            return diff_page(call.query, lambda start: changes(store.ranges, old, new, start))
        base = commits.merge_base(connection, repository, left, right)
        base_tree = store.trees.load(base.tree if base else "")
        return diff_page(call.query, lambda start: brought(store.ranges, base_tree, new, old, start))


def diff_page(query: Query, source: Callable[[bytes], Iterator[Change | Brought]]) -> Response:
    stats = query.flag("include_right_stats")
    prefix, after, delimiter = (query.text(name).encode() for name in ("prefix", "after", "delimiter"))
    found, more = store_page(source, prefix, after, delimiter, query.amount())
    return page([_shown(item, stats) for item in found], more, "path")


def _shown(item: Change | Brought | CommonPrefix, stats: bool) -> dict[str, Any]:
    path = item.path.decode()
    if isinstance(item, CommonPrefix):
        return {"path": path, "path_type": "common_prefix", "type": "prefix_changed"}
    if isinstance(item, Brought):
        entry = item.source or item.destination or item.base
        kind = "conflict" if item.conflict else Change(item.path, item.base, item.source).kind
    else:
        entry, kind = item.right or item.left, item.kind
    assert entry is not None  # a change has a side
    shown = {"path": path, "path_type": "object", "size_bytes": entry.size, "type": kind}
    return {**shown, "right": _stat(entry)} if stats else shown


def _stat(entry: Entry) -> dict[str, Any]:
    return {
        "checksum": entry.md5.hex(),
        "content_type": entry.content_type,
        "metadata": entry.user_metadata,
        "mtime": entry.mtime,
    }
