"""What a webhook in an action file says: an address, a timeout, query parameters and headers.

Values of the environment are named as `{{ ENV.NAME }}`, in parameters and headers only, and filled in when it is sent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from infra.lakefs.errors import InvalidError
from infra.lakefs.store.strict_yaml import Value

MAX_PAIRS = 64
MAX_TIMEOUT = 3600.0  # seconds
DEFAULT_TIMEOUT = 60.0
NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
OWN_HEADERS = ("host", "connection", "content-length", "transfer-encoding")
ENVIRONMENT = re.compile(r"\{\{\s*ENV\.([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
DURATION = re.compile(r"(\d{1,9}(?:\.\d{0,9})?)(ns|us|µs|ms|s|m|h)")
UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Webhook:
    """`timeout` is seconds; values of `parameters` and `headers` may hold `{{ ENV.NAME }}`."""

    url: str
    timeout: float
    parameters: Pairs
    headers: Pairs


def webhook(properties: Mapping[str, Value]) -> Webhook:
    """The properties of a webhook; InvalidError says which is wrong."""
    url = properties.get("url", "")
    if not isinstance(url, str) or not _is_address(url):
        raise InvalidError("url: an address http://… or https://… is needed")
    timeout = properties.get("timeout", "")
    parameters: list[tuple[str, str]] = []
    for name, value in _mapping(properties, "query_params").items():
        parameters += [(name, _text(each, "query_params")) for each in (value if isinstance(value, list) else [value])]
    headers = [(name, _text(value, "headers")) for name, value in _mapping(properties, "headers").items()]
    for name, value in headers:
        if not NAME.fullmatch(name) or name.lower() in OWN_HEADERS or not is_header(value):
            raise InvalidError(f"headers: '{name[:80]}' cannot be sent")
    if len(parameters) > MAX_PAIRS or len(headers) > MAX_PAIRS:
        raise InvalidError(f"more than {MAX_PAIRS} query_params or headers")
    return Webhook(url, duration(timeout) if timeout else DEFAULT_TIMEOUT, tuple(parameters), tuple(headers))


def duration(text: Value) -> float:
    """Seconds of `1m30s`, `500ms`, `1.5h`."""
    if isinstance(text, str) and len(text) <= 64 and re.fullmatch(f"(?:{DURATION.pattern})+", text):
        seconds = sum(float(number) * UNITS[unit] for number, unit in DURATION.findall(text))
        if 0 < seconds <= MAX_TIMEOUT:
            return seconds
    raise InvalidError(f"timeout: more than nothing and at most {MAX_TIMEOUT:.0f}s is needed, as 1m30s or 500ms")


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return (
            len(url) <= 2048
            and url.isascii()
            and url.isprintable()
            and " " not in url
            and "{{" not in url
            and parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and parts.port != 0
        )
    except ValueError:
        return False


def is_header(value: str) -> bool:
    return len(value) <= 8192 and value.isascii() and value.isprintable()


def _mapping(properties: Mapping[str, Value], name: str) -> Mapping[str, Value]:
    value = properties.get(name, "")
    if value == "":
        return {}
    if not isinstance(value, dict):
        raise InvalidError(f"{name}: a mapping is needed")
    return value


def _text(value: Value, where: str) -> str:
    if not isinstance(value, str) or len(value) > 8192:
        raise InvalidError(f"{where}: text of at most 8192 characters is needed")
    if "{{" in ENVIRONMENT.sub("", value):
        raise InvalidError(f"{where}: of {{{{ … }}}} only {{{{ ENV.NAME }}}} is known")
    return value
