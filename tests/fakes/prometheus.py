# A Prometheus stand-in for tests: its query, targets and alerts API on a free loopback port, and ways to break them.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import http.server
import json
import threading
import time
import typing as t
import urllib.parse


def sample(value: float | str = 1, moment: float = 1_700_000_000.5, **labels: str) -> dict[str, t.Any]:
    """One element of a vector in the form of the API."""
    return {"metric": labels, "value": [moment, str(value)]}


def vector(*samples: dict[str, t.Any]) -> dict[str, t.Any]:
    return {"resultType": "vector", "result": list(samples)}


def target(job: str, instance: str, health: str = "up", address: str = "", **labels: str) -> dict[str, t.Any]:
    """One element of the active targets in the form of the API."""
    address = address or f"{instance}:9100"
    return {
        "discoveredLabels": {"__address__": address, "job": job},
        "labels": {"instance": instance, "job": job, **labels},
        "scrapePool": job,
        "scrapeUrl": f"http://{address}/metrics",
        "lastError": "" if health == "up" else "connection refused",
        "health": health,
    }


class FakePrometheus:
    """Answers each path with ``data[path]``; queries with the first of ``queries`` whose text is in the expression.

    ``status``, ``body``, ``content_type``, ``headers`` and ``warnings`` change every answer, ``delay`` makes it wait,
    ``cut`` ends it after so many bytes, ``drip`` sends one byte each so many seconds. What came is in ``requests``.
    """

    def __init__(self) -> None:
        self.data: dict[str, t.Any] = {"targets": {"activeTargets": [], "droppedTargets": []}, "alerts": {"alerts": []}}
        self.queries: dict[str, t.Any] = {}
        self.envelope: dict[str, t.Any] = {}
        self.warnings: list[str] = []
        self.status = 200
        self.failures_first: list[int] = []
        self.body: bytes | None = None
        self.content_type = "application/json"
        self.headers: dict[str, str] = {}
        self.delay = 0.0
        self.cut: int | None = None
        self.drip = 0.0
        self.requests: list[tuple[str, str, dict[str, str], dict[str, str]]] = []
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def server(self) -> http.server.ThreadingHTTPServer:
        """The server behind it, so that a test can put TLS around its socket."""
        return self._server

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> FakePrometheus:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def asked(self, path: str) -> list[dict[str, str]]:
        """The parameters of every request for this path."""
        return [parameters for _method, found, parameters, _headers in self.requests if found == path]

    def answer(self, path: str, parameters: dict[str, str]) -> bytes:
        if self.body is not None:
            return self.body
        if path in ("query", "query_range"):
            data = next((data for part, data in self.queries.items() if part in parameters.get("query", "")), vector())
        else:
            data = self.data.get(path, [])
        data = data(parameters) if callable(data) else data
        warnings = {"warnings": self.warnings} if self.warnings else {}
        return json.dumps({"status": "success", "data": data, **warnings, **self.envelope}).encode()


def _handler(fake: FakePrometheus) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path, _separator, query = self.path.partition("?")
            self._reply(path, query)

        def do_POST(self) -> None:
            self._reply(self.path, self.rfile.read(int(self.headers["Content-Length"])).decode())

        def _reply(self, path: str, query: str) -> None:
            parameters = dict(urllib.parse.parse_qsl(query))
            path = path.partition("/api/v1/")[2]
            fake.requests.append((self.command, path, parameters, dict(self.headers)))
            time.sleep(fake.delay)
            body = fake.answer(path, parameters)
            self.send_response(fake.failures_first.pop(0) if fake.failures_first else fake.status)
            self.send_header("Content-Type", fake.content_type)
            self.send_header("Content-Length", str(len(body)))
            for name, value in fake.headers.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                self._write(body)
            except OSError:
                self.close_connection = True

        def _write(self, body: bytes) -> None:
            if fake.cut is not None:
                self.wfile.write(body[: fake.cut])
                self.close_connection = True
            elif fake.drip:
                for position in range(len(body)):
                    self.wfile.write(body[position : position + 1])
                    time.sleep(fake.drip)
            else:
                self.wfile.write(body)

        def log_message(self, *_args: t.Any) -> None:
            pass

    return Handler
