"""A node has one text: parse and str are inverse, and nothing but the canonical text is read."""

from contextlib import suppress
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage import urn
from lineage.errors import UrnError
from lineage.kinds import NodeKind

HEX = "0123456789abcdef" * 4
DIGEST = f"sha256:{HEX}"
RUN = UUID("01890a5d-ac96-774b-bcce-b302099a8057")

slugs = st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True)
digests = st.binary(min_size=32, max_size=32).map(lambda raw: f"sha256:{raw.hex()}")
names = st.text(min_size=1, max_size=60)
ids = st.uuids()
nodes = st.one_of(
    st.builds(urn.dataset, slugs),
    st.builds(urn.version, slugs, digests),
    st.builds(urn.episode, slugs, digests, slugs, st.integers(0, 10**9 - 1)),
    st.builds(urn.source, st.sampled_from(["rig", "calibration", "site", "engine", "scene"]), names),
    *(st.builds(make, names) for make in (urn.robot, urn.device, urn.principal)),
    *(st.builds(make, ids) for make in (urn.run, urn.plan, urn.decision, urn.release)),
    *(st.builds(make, digests) for make in (urn.fingerprint, urn.model, urn.evidence, urn.policy, urn.folder)),
)


@given(nodes)
def test_text_and_node_are_inverse(node):
    text = str(node)
    assert urn.parse(text) == node
    assert text.isascii()
    assert text.isprintable()
    assert " " not in text
    assert len(text) <= urn.MAX_URN_CHARS


@given(nodes, nodes)
def test_different_nodes_have_different_texts(left, right):
    assert (str(left) == str(right)) == (left == right)


@given(st.one_of(st.text(max_size=80), st.text(alphabet=":%/aA0.-é ", max_size=30).map("urn:assay:robot:".__add__)))
def test_any_text_is_refused_or_is_the_canonical_one(text):
    try:
        node = urn.parse(text)
    except UrnError:
        return
    assert str(node) == text


@given(nodes, st.data())
def test_a_changed_character_never_names_the_same_node(node, data):
    text = str(node)
    at = data.draw(st.integers(0, len(text) - 1))
    changed = text[:at] + data.draw(st.characters(exclude_characters=text[at])) + text[at + 1 :]
    with suppress(UrnError):
        assert urn.parse(changed) != node


def test_every_kind_has_a_constructor_named_like_it():
    for kind in NodeKind:
        assert callable(getattr(urn, kind.value))


def test_the_texts_are_fixed():
    assert str(urn.version("arm-reach-sim", DIGEST)) == f"urn:assay:version:arm-reach-sim:{HEX}"
    assert str(urn.episode("arm-reach-sim", DIGEST, "week-1", 7)) == f"urn:assay:episode:arm-reach-sim:{HEX}:week-1:7"
    assert str(urn.run(RUN)) == f"urn:assay:run:{RUN}"
    assert str(urn.source("rig", "B: left/right %")) == "urn:assay:source:rig:B%3A%20left%2Fright%20%25"
    assert str(urn.robot("로봇")) == "urn:assay:robot:%EB%A1%9C%EB%B4%87"


def test_the_digest_is_given_back_as_it_is_written_everywhere():
    assert urn.version("a", DIGEST).digest == DIGEST
    assert urn.model(DIGEST).digest == DIGEST
    assert urn.robot("a").digest is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "does not start"),
        ("urn:ASSAY:robot:a", "does not start"),
        ("urn:assay:robot", "1 part"),
        ("urn:assay:robot:", "not empty"),
        ("urn:assay:robot:a:b", "not 2"),
        ("urn:assay:satellite:a", "no kind of node"),
        ("urn:assay:Robot:a", "no kind of node"),
        ("urn:assay:robot:%61", "canonically"),
        ("urn:assay:robot:%c3%a9", "canonically"),
        ("urn:assay:robot:a%", "canonically"),
        ("urn:assay:robot:a\n", "canonically"),
        ("urn:assay:robot:%FF", "not UTF-8"),
        ("urn:assay:robot:\udc80", "not UTF-8"),
        (f"urn:assay:model:{HEX.upper()}", "lowercase hexadecimal"),
        (f"urn:assay:model:{HEX[1:]}", "64 lowercase"),
        (f"urn:assay:episode:a:{HEX}:r:07", "leading zeros"),
        (f"urn:assay:episode:a:{HEX}:r:-1", "decimal"),
        (f"urn:assay:episode:a:{HEX}:r:٣", "decimal"),
        ("urn:assay:dataset:Arm", "lowercase letters"),
        ("urn:assay:dataset:a.b", "lowercase letters"),
        ("urn:assay:dataset:" + "a" * 64, "at most 63"),
        ("urn:assay:robot:" + "a" * 801, "at most 800"),
        ("urn:assay:robot:" + "a" * 3000, "at most 2560"),
    ],
)
def test_bad_texts_are_refused_with_the_reason(text, says):
    with pytest.raises(UrnError, match=says):
        urn.parse(text)


@pytest.mark.parametrize(
    "digest", [HEX, f"sha512:{HEX}", f"SHA256:{HEX}", "sha256:", f"sha256:{HEX} ", f"sha256:{HEX}\n"]
)
def test_a_digest_has_one_form(digest):
    with pytest.raises(UrnError):
        urn.model(digest)


def test_names_are_limited_in_bytes_not_characters():
    longest = urn.source("w" * 32, "\U0001f916" * 200)
    assert urn.parse(str(longest)) == longest
    with pytest.raises(UrnError, match="801 bytes"):
        urn.robot("\U0001f916" * 200 + "a")


def test_a_node_of_wrong_types_does_not_exist():
    with pytest.raises(UrnError, match="no kind of node"):
        urn.Urn("robot", ("a",))
    with pytest.raises(UrnError, match="is int, not text"):
        urn.Urn(NodeKind.ROBOT, (1,))
    with pytest.raises(UrnError, match="surrogate"):
        urn.robot("a\ud800")
