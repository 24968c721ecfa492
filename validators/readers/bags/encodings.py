"""Encodings of messages in MCAP: which decoder reads a channel, or why none does."""

from __future__ import annotations

import json
from typing import Any

from validators.readers.bags.definition import normal, parse
from validators.readers.bags.document import Document
from validators.readers.bags.message import Decoder
from validators.readers.bags.protobuf import Protobuf
from validators.readers.bags.wire import Wire

_ROS = (("cdr", "ros2msg"), ("ros1", "ros1msg"))  # of the message and of its schema
_KNOWN = "cdr with ros2msg, ros1 with ros1msg, json and protobuf are"


def decoder(
    encoding: str, schema: Any, first: memoryview, errors: tuple[type[Exception], ...]
) -> tuple[Decoder | None, str]:
    """The decoder, or why there is none. `schema` is a record of the library `mcap` or None; `errors` are what it
    raises."""
    described: str = schema.encoding if schema else ""
    try:
        if schema and (encoding, described) in _ROS:
            ros1 = encoding == "ros1"
            return Wire(normal(schema.name), parse(schema.name, schema.data.decode(), ros1=ros1), ros1=ros1), ""
        if schema and encoding == "protobuf":
            return Protobuf(schema), ""
        if encoding == "json":
            declared = json.loads(schema.data) if schema and described == "jsonschema" and schema.data else None
            return Document(first, declared), ""
    except errors as error:
        return None, f"its definition cannot be used: {error}"
    return None, f"messages of the encoding {encoding!r} with a schema of {described!r} are not read; {_KNOWN}"
