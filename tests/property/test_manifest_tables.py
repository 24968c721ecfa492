"""The manifest's tables come back as they went in; equal content gives equal bytes, whatever its order."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.domain.base import sha256
from catalog.domain.dataset import Episode, Manifest, ObjectEntry, Provenance, Root
from catalog.errors import Damaged
from catalog.services.manifest import EPISODES, OBJECTS, read_tables, tables
from catalog.storage.port import VersionStore
from tests.support.recordings import provenance

digests = st.binary(min_size=32, max_size=32).map(lambda b: "sha256:" + b.hex())
slugs = st.from_regex(r"[a-z0-9](?:[a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
paths = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=40)
counts = st.integers(0, 10**12)
seconds = st.floats(-1e9, 1e9, allow_nan=False)
episodes = st.builds(
    Episode,
    root=slugs,
    index=counts,
    fingerprint=digests,
    length=counts,
    start_s=seconds,
    end_s=seconds,
    objects=st.lists(paths, max_size=4).map(tuple),
    robot=texts,
    rig=texts,
    site=texts,
    operator=texts,
    seed=texts,
)
objects = st.builds(ObjectEntry, path=paths, size=counts, sha256=digests, store_checksum=texts, rows=st.booleans())


class Files:
    """A commit that holds just these files."""

    def __init__(self, **content: bytes) -> None:
        self.content = {EPISODES: content["episodes"], OBJECTS: content["objects"]}

    def read(self, _repository: str, _ref: str, path: str) -> Iterator[bytes]:
        yield self.content[path]


def manifest(episode_table: bytes, object_table: bytes) -> Manifest:
    root = Root(
        slug="one",
        format="f",
        provenance=Provenance.of(provenance()),
        episodes=0,
        frames=0,
        objects=0,
        bytes=0,
    )
    return Manifest(
        dataset="arm", roots=(root,), episodes_table=sha256(episode_table), objects_table=sha256(object_table)
    )


@settings(deadline=None, max_examples=60)
@given(
    st.lists(episodes, max_size=8, unique_by=lambda e: (e.root, e.index)),
    st.lists(objects, max_size=8, unique_by=lambda o: o.path),
    st.randoms(),
)
def test_tables_come_back(found: list[Episode], entries: list[ObjectEntry], random: Random) -> None:
    first = tables(found, entries)
    shuffled, mixed = list(found), list(entries)
    random.shuffle(shuffled)
    random.shuffle(mixed)
    assert tables(shuffled, mixed) == first
    store = cast("VersionStore", Files(episodes=first[0], objects=first[1]))
    back = read_tables(store, "r", "c" * 64, manifest(*first))
    assert back == (sorted(found, key=lambda e: (e.root, e.index)), sorted(entries, key=lambda o: o.path))


@settings(deadline=None, max_examples=30)
@given(st.lists(episodes, min_size=1, max_size=3, unique_by=lambda e: (e.root, e.index)), st.data())
def test_one_flipped_byte_is_found(found: list[Episode], data: st.DataObject) -> None:
    first = tables(found, [])
    position = data.draw(st.integers(0, len(first[0]) - 1))
    flipped = bytearray(first[0])
    flipped[position] ^= data.draw(st.integers(1, 255))
    store = cast("VersionStore", Files(episodes=bytes(flipped), objects=first[1]))
    with pytest.raises(Damaged) as error:
        read_tables(store, "r", "c" * 64, manifest(*first))
    assert error.value.kind == "digest-mismatch"
