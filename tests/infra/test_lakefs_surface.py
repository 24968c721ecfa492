"""Every operation that lakeFS's own client knows is answered: offered, or 501 with a sentence."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import lakefs_sdk.api

CALL = re.compile(r"call_api\(\s*'(/[^']*)', '([A-Z]+)'")


def test_an_operation_of_the_client_is_offered_or_refused_with_a_sentence(server: Any) -> None:
    sources = [path.read_text() for path in Path(lakefs_sdk.api.__path__[0]).glob("*_api.py")]
    operations = sorted({(method, path) for source in sources for path, method in CALL.findall(source)})
    assert len(operations) > 120
    unknown, without_a_sentence = [], []
    for method, path in operations:
        answer = server.http.request(method, re.sub(r"{\w+}", "1", path), json={})
        if answer.status_code >= 500 and answer.status_code != 501:
            unknown.append((method, path))
        if answer.headers.get("x-error-kind") == "no-endpoint":
            unknown.append((method, path))
        elif answer.status_code == 501 and "not offered" not in answer.json()["message"]:
            without_a_sentence.append((method, path))
    assert (unknown, without_a_sentence) == ([], [])
