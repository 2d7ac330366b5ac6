# An Alertmanager stand-in for tests: the parts of its API that the collection uses, on a free loopback port.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import http.server
import json
import ssl
import threading
import time
import typing as t
import urllib.parse
import urllib.request
from datetime import UTC, datetime


def when(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def alert(name: str, fingerprint: str, starts_at: str = "2026-01-01T00:00:00.123Z", **labels: str) -> dict[str, t.Any]:
    """An alert in the form of the API's answers."""
    return {
        "fingerprint": fingerprint,
        "startsAt": starts_at,
        "endsAt": when(time.time() + 300),
        "labels": {"alertname": name, **labels},
        "annotations": {"summary": name},
        "status": {"state": "active", "silencedBy": [], "inhibitedBy": []},
    }


class FakeAlertmanager:
    """Answers with ``alerts``; what is posted is kept in ``posted`` and, like the real one, merged by labels.

    With *tls* it speaks TLS. ``body`` replaces the answer to a query,
    ``delay`` makes every answer wait, ``started_at`` is the reported start.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.alerts: list[t.Any] = []
        self.posted: list[dict[str, t.Any]] = []
        self.queries: list[dict[str, list[str]]] = []
        self.body: bytes | None = None
        self.status = 200
        self.delay = 0.0
        self.started_at = time.time() - 3600
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._scheme = "http" if tls is None else "https"
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> FakeAlertmanager:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def active(self) -> list[dict[str, t.Any]]:
        """What was posted and has not ended, one alert for each set of labels."""
        newest: dict[str, dict[str, t.Any]] = {}
        for item in self.posted:
            newest[json.dumps(item["labels"], sort_keys=True)] = item
        # Compared as times: as texts, the end of a second would come after each part of it.
        return [item for item in newest.values() if datetime.fromisoformat(item["endsAt"]).timestamp() > time.time()]


def _handler(fake: FakeAlertmanager) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(fake.delay)
            path, _separator, query = self.path.partition("?")
            if path == "/api/v2/status":
                self._answer(json.dumps({"uptime": when(fake.started_at)}).encode())
            else:
                fake.queries.append(urllib.parse.parse_qs(query))
                body = json.dumps(fake.alerts + fake.active()).encode() if fake.body is None else fake.body
                self._answer(body)

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            time.sleep(fake.delay)
            fake.posted += json.loads(content)
            self._answer(b"")

        def _answer(self, body: bytes) -> None:
            self.send_response(fake.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: t.Any) -> None:
            pass

    return Handler


class Settled:
    """In front of a real Alertmanager: it says of itself that it started long ago, and all else is the real answer.

    A young one is not believed when it has no alerts, and a test cannot wait for it to grow old.
    """

    def __init__(self, url: str) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with urllib.request.urlopen(f"{url}{self.path}", timeout=10) as answer:
                    content = answer.read()
                if self.path == "/api/v2/status":
                    content = json.dumps({**json.loads(content), "uptime": when(time.time() - 3600)}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_args: t.Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Settled:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
