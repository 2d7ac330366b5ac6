# A slurmrestd stand-in for tests: recorded answers behind a token.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import threading
import time
import typing as t
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.c2lnbmF0dXJl"


class FakeSlurmrestd:
    """Serves ``nodes`` under ``versions`` on a free port; ``status``, ``body``, ``cut`` and ``delay`` break answers."""

    def __init__(self, nodes: str) -> None:
        self.nodes = nodes
        self.versions = ["v0.0.40", "v0.0.42", "v0.0.41"]
        self.status = 200
        self.body: bytes | None = None
        self.cut: int | None = None
        self.delay = 0.0
        self.location: str | None = None
        self.paths: list[str] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                fake.paths.append(self.path)
                time.sleep(fake.delay)
                status, body = fake.answer(self.path, self.headers.get("X-SLURM-USER-TOKEN"))
                self.send_response(status)
                if fake.location:
                    self.send_header("Location", fake.location)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: fake.cut])

            def log_message(self, *_arguments: t.Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def answer(self, path: str, token: str | None) -> tuple[int, bytes]:
        if token != TOKEN:
            return 401, b"Authentication failure"
        if self.status != 200 or self.body is not None:
            return self.status, self.body or b""
        if path == "/openapi/v3":
            paths = [f"/slurm/{version}/nodes/" for version in self.versions] + ["/slurmdb/v0.0.99/users"]
            return 200, json.dumps({"paths": {path: {} for path in paths}}).encode()
        if path in [f"/slurm/{version}/nodes" for version in self.versions]:
            return 200, self.nodes.encode()
        return 404, b"Unable find requested URL."

    def __enter__(self) -> FakeSlurmrestd:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
