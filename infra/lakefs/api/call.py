"""One request as a handler sees it: path parameters, a strictly parsed query, a checked body; and its answers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.datastructures import Headers
from starlette.responses import Response

from infra.lakefs.api.grants import Grant
from infra.lakefs.errors import InvalidError
from infra.lakefs.store import Store
from infra.lakefs.store.entries import key

MAX_PER_PAGE = 1000
LATEST = 253_402_300_799  # the last second of the year 9999
Seconds = Annotated[int, Field(ge=0, le=LATEST)]  # since 1970
TRUE, FALSE = ("true", "True", "TRUE", "1"), ("false", "False", "FALSE", "0")  # the SDK writes Python's words
INTEGER = re.compile(r"-?\d{1,10}")

M = TypeVar("M")


class Body(BaseModel):
    """A JSON body: fields strictly typed, unknown ones ignored as lakeFS does."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


class Query:
    """Query parameters; InvalidError names the one that is wrong."""

    def __init__(self, raw: bytes) -> None:
        try:
            self._pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=4096)
        except ValueError as error:
            raise InvalidError(f"the query is not percent-encoded UTF-8: {error}") from error

    def text(self, name: str, default: str = "") -> str:
        return next((value for key_, value in self._pairs if key_ == name), default)

    def many(self, name: str) -> list[str]:
        return [value for key_, value in self._pairs if key_ == name]

    def required(self, name: str) -> str:
        value = self.text(name)
        if not value:
            raise InvalidError(f"query parameter '{name}' is required and must not be empty")
        return value

    def path(self) -> bytes:
        return key(self.required("path"))

    def choice(self, name: str, allowed: Iterable[str], default: str) -> str:
        value = self.text(name, default)
        if value not in allowed:
            raise InvalidError(f"query parameter '{name}' is '{value[:40]}', allowed: {', '.join(allowed)}")
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        return self.choice(name, (*TRUE, *FALSE), "true" if default else "false") in TRUE

    def amount(self) -> int:
        """The length of a page, 1 to 1000; 0 and -1 ask for the most, as in lakeFS."""
        value = self.text("amount", "100")
        if not INTEGER.fullmatch(value) or not -1 <= int(value) <= MAX_PER_PAGE:
            raise InvalidError(f"query parameter 'amount' is '{value[:40]}': a whole number from -1 to {MAX_PER_PAGE}")
        return int(value) if int(value) > 0 else MAX_PER_PAGE


@dataclass(frozen=True)
class Call:
    """`params` are the parts of the path; `body` is complete (its size was limited before); `grant` is what a scoped
    token allows, None for the owner of the keys."""

    store: Store
    params: Mapping[str, str]
    query: Query
    headers: Headers
    body: bytes
    grant: Grant | None = None

    def json(self, model: type[M]) -> M:
        """The body as `model`; InvalidError says which field is wrong."""
        try:
            return TypeAdapter(model).validate_json(self.body or b"{}")
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "body"
            raise InvalidError(f"request body: {where}: {first['msg']}") from error


def answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """JSON as lakeFS writes it, with its newline at the end."""
    return Response(orjson.dumps(body, option=orjson.OPT_APPEND_NEWLINE), status, headers, "application/json")


def moment(microseconds: int) -> str:
    """RFC 3339 in UTC."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)).isoformat().replace("+00:00", "Z")


def done() -> Response:
    return Response(status_code=204)


def page(results: list[dict[str, Any]], more: bool, by: str) -> Response:
    """A page; when there is more, the next one starts after the last one's field `by`."""
    pagination = {
        "has_more": more,
        "max_per_page": MAX_PER_PAGE,
        "next_offset": results[-1][by] if more else "",
        "results": len(results),
    }
    return answer({"pagination": pagination, "results": results})
