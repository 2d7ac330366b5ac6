# Serves many simulated BMCs over HTTPS from one process, each at its own address.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP/1.1 with kept connections on asyncio; one event loop serves hundreds of BMCs.

Every address of 127.0.0.0/8 is this machine's own on Linux, so each BMC has one of them and all have the same port.
"""

from __future__ import annotations

import asyncio
import contextlib
import http
import json
import ssl
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .model import Bmc, Fault, ModelError
from .service import Answer, Request, Service, error, event

MAX_HEAD = 64 * 1024
MAX_BODY = 1024 * 1024

Handler = Callable[[Request], Awaitable[Answer]]


class ServerError(Exception):
    """The simulator cannot be started; the message says why."""


@dataclass
class Place:
    """A BMC and where it listens."""

    bmc: Bmc
    host: str
    port: int


class Simulator:
    """All BMCs. Start and stop it inside an event loop, or use it with ``with`` from ordinary code."""

    def __init__(self, places: Sequence[Place], certificate: str, key: str, control: tuple[str, int] | None = None):
        self.places = list(places)
        self._control = control
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate, key)
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stop: asyncio.Event | None = None

    async def start(self) -> None:
        """Listen at every place; a port 0 becomes the one that the system gave."""
        self._loop = asyncio.get_running_loop()
        for place in self.places:
            handler = _of_service(Service(place.bmc))
            try:
                server = await asyncio.start_server(
                    self._connection(handler), place.host, place.port, ssl=self._tls, limit=MAX_HEAD, backlog=128
                )
            except OSError as exc:
                raise ServerError(f"cannot listen at {place.host}:{place.port}: {exc.strerror}") from exc
            place.port = server.sockets[0].getsockname()[1]
            place.bmc.on_event = self._deliver
            self._servers.append(server)
        if self._control is not None:
            host, port = self._control
            self._servers.append(
                await asyncio.start_server(self._connection(self._control_handler), host, port, limit=MAX_HEAD)
            )

    async def stop(self) -> None:
        for server in self._servers:
            server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def __enter__(self) -> Simulator:
        ready = threading.Event()
        failed: list[BaseException] = []

        async def serve() -> None:
            self._stop = asyncio.Event()
            try:
                await self.start()
            except ServerError as exc:
                failed.append(exc)
            ready.set()
            if not failed:
                await self._stop.wait()
            await self.stop()

        self._thread = threading.Thread(target=lambda: asyncio.run(serve()), name="bmcsim", daemon=True)
        self._thread.start()
        ready.wait()
        if failed:
            self._thread.join()
            raise failed[0]
        return self

    def __exit__(self, *_unused: object) -> None:
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        if self._thread is not None:
            self._thread.join(10)

    def _connection(self, handler: Handler) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._tasks.add(task)
            try:
                while await _exchange(reader, writer, handler):
                    pass
            except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ssl.SSLError):
                pass
            except asyncio.CancelledError:
                # The simulator stops; nobody waits for this connection.
                pass
            finally:
                self._tasks.discard(task)
                writer.transport.abort()

        return connected

    # Events for subscribers.

    def _deliver(self, bmc: Bmc, entry: Mapping[str, Any]) -> None:
        loop = self._loop
        if loop is None or not bmc.subscriptions:
            return
        body = json.dumps(event(bmc, entry)).encode()
        for subscription in list(bmc.subscriptions.values()):
            asyncio.run_coroutine_threadsafe(_post(subscription["destination"], body), loop)

    # Control: what a test or a drill changes from outside.

    async def _control_handler(self, request: Request) -> Answer:
        """GET /NAME tells the state, PATCH /NAME sets fields, POST /NAME/events adds an entry to the log."""
        name, _slash, rest = request.path.strip("/").partition("/")
        bmc = next((place.bmc for place in self.places if place.bmc.name == name), None)
        if bmc is None:
            return error(404, f"no BMC is called {name}")
        try:
            body = json.loads(request.body or b"{}")
            if request.method == "PATCH" and not rest:
                change(bmc, body)
            elif request.method == "POST" and rest == "events":
                bmc.add_event(**body)
            elif request.method != "GET" or rest:
                return error(405, "GET /NAME, PATCH /NAME or POST /NAME/events")
        except (ValueError, TypeError, ModelError) as exc:
            return error(400, str(exc))
        return Answer(200, json.dumps(state(bmc)).encode(), {"Content-Type": "application/json"})


def state(bmc: Bmc) -> dict[str, Any]:
    """What a test wants to know of a BMC."""
    return {
        "power_state": bmc.power_state,
        "sessions": len(bmc.sessions),
        "most_sessions": bmc.most_sessions,
        "failed_logins": bmc.failed_logins,
        "requests": bmc.requests,
        "subscriptions": len(bmc.subscriptions),
        "events": len(bmc.logs),
    }


def change(bmc: Bmc, values: Mapping[str, Any]) -> None:
    """Set fields of a BMC; ModelError for one that there is not."""
    fresh = Bmc.from_settings({"name": bmc.name, **values})
    for name in values:
        setattr(bmc, name, getattr(fresh, name))
    bmc.touch()


def places_from_settings(settings: Mapping[str, Any]) -> list[Place]:
    """The places of a configuration: a list ``bmcs``, each with host and port and the fields of a BMC."""
    places = []
    for entry in settings["bmcs"]:
        values = dict(entry)
        host, port = values.pop("host", "127.0.0.1"), values.pop("port", 0)
        places.append(Place(Bmc.from_settings(values), str(host), int(port)))
    return places


def _of_service(service: Service) -> Handler:
    async def handle(request: Request) -> Answer:
        return service.answer(request)

    return handle


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler) -> bool:
    """One request and its answer; whether the connection is kept."""
    request = await _read_request(reader)
    if request is None:
        return False
    answer = await handler(request)
    if answer.never:
        # Until the client gives up.
        await reader.read()
        return False
    if answer.delay:
        await asyncio.sleep(answer.delay)
    keep = request.headers.get("connection", "").lower() != "close"
    phrase = http.HTTPStatus(answer.status).phrase
    head = [f"HTTP/1.1 {answer.status} {phrase}", f"Content-Length: {len(answer.body)}", "OData-Version: 4.0"]
    head += [f"{name}: {value}" for name, value in answer.headers.items()]
    head.append(f"Connection: {'keep-alive' if keep else 'close'}")
    data = "\r\n".join(head).encode() + b"\r\n\r\n" + (b"" if request.method == "HEAD" else answer.body)
    if answer.drip:
        for byte in data:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(answer.drip)
    else:
        writer.write(data)
        await writer.drain()
    return keep


async def _read_request(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.split("\r\n")
    method, target, _version = first.split(" ", 2)
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    length = int(headers.get("content-length", "0"))
    if length > MAX_BODY:
        return None
    return Request(method, target, headers, await reader.readexactly(length) if length else b"")


async def _post(url: str, body: bytes) -> None:
    """Send an event once; a subscriber that is away misses it."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(10):
            context = ssl._create_unverified_context() if secure else None
            reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=context)
            head = f"POST {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
            writer.write(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
            await writer.drain()
            await reader.read()
            writer.close()


__all__ = ["Fault", "Place", "ServerError", "Simulator", "change", "places_from_settings", "state"]
