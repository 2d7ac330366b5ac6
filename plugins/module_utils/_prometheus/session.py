# The HTTP session that the client hands to prometheus-api-client: bounded, and without an answer that is only a part.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""prometheus-api-client builds the requests, this session carries them. It adds what the library leaves open:

* The whole call has a deadline. The timeout of requests starts again with every byte, and does not cover names.
* An answer is complete and a success, or a PrometheusError; the library looks at the HTTP status only, so that a
  ``status: error`` or a warning about missing parts would be taken for an answer.
* Long expressions are sent in the body; the library puts them into the address, also with POST.
* An answer is read in large pieces and decoded at once, see without_collector.
"""

from __future__ import annotations

import contextlib
import gc
import json
import queue
import threading
import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._errors import PrometheusError

MAX_ANSWER_BYTES = 1024 * 1024 * 1024
"""A query about 50,000 nodes answers with 15 MB; this is a broken or hostile server."""

_CHUNK_BYTES = 1024 * 1024
_LONG_QUERY = 1500
_HINTS = {
    401: "the server wants a login; set username and password, or token",
    403: "access denied; this login may not read here",
    404: "there is no Prometheus API at this address; look at its path",
    405: "the server does not allow this way of asking",
    503: "the server is overloaded, still starting, or gave the query up after its own time limit",
}


class Reply:
    """What the library takes for an answer of requests."""

    status_code = 200
    ok = True

    def __init__(self, envelope: dict[str, t.Any]) -> None:
        self._envelope = envelope

    def json(self) -> dict[str, t.Any]:
        return self._envelope


def make_session(requests: t.Any, timeout: float, allow_partial: bool) -> t.Any:
    """A session of *requests* whose answers are complete within *timeout* seconds."""

    class Session(requests.Session):
        def request(self, method: str, url: str, **options: t.Any) -> Reply:
            parameters = options.pop("params", None) or {}
            if sum(len(str(value)) for value in parameters.values()) > _LONG_QUERY:
                method, options["data"] = "POST", parameters
            else:
                options["params"] = parameters
            options.update(stream=True, timeout=timeout)
            ask = super().request
            return within(timeout, url, lambda: read_reply(requests, lambda: ask(method, url, **options), url))

    def read_reply(requests: t.Any, ask: t.Callable[[], t.Any], url: str) -> Reply:
        try:
            with ask() as response:
                status, kind = response.status_code, str(response.headers.get("Content-Type", ""))
                content = read_all(response, url)
        except requests.exceptions.SSLError as exc:
            raise PrometheusError(
                f"{url}: the server's certificate or ours was refused ({_cause(exc)}); look at ca_path, client_cert and"
                " client_key"
            ) from exc
        except requests.exceptions.Timeout as exc:
            raise PrometheusError(_too_late(url, timeout)) from exc
        except requests.exceptions.ConnectionError as exc:
            raise PrometheusError(f"{url}: no connection: {_cause(exc)}") from exc
        except (requests.exceptions.RequestException, OSError, ValueError) as exc:
            raise PrometheusError(f"{url}: no complete answer: {_cause(exc)}") from exc
        return Reply(check(content, status, kind, url, allow_partial))

    return Session()


def read_all(response: t.Any, url: str) -> bytes:
    """The whole body. The library's own way takes it in pieces of 10 KiB."""
    pieces, size = [], 0
    for piece in response.iter_content(_CHUNK_BYTES):
        size += len(piece)
        if size > MAX_ANSWER_BYTES:
            raise PrometheusError(f"{url}: the answer is larger than {MAX_ANSWER_BYTES} bytes; ask for less")
        pieces.append(piece)
    return b"".join(pieces)


@contextlib.contextmanager
def without_collector() -> t.Iterator[None]:
    """Make many objects at once.

    10,000 series with 60 points are 600,000 small lists, and Python looks for garbage among them again and again while
    they are made: without its collector, decoding takes a quarter of the time.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def read_json(content: bytes) -> t.Any:
    """Decode JSON; ValueError if it is none."""
    with without_collector():
        try:
            return json.loads(content)
        except RecursionError as exc:
            raise ValueError("it is nested too deeply") from exc


def check(content: bytes, status: int, kind: str, url: str, allow_partial: bool) -> dict[str, t.Any]:
    """The decoded answer if it is a complete success, else PrometheusError."""
    try:
        envelope = read_json(content)
    except ValueError as exc:
        if status != 200:
            raise PrometheusError(_refused(url, status, "")) from exc
        raise PrometheusError(
            f"{url}: the answer is not complete JSON but {kind or 'of no stated type'} ({exc!s:.100}); is this a"
            " login page, another service, or a proxy that cut it off?"
        ) from exc
    if not isinstance(envelope, dict):
        raise PrometheusError(f"{url}: the answer is JSON but not that of a Prometheus API")
    if status != 200 or envelope.get("status") != "success":
        said = ": ".join(str(envelope[key]) for key in ("errorType", "error") if envelope.get(key))
        raise PrometheusError(_refused(url, status, said))
    if "data" not in envelope:
        raise PrometheusError(f"{url}: the answer says success and has no data")
    warnings = envelope.get("warnings") or []
    if warnings and not allow_partial:
        raise PrometheusError(
            f"{url}: the server warns that its answer may lack a part: {'; '.join(map(str, warnings)):.500}"
        )
    return envelope


_Result = t.TypeVar("_Result")


def within(seconds: float, url: str, function: t.Callable[[], _Result]) -> _Result:
    """Run the function in a thread; PrometheusError if it is not done in time. The thread is left to its own end."""
    results: queue.SimpleQueue[tuple[_Result | None, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            results.put((function(), None))
        except BaseException as exc:
            results.put((None, exc))

    threading.Thread(target=run, name=f"asks {url}", daemon=True).start()
    try:
        result, error = results.get(timeout=seconds)
    except queue.Empty:
        raise PrometheusError(_too_late(url, seconds)) from None
    if error is not None:
        raise error
    return t.cast(_Result, result)


def _too_late(url: str, seconds: float) -> str:
    return f"{url}: no complete answer within {seconds:g} s; raise timeout, or ask for less"


def _refused(url: str, status: int, said: str) -> str:
    parts = [f"HTTP {status}"] if status != 200 else []
    parts += [part for part in (said[:1000], "" if said and status != 401 else _HINTS.get(status, "")) if part]
    return f"{url}: {': '.join(parts) or 'the server says that it failed and not why'}"


def _cause(exc: BaseException) -> str:
    """The innermost reason: urllib3 and requests wrap it in several layers of their own words."""
    seen: set[int] = set()
    current: t.Any = exc
    while id(current) not in seen:
        seen.add(id(current))
        inner = getattr(current, "reason", None)
        inner = (
            inner
            if isinstance(inner, BaseException)
            else next((arg for arg in getattr(current, "args", ()) if isinstance(arg, BaseException)), None)
        )
        if inner is None:
            break
        current = inner
    return f"{type(current).__name__}: {current!s:.300}"
