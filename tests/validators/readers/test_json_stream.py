"""A document read item by item is the document; what is no JSON is named with the line and column of the standard parser."""

import io
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from validators.errors import UnreadableDataset
from validators.readers import json_stream
from validators.readers.json_stream import head, spelled, walk

value = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


@pytest.fixture(autouse=True, scope="module")
def small_reads():
    """Reads of a few bytes, so that items, numbers and characters are cut anywhere."""
    before, json_stream.CHUNK = json_stream.CHUNK, 3
    yield
    json_stream.CHUNK = before


def rebuilt(items):
    root = None
    for place, item in items:
        if not place:
            root = item
            continue
        parent = root
        for step in place[:-1]:
            parent = parent[step]
        if isinstance(parent, list):
            assert place[-1] == len(parent)
            parent.append(item)
        else:
            parent[place[-1]] = item
    return root


@given(value, st.integers(0, 4), st.sampled_from([None, 1]), st.booleans())
def test_the_items_make_the_document(document, depth, indent, ascii_only):
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    try:
        text.decode()
    except UnicodeDecodeError:
        return
    assert rebuilt(walk(io.BytesIO(text), "x", lambda p: len(p) < depth)) == document


@given(st.binary(max_size=60) | st.text('{}[]",:0123456789.eE+-tfn \n\\u', max_size=40).map(str.encode))
def test_any_bytes_are_read_or_refused_as_the_standard_parser_does(content):
    try:
        expected = json.loads(content.decode("utf-8-sig"))
    except ValueError:
        with pytest.raises(UnreadableDataset) as refused:
            rebuilt(walk(io.BytesIO(content), "x", lambda p: len(p) < 2))
        assert refused.value.kind in ("metadata-invalid", "metadata-empty")
        return
    try:
        found = rebuilt(walk(io.BytesIO(content), "x", lambda p: len(p) < 2))
    except UnreadableDataset as error:
        found = error.detail
    assert repr(found) == repr(expected) or "twice" in found


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ('{"a": 1,\n "b" 2}', "line 2, column 6", "':' was expected"),
        ('{"a": [1,\n\n  {"c": tru}]}', "line 3, column 9", "Expecting value"),
        ('{"a": [1, 2}', "line 1, column 12", "','"),
        ('{"a": 1}\n{', "line 2, column 1", "something follows"),
        ('{"a": "x', "line 1, column 7", "Unterminated"),
        ('{"a": 1, "a": 2}', "line 1, column 13", "occurs twice"),
        ('{"b": [{"a": 1, "a": 2}]}', "line 1, column 8", "occurs twice"),
        ("[" * 100_000, "line 1, column 3", "nested too deeply"),
        ('{"a": 1,}', "line 1, column 9", "a key in double quotes"),
        ('{"a": ' + "9" * 5000 + "}", "line 1, column 7", "digits"),
        ('{"a": "\\ud83', "line 1", "escape"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text, where, what):
    with pytest.raises(UnreadableDataset, match="no JSON at") as refused:
        list(walk(io.BytesIO(text.encode()), "file.json", lambda p: len(p) < 2))
    assert where in refused.value.detail
    assert what in refused.value.detail
    assert refused.value.path == "file.json"


def test_text_that_is_none_and_nothing_at_all():
    with pytest.raises(UnreadableDataset, match="no UTF-8") as refused:
        list(walk(io.BytesIO(b'{"a": "\xff"}'), "x", lambda _: True))
    assert refused.value.kind == "metadata-invalid"
    with pytest.raises(UnreadableDataset, match="holds no JSON") as refused:
        list(walk(io.BytesIO(b" \n"), "x", lambda _: True))
    assert refused.value.kind == "metadata-empty"


def test_not_a_number_is_taken_because_tools_write_it():
    ((_, found),) = walk(io.BytesIO(b"[NaN, -Infinity]"), "x", lambda _: False)
    assert math.isnan(found[0])
    assert found[1] == -math.inf


def test_an_item_has_a_limit(monkeypatch):
    monkeypatch.setattr(json_stream, "MAX_ITEM", 100)
    with pytest.raises(UnreadableDataset, match="more than 100 characters"):
        list(walk(io.BytesIO(b'["' + b"a" * 1000), "x", lambda p: not p))
    monkeypatch.setattr(json_stream, "MAX_BYTES", 50)
    with pytest.raises(UnreadableDataset, match="more than 50 bytes"):
        list(walk(io.BytesIO(b"[" + b"1, " * 1000), "x", lambda p: not p))


def test_the_head_tells_keys_without_reading_on():
    class Counted(io.BytesIO):
        taken = 0

        def read(self, size=-1):
            found = super().read(size)
            self.taken += len(found)
            return found

    many = ", ".join('{"id": 1, "file_name": "a.jpg"}' for _ in range(100_000))
    file = Counted(f'{{"info": {{"year": 1}}, "images": [{many}], "annotations": []}}'.encode())
    found = head(file)
    assert found == {"info": {"year": 1}, "images": [{"id": 1, "file_name": "a.jpg"}]}
    assert file.taken <= json_stream.HEAD
    assert head(io.BytesIO(b"[1]")) is None
    assert head(io.BytesIO(b"PK\x03\x04")) is None
    assert head(io.BytesIO(b"")) is None


@given(st.binary(max_size=80))
def test_any_head_is_answered(content):
    assert head(io.BytesIO(content)) is None or content


def test_places_are_spelled_as_people_write_them():
    assert spelled(("frames", "12", "objects", 3, "val")) == "frames.12.objects[3].val"
