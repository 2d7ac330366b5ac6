# The listener that other systems may post to: TLS, token, limits, and a count of everything that is refused.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rides on aiohttp, which ansible-rulebook needs anyway.

The source eda.builtin.webhook is no base for it: it hands every body to the rules, compares its token in a time that
tells about it, has no limits of its own, cannot answer "not taken" when the ledger fails, and knows one sender only.

One request is one connection, and a connection lives for a few seconds at most: who sends slowly loses it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import ipaddress
import logging
import os
import ssl
import time
import typing as t

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils import health
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import WebhookSettings
from ansible_collections.aidc.ops.plugins.module_utils._errors import SettingsError

logger = logging.getLogger("aidc.ops.hints")

CONNECTIONS = 32
"""At once; each may hold one body of ``max_bytes``, which bounds the memory that senders can take."""

CONNECTION_SECONDS = 15.0
HANDSHAKE_SECONDS = 5.0
REQUESTS_PER_SECOND = 100.0
REQUESTS_AT_ONCE = 200.0
REFRESH_SECONDS = 30.0
MIN_TOKEN_CHARACTERS = 16
# Older versions of aiohttp have texts as keys only.
_request_key: t.Any = getattr(web, "RequestKey", lambda name, _kind: name)
REFUSED, PATH = _request_key("aidc_ops_refused", str), _request_key("aidc_ops_path", str)
"""Keys of a request: why it was refused, and which of our paths it is to."""


class Answer(t.NamedTuple):
    """What a sender is told; *reason* is set when something was refused."""

    status: int
    text: str
    reason: str = ""


class Receiver(t.Protocol):
    """Takes what came in. Both methods are called on the event loop's thread and must not block it."""

    def needs_token(self, path: str) -> bool:
        """Say whether a request to this path has to carry the listener's token."""

    async def receive(self, path: str, body: bytes, secret: bytes) -> Answer:
        """Take a body; *secret* is the listener's token."""


def check(options: WebhookSettings) -> None:
    """SettingsError unless the listener may be opened like that."""
    if not options.token_file:
        raise SettingsError("webhook.token_file is missing: nothing listens without a token")
    if bool(options.certificate) != bool(options.key):
        raise SettingsError("webhook.certificate and webhook.key belong together")
    if options.certificate is None and not _is_loopback(options.address):
        raise SettingsError(f"webhook.certificate is missing: {options.address} can be reached from outside")
    if options.client_ca and not options.certificate:
        raise SettingsError("webhook.client_ca needs webhook.certificate")


async def listen(options: WebhookSettings, paths: t.Sequence[str], receiver: Receiver) -> None:
    """Listen until cancelled. Raises SettingsError, OSError and ssl.SSLError when it cannot begin."""
    check(options)
    secrets = _Secrets(options)
    listener = _Listener(paths, receiver, secrets)
    app = web.Application(middlewares=[listener.guard], client_max_size=options.max_bytes)
    app.router.add_post("/{path}", listener.answer)
    runner = web.AppRunner(
        app,
        access_log_class=_Counter,
        access_log=logger,
        handler_cancellation=True,
        keepalive_timeout=1.0,
        lingering_time=1.0,
        shutdown_timeout=1.0,
        auto_decompress=False,
    )
    await runner.setup()
    server: asyncio.Server | None = None
    try:
        gate = _Gate(t.cast("t.Callable[[], asyncio.Protocol]", runner.server))
        tls: dict[str, t.Any] = {"ssl_handshake_timeout": HANDSHAKE_SECONDS} if secrets.tls else {}
        server = await asyncio.get_running_loop().create_server(
            gate.protocol, options.address, options.port, ssl=secrets.tls, backlog=CONNECTIONS, **tls
        )
        logger.info("listening on %s port %d for %s", options.address, options.port, ", ".join(paths))
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            secrets.refresh()
    finally:
        if server is not None:
            server.close()
        await runner.cleanup()


class _Secrets:
    """Token and certificate, read again when their files change: a new certificate needs no restart."""

    def __init__(self, options: WebhookSettings) -> None:
        self._options = options
        self.token = b""
        self.tls = _context(options)
        self._seen = self._stamp()
        self._read()

    def refresh(self) -> None:
        """Read the files again if they changed; what cannot be read leaves the old ones in use."""
        try:
            stamp = self._stamp()
            if stamp != self._seen:
                self._read()
                self._seen = stamp
                logger.info("token and certificate were read again")
        except (OSError, SettingsError) as exc:
            health.count_source_error("hints")
            logger.error("the old token and certificate stay in use: %s", exc)

    def _read(self) -> None:
        options = self._options
        with open(str(options.token_file), encoding="utf-8") as stream:
            token = stream.readline().strip()
        if len(token) < MIN_TOKEN_CHARACTERS:
            raise SettingsError(f"{options.token_file}: a token has {MIN_TOKEN_CHARACTERS} characters or more")
        if self.tls is not None:
            self.tls.load_cert_chain(str(options.certificate), str(options.key))
        self.token = token.encode()

    def _stamp(self) -> list[int]:
        names = (self._options.token_file, self._options.certificate, self._options.key)
        return [os.stat(name).st_mtime_ns for name in names if name]


class _Listener:
    """Answers requests."""

    def __init__(self, paths: t.Sequence[str], receiver: Receiver, secrets: _Secrets) -> None:
        self._paths, self._receiver, self._secrets = frozenset(paths), receiver, secrets
        self._bucket = _Bucket(REQUESTS_PER_SECOND, REQUESTS_AT_ONCE)

    async def answer(self, request: web.Request) -> web.Response:
        """Answer one request to a path of ours or of nobody."""
        path = request.match_info["path"]
        if path not in self._paths:
            return _refuse(request, 404, "unknown_path")
        if self._receiver.needs_token(path) and not self._is_authorised(request):
            return _refuse(request, 401, "bad_token")
        if (request.content_length or 0) > request.client_max_size:
            return _refuse(request, 413, "too_large")
        if request.headers.get("Content-Encoding", "identity") != "identity":
            return _refuse(request, 400, "encoded")
        body = await request.read()
        result = await self._receiver.receive(path, body, self._secrets.token)
        if result.reason:
            return _refuse(request, result.status, result.reason)
        return web.Response(status=result.status, text=result.text)

    @web.middleware
    async def guard(
        self, request: web.Request, handler: t.Callable[[web.Request], t.Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Limit the rate, turn every failure into an answer, and end the connection with it."""
        path = request.match_info.get("path")
        if path in self._paths:
            request[PATH] = path
        try:
            response = await handler(request) if self._bucket.take() else _refuse(request, 429, "rate")
        except web.HTTPRequestEntityTooLarge:
            response = _refuse(request, 413, "too_large")
        except web.HTTPException as exc:
            response = _refuse(request, exc.status, "bad_request")
        except Exception as exc:
            logger.error("a request failed: %s: %s", type(exc).__name__, exc)
            response = _refuse(request, 500, "error")
        response.force_close()
        return response

    def _is_authorised(self, request: web.Request) -> bool:
        scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
        right = hmac.compare_digest(token.strip().encode("utf-8", "replace"), self._secrets.token)
        return right and scheme.lower() == "bearer"


class _Counter(AbstractAccessLogger):
    """Counts every answer, also those that aiohttp gives to what is no HTTP."""

    @property
    def enabled(self) -> bool:
        """Always: aiohttp would ask the log level."""
        return True

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Count one answer. What a sender wrote is never a label."""
        del time
        path = request.get(PATH, "other")
        health.count_request(path, response.status)
        if response.status >= 400:
            reason = request.get(REFUSED, "no_http")
            health.count_refused(path, reason)
            logger.info("refused (%s) a request of %s to %s", reason, request.remote, path)


PATHS = ("alertmanager", "grafana", "zabbix", "nagios", "redfish")
"""What there is to post to."""


class _Bucket:
    """So many requests a second on average, and so many at once."""

    def __init__(self, rate: float, size: float) -> None:
        self._rate, self._size = rate, size
        self._level, self._at = size, time.monotonic()

    def take(self) -> bool:
        """Say whether one more may be."""
        now = time.monotonic()
        self._level = min(self._size, self._level + (now - self._at) * self._rate)
        self._at = now
        if self._level < 1.0:
            return False
        self._level -= 1.0
        return True


class _Gate:
    """Makes the protocols of connections, no more than CONNECTIONS at a time, none of them for long."""

    def __init__(self, make: t.Callable[[], asyncio.Protocol]) -> None:
        self._make = make
        self._open = 0

    def protocol(self) -> asyncio.Protocol:
        """Return the protocol of a connection that was just accepted."""
        if self._open >= CONNECTIONS:
            return _Refused()
        self._open += 1
        return _Connection(self._make(), self._ended)

    def _ended(self) -> None:
        self._open -= 1


class _Refused(asyncio.Protocol):
    """A connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """End it."""
        health.count_refused("other", "connections")
        t.cast("asyncio.Transport", transport).abort()


class _Connection(asyncio.Protocol):
    """Passes everything on to aiohttp's protocol, and ends the connection when its time is up.

    The time begins when the connection is accepted: a TLS handshake that never ends counts as well.
    """

    def __init__(self, inner: asyncio.Protocol, ended: t.Callable[[], None]) -> None:
        self._inner = inner
        self._ended: t.Callable[[], None] | None = ended
        self._transport: asyncio.Transport | None = None
        self._timer = asyncio.get_running_loop().call_later(CONNECTION_SECONDS, self._time_is_up)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Pass on."""
        self._transport = t.cast("asyncio.Transport", transport)
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Pass on."""
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass on."""
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        """Pass on."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Pass on."""
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass on, and give the place free."""
        self._timer.cancel()
        self._inner.connection_lost(exc)
        self._release()

    def _time_is_up(self) -> None:
        health.count_refused("other", "handshake" if self._transport is None else "slow")
        if self._transport is not None:
            self._transport.abort()
        self._release()

    def _release(self) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            ended()


def _refuse(request: web.Request, status: int, reason: str) -> web.Response:
    request[REFUSED] = reason
    headers = {"Retry-After": "5"} if status in (429, 503) else {}
    return web.json_response({"refused": reason}, status=status, headers=headers)


def _is_loopback(address: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(address).is_loopback
    return address == "localhost"


def _context(options: WebhookSettings) -> ssl.SSLContext | None:
    if not options.certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if options.client_ca:
        context.load_verify_locations(options.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
