"""Equal content has equal names whichever way it came about, and an edit touches only its neighbours."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.lakefs.errors import DamagedError
from infra.lakefs.store import Store
from infra.lakefs.store import ranges as ranges_module
from infra.lakefs.store import trees as trees_module
from infra.lakefs.store.diff import Brought, Change, brought, changes
from infra.lakefs.store.entries import Entry, make_entry
from infra.lakefs.store.merge import MergeConflictError, three_way
from infra.lakefs.store.ranges import Ranges, is_cut
from infra.lakefs.store.rows import EMPTY, aligned, of_edits
from infra.lakefs.store.trees import Tree, Trees

PATHS = st.sampled_from([f"{a}/{b}".encode() for a in "abc" for b in range(20)] + ["é/ü".encode(), b"\n", b"a//b"])
CONTENT = st.integers(0, 3)
EDITS = st.dictionaries(PATHS, st.none() | CONTENT, max_size=25)
FULL = st.dictionaries(PATHS, CONTENT, min_size=35)
FEW = st.dictionaries(PATHS, st.none() | CONTENT, max_size=3)
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def entry(path: bytes, content: int, seconds: int = 0) -> Entry:
    data = b"%d" % content
    sha256, md5 = hashlib.sha256(data).digest(), hashlib.md5(data).digest()
    return make_entry(path, sha256, md5, len(data), seconds, "text/plain", {"k": str(content)})


def edits_of(wanted: dict[bytes, int | None], seconds: int = 0) -> list[tuple[bytes, Entry | None]]:
    return [(p, None if c is None else entry(p, c, seconds)) for p, c in sorted(wanted.items())]


def expected(model: dict[bytes, int]) -> list[tuple[str, bytes, bytes, int]]:
    """The ranges of a content, made the plain way: a run ends after each path whose hash says so."""
    runs: list[list[bytes]] = [[]]
    for path in sorted(model):
        runs[-1].append(path)
        if int(hashlib.sha256(path).hexdigest()[-4:], 16) & ranges_module.CUT_MASK == 0:
            runs.append([])
    names = (
        hashlib.sha256(b"lakefs-range-1\0" + b"".join(entry(p, model[p]).digest for p in run)).hexdigest()
        for run in runs
    )
    return [(name, run[0], run[-1], len(run)) for name, run in zip(names, runs, strict=True) if run]


def applied(model: dict[bytes, int], wanted: dict[bytes, int | None]) -> dict[bytes, int]:
    merged = {**model, **wanted}
    return {path: content for path, content in merged.items() if content is not None}


@pytest.fixture
def trees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trees:
    """Trees whose ranges have four entries on average, so that small examples have many."""
    monkeypatch.setattr(ranges_module, "CUT_MASK", 0x3)
    for name in ("ranges", "trees"):
        for shard in range(256):
            (tmp_path / name / f"{shard:02x}").mkdir(parents=True)
    (tmp_path / "temp").mkdir()
    return Trees(tmp_path / "trees", tmp_path / "temp", Ranges(tmp_path / "ranges", tmp_path / "temp"))


@QUICK
@given(steps=st.lists(EDITS, max_size=5) | st.tuples(FULL, FEW, FEW))
def test_equal_content_has_equal_names_whatever_the_way(trees: Trees, steps: Any) -> None:
    tree, model = Tree(()), dict[bytes, int]()
    for number, step in enumerate(steps):
        tree = trees.edit(tree, edits_of(step, seconds=number))
        model = applied(model, step)
    at_once = trees.edit(Tree(()), edits_of(dict(model)))
    assert tree.id == at_once.id
    assert [e.path for e in trees.walk(tree)] == sorted(model)
    assert [(r.id, r.first, r.last, r.count) for r in tree.ranges] == expected(model)
    for path in {*model, b"zz", b"a", b"a/10"}:
        found = trees.find(tree, path)
        assert (found.digest if found else None) == (entry(path, model[path]).digest if path in model else None)


@QUICK
@given(start=FULL, step=FEW)
def test_an_edit_rewrites_only_ranges_it_touches(trees: Trees, start: Any, step: Any) -> None:
    before = trees.edit(Tree(()), edits_of(start))
    after = trees.edit(before, edits_of(step))
    kept = {r.id for r in after.ranges}
    assert len(kept - {r.id for r in before.ranges}) <= 2 * len(step)  # a new cut makes two of one
    for at, info in enumerate(before.ranges):
        previous = before.ranges[at - 1] if at else None
        reached = any((previous is None or path > previous.last) and path <= info.last for path in step)
        joined = previous is not None and step.get(previous.last, 0) is None
        open_end = at == len(before.ranges) - 1 and any(path > info.last for path in step)
        if not (reached or joined or open_end) and (previous is None or previous.id in kept):
            assert info.id in kept


@QUICK
@given(left=EDITS, right=EDITS, start=PATHS | st.just(b""))
def test_changes_are_the_difference(trees: Trees, left: Any, right: Any, start: bytes) -> None:
    a, b = (trees.edit(Tree(()), edits_of(side)) for side in (left, right))
    old, new = applied({}, left), applied({}, right)
    wanted = [p for p in sorted({*old, *new}) if old.get(p) != new.get(p) and p >= start]
    found: list[Change] = list(changes(trees._ranges, a, b, start))
    assert [c.path for c in found] == wanted
    for change in found:
        kind = "added" if change.path not in old else "removed" if change.path not in new else "changed"
        assert change.kind == kind


@QUICK
@given(base=EDITS, source=EDITS, destination=EDITS)
def test_a_three_way_difference_is_the_brute_force_one(trees: Trees, base: Any, source: Any, destination: Any) -> None:
    models = [applied({}, base)]
    models += [applied(models[0], side) for side in (source, destination)]
    built = [trees.edit(Tree(()), edits_of(dict(model))) for model in models]
    found: list[Brought] = list(brought(trees._ranges, *built))
    old, ours, theirs = models
    wanted = [
        (path, old.get(path) != theirs.get(path))
        for path in sorted({*old, *ours, *theirs})
        if ours.get(path) != old.get(path) and ours.get(path) != theirs.get(path)
    ]
    assert [(item.path, item.conflict) for item in found] == wanted


def naive_merge(base: Any, ours: Any, theirs: Any, strategy: str) -> dict[bytes, int] | None:
    """Path by path; None for a conflict."""
    result = {}
    for path in {*base, *ours, *theirs}:
        old, our, their = base.get(path), ours.get(path), theirs.get(path)
        if our not in (old, their) and their != old and not strategy:
            return None
        ours_wins = their == old or (our != old and strategy == "source-wins")
        if (value := our if ours_wins else their) is not None:
            result[path] = value
    return result


@QUICK
@given(base=FULL, source=EDITS, destination=EDITS, strategy=st.sampled_from(["", "source-wins", "dest-wins"]))
def test_a_merge_is_the_brute_force_one(store: Store, base: Any, source: Any, destination: Any, strategy: str) -> None:
    models = [base, applied(base, source), applied(base, destination)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranges_module, "CUT_MASK", 0x3)
        trees = [store.trees.edit(Tree(()), edits_of(dict(model))) for model in models]
        wanted = naive_merge(*models, strategy)
        if wanted is None:
            with pytest.raises(MergeConflictError):
                three_way(store, *trees, strategy)
        else:
            assert three_way(store, *trees, strategy).id == store.trees.edit(Tree(()), edits_of(dict(wanted))).id


@given(left=st.lists(PATHS, unique=True), right=st.lists(PATHS, unique=True), width=st.integers(1, 5))
def test_aligned_sides_meet_path_by_path(left: list[bytes], right: list[bytes], width: int) -> None:
    def pieces(paths: list[bytes]) -> Any:
        for rows in of_edits(edits_of(dict.fromkeys(paths, 1)), width):
            yield from (EMPTY, rows)

    met = [(a.paths.to_pylist(), b.paths.to_pylist()) for a, b in aligned(pieces(left), pieces(right))]
    assert [path for a, _ in met for path in a] == sorted(left)
    assert [path for _, b in met for path in b] == sorted(right)
    ends = [max(a + b) for a, b in met]
    assert all(end < min(a + b) for end, (a, b) in zip(ends, met[1:], strict=False))


def test_edits_may_come_in_any_pieces(trees: Trees) -> None:
    wanted = edits_of({b"%d" % n: 1 for n in range(40)})
    for width in (1, 3, 40):
        pieces = (part for rows in of_edits(wanted, width) for part in (EMPTY, rows))
        assert trees.edit_rows(Tree(()), pieces).id == trees.edit(Tree(()), wanted).id


def test_an_edit_to_what_is_there_keeps_its_time(trees: Trees) -> None:
    before = trees.edit(Tree(()), edits_of({b"a": 1, b"b": 1}, seconds=1))
    after = trees.edit(before, edits_of({b"a": 1, b"b": 2}, seconds=2))
    assert [e.mtime for e in trees.walk(after)] == [1, 2]


def test_what_a_tree_needs_is_on_disk_before_it_is_returned(trees: Trees, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files before folders, ranges before the tree: a crash at any point leaves no name of something absent."""
    events: list[str] = []
    write, sync = trees_module.write_durable, trees_module.fsync_folder

    def watched_write(temp: Path, target: Path, data: bytes) -> None:
        write(temp, target, data)
        events.append(f"file {target}")

    def watched_sync(folder: Path) -> None:
        sync(folder)
        events.append(f"folder {folder}")

    for module in (ranges_module, trees_module):
        monkeypatch.setattr(module, "write_durable", watched_write)
    monkeypatch.setattr(trees_module, "fsync_folder", watched_sync)
    tree = trees.edit(Tree(()), edits_of({b"%d" % n: 1 for n in range(40)}))
    files = [trees._ranges.path(info.id) for info in tree.ranges]
    for path in files:
        assert (
            events.index(f"file {path}")
            < events.index(f"folder {path.parent}")
            < events.index(f"file {trees.path(tree.id)}")
        )
    assert events[-1] == f"folder {trees.path(tree.id).parent}"


def test_the_range_cache_is_bounded_by_bytes(trees: Trees, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = trees.edit(Tree(()), edits_of({b"%d" % n: 1 for n in range(200)}))
    size = trees._ranges.load(tree.ranges[0].id).batch.nbytes
    monkeypatch.setattr(ranges_module, "CACHED", 3 * size)
    for _ in range(2):
        assert len(list(trees.walk(tree))) == 200
        cached = trees._ranges._cache.values()
        assert sum(rows.batch.nbytes for rows in cached) == trees._ranges._cached <= 3 * size


def test_time_is_no_part_of_identity_and_everything_else_is() -> None:
    one = make_entry(b"p", b"s" * 32, b"m" * 16, 1, 5, "a/b", {"k": "v"})
    assert one.digest == make_entry(b"p", b"s" * 32, b"m" * 16, 1, 9, "a/b", {"k": "v"}).digest
    others = [
        make_entry(b"q", b"s" * 32, b"m" * 16, 1, 5, "a/b", {"k": "v"}),
        make_entry(b"p", b"t" * 32, b"m" * 16, 1, 5, "a/b", {"k": "v"}),
        make_entry(b"p", b"s" * 32, b"n" * 16, 1, 5, "a/b", {"k": "v"}),
        make_entry(b"p", b"s" * 32, b"m" * 16, 2, 5, "a/b", {"k": "v"}),
        make_entry(b"p", b"s" * 32, b"m" * 16, 1, 5, "a/c", {"k": "v"}),
        make_entry(b"p", b"s" * 32, b"m" * 16, 1, 5, "a/b", {"k": "w"}),
        make_entry(b"p", b"s" * 32, b"m" * 16, 1, 5, "a/b", {}),
    ]
    assert len({one.digest, *(other.digest for other in others)}) == 8


def test_names_do_not_change_between_versions(trees: Trees) -> None:
    """A home of today is read by every later version, so these names may never move."""
    tree = trees.edit(Tree(()), edits_of({b"a/1": 1, b"b": 2}))
    assert entry(b"a/1", 1).digest.hex() == "e002c51ddfd79de790885594e6e6ff502b9ebc5af3d7844c44dee3334346926d"
    assert tree.id == "fa1b0b2b5d596c334ab9b469dca79b4ff35d4e558798d63accbd708cce57c09a"


@pytest.mark.parametrize("damage", ["cut", "gone", "swapped"])
def test_a_damaged_range_is_said_and_never_served(trees: Trees, damage: str) -> None:
    tree = trees.edit(Tree(()), edits_of({b"a/1": 1, b"b": 2}))
    other = trees.edit(Tree(()), edits_of({b"a/1": 2}))
    fresh = Ranges(trees._ranges._folder, trees._ranges._temp)
    path = fresh.path(tree.ranges[0].id)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:100])
    elif damage == "gone":
        path.unlink()
    else:
        path.write_bytes(fresh.path(other.ranges[0].id).read_bytes())
    with pytest.raises(DamagedError, match=r"is missing|is unreadable|holds other rows"):
        fresh.load(tree.ranges[0].id)


@pytest.mark.parametrize("kind", ["tree", "range"])
@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:100], lambda data: data[:-1] + b"\0"])
def test_what_is_made_again_heals_what_was_damaged(kind: str, damage: Callable[[bytes], bytes], trees: Trees) -> None:
    tree = trees.edit(Tree(()), edits_of({b"a/1": 1, b"b": 2}))
    path = trees.path(tree.id) if kind == "tree" else trees._ranges.path(tree.ranges[0].id)
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert trees.edit(Tree(()), edits_of({b"a/1": 1, b"b": 2})).id == tree.id
    assert path.read_bytes() == whole


def test_what_is_whole_is_not_written_again(trees: Trees) -> None:
    tree = trees.edit(Tree(()), edits_of({b"a/1": 1, b"b": 2}))
    paths = [trees.path(tree.id), trees._ranges.path(tree.ranges[0].id)]
    before = [path.stat().st_ino for path in paths]
    trees.edit(Tree(()), edits_of({b"a/1": 1, b"b": 2}))
    assert [path.stat().st_ino for path in paths] == before


def test_a_damaged_tree_is_said(trees: Trees) -> None:
    tree = trees.edit(Tree(()), edits_of({b"a": 1}))
    fresh = Trees(trees._folder, trees._temp, trees._ranges)
    assert [e.path for e in fresh.walk(fresh.load(tree.id))] == [b"a"]
    fresh = Trees(trees._folder, trees._temp, trees._ranges)
    fresh.path(tree.id).write_bytes(b"{}")
    with pytest.raises(DamagedError, match="something else"):
        fresh.load(tree.id)


def test_many_entries_cut_near_the_mean(tmp_path: Path) -> None:
    cuts = sum(is_cut(f"data/{number:07d}.bin".encode()) for number in range(200_000))
    assert 60 < cuts < 140  # 97.7 expected
