"""Ask the address that an action file names: one POST of JSON, an answer 2xx is yes, all else is no.

Only that address is asked: no redirect is followed, no proxy of the environment used. The whole takes at most the
hook's timeout, attempts included; of the answer at most MAX_ANSWER bytes are read. It is asked again only where it did
nothing the first time: no connection, 429, 503. Values of the environment stand in the request and nowhere else; the
answer to such a request is not kept either, since it may repeat them.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from infra.lakefs.errors import BusyError
from infra.lakefs.store.webhook import ENVIRONMENT, Webhook, is_header

if TYPE_CHECKING:
    import httpx

MAX_ANSWER = 16 << 10  # bytes
PAUSES = (0.2, 1.0)  # seconds before the second and the third attempt
AGAIN = (429, 503)


@dataclass(frozen=True, slots=True)
class Outcome:
    """`why` in a few words, `output` the whole exchange; neither holds environment values."""

    passed: bool
    why: str
    output: str


class Sender:
    """Sends webhooks. `environment` holds the values that action files may use, by name."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._guard = threading.Lock()
        self._stops: set[Callable[[], object]] = set()
        self._closed = False

    def close(self) -> None:
        """End what is under way; what is sent from now on is refused."""
        with self._guard:
            self._closed = True
            for stop in self._stops:
                stop()

    def send(self, hook: Webhook, payload: Mapping[str, Any]) -> Outcome:
        """BusyError when the server ends meanwhile."""
        names = {name for _, value in (*hook.parameters, *hook.headers) for name in ENVIRONMENT.findall(value)}
        if missing := sorted(names - self._environment.keys()):
            why = f"ENV.{missing[0]} is not for action files: set it and start the server with --allow-env {missing[0]}"
            return Outcome(passed=False, why=why, output=why)
        body = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
        lines = [
            f"Request:\nPOST {hook.url}",
            "Query Params:",
            *(f"{name}: {value}" for name, value in hook.parameters),
        ]
        lines += ["Headers:", "Content-Type: application/json", *(f"{name}: {value}" for name, value in hook.headers)]
        lines += [f"Request Body:\n{body[:MAX_ANSWER]}\n"]
        started = time.monotonic()
        passed, why, answered = asyncio.run(self._watched(hook, body.encode()))
        if names:
            answered = f"{why} (not kept, the request held environment values)"
        lines += [f"Request duration: {time.monotonic() - started:.3f}s\n", f"Response:\n{answered or why}"]
        return Outcome(passed, why, "\n".join(lines))

    async def _watched(self, hook: Webhook, body: bytes) -> tuple[bool, str, str]:
        task = asyncio.current_task()
        assert task is not None
        stop = partial(asyncio.get_running_loop().call_soon_threadsafe, task.cancel)
        try:
            with self._guard:
                self._stops.add(stop)
                if self._closed:
                    task.cancel()
            return await self._within(hook, body)
        except asyncio.CancelledError:
            raise BusyError("the server is ending, nothing was done: repeat") from None
        finally:
            with self._guard:
                self._stops.discard(stop)

    async def _within(self, hook: Webhook, body: bytes) -> tuple[bool, str, str]:
        import httpx  # late: most servers never send a webhook

        headers = {name: self._filled(value) for name, value in hook.headers}
        if not all(is_header(value) for value in headers.values()):
            return False, "a header with its environment values is none that can be sent", ""
        content_type = (
            {} if any(name.lower() == "content-type" for name in headers) else {"Content-Type": "application/json"}
        )
        url = urlsplit(hook.url)
        query = "&".join(filter(None, (url.query, urlencode([(n, self._filled(v)) for n, v in hook.parameters]))))
        verify = ssl.create_default_context() if url.scheme == "https" else False
        try:
            async with (
                asyncio.timeout(hook.timeout),
                httpx.AsyncClient(
                    trust_env=False, follow_redirects=False, timeout=hook.timeout, verify=verify
                ) as client,
            ):
                request = client.build_request(
                    "POST", urlunsplit((*url[:3], query, "")), content=body, headers={**content_type, **headers}
                )
                return await _attempts(client, request)
        except (TimeoutError, httpx.TimeoutException):
            return False, f"no answer within {hook.timeout:g}s", ""
        except httpx.ConnectError as error:
            return False, f"{hook.url} cannot be reached ({_reason(error)}), {len(PAUSES) + 1} attempts", ""
        except httpx.TransportError:
            return False, "the connection broke off, or what came is not HTTP", ""
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError):
            return False, f"cannot be sent to {hook.url}", ""

    def _filled(self, text: str) -> str:
        return ENVIRONMENT.sub(lambda found: self._environment[found[1]], text)


async def _attempts(client: httpx.AsyncClient, request: httpx.Request) -> tuple[bool, str, str]:
    import httpx

    for pause in PAUSES:
        try:
            response = await client.send(request, stream=True)
        except httpx.ConnectError:
            await asyncio.sleep(pause)
            continue
        if response.status_code not in AGAIN:
            return await _answer(response)
        await response.aclose()
        await asyncio.sleep(pause)
    return await _answer(await client.send(request, stream=True))


def _reason(error: BaseException) -> str:
    """What the system said of a connection; the text of other errors is not shown, it may repeat what was sent."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror | ssl.SSLError) and cause.strerror:
            return cause.strerror
        if isinstance(cause, OSError) and cause.errno:
            return os.strerror(cause.errno).lower()
        cause = cause.exceptions[0] if isinstance(cause, BaseExceptionGroup) else cause.__cause__ or cause.__context__
    return "no connection"


async def _answer(response: httpx.Response) -> tuple[bool, str, str]:
    """What came back; the connection is closed once enough is read."""
    data = b""
    try:
        async for chunk in response.aiter_raw():
            data += chunk
            if len(data) >= MAX_ANSWER:
                break
    finally:
        await response.aclose()
    head = [f"{response.http_version} {response.status_code} {response.reason_phrase}"]
    head += [f"{name}: {value}" for name, value in response.headers.items()]
    text = "\n".join(head)[:MAX_ANSWER] + "\n\n" + data[:MAX_ANSWER].decode(errors="replace")
    return response.is_success, f"answered {response.status_code}", text
