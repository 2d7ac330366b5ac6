# A Kubernetes API server stand-in for tests: an API server in memory, over HTTP on a free loopback port.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import threading
import typing as t
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from ansible_collections.aidc.ops.plugins.module_utils._engines.kube_api import ApiRefused
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._engines.kube_fake import FakeApi


class FakeKubernetes(ThreadingHTTPServer):
    """Serves the objects of an *api*. Whoever has its kubeconfig is the administrator."""

    daemon_threads = True

    def __init__(self, api: FakeApi) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.api = api
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def __exit__(self, *exc: object) -> None:
        self.shutdown()
        super().__exit__(*exc)

    def kubeconfig(self, folder: Path) -> Path:
        path = folder / "kubeconfig"
        entry = {"name": "fake"}
        url = f"http://127.0.0.1:{self.server_address[1]}"
        content = {
            "clusters": [{**entry, "cluster": {"server": url}}],
            "users": [{**entry, "user": {"token": "admin"}}],
            "contexts": [{**entry, "context": {"cluster": "fake", "user": "fake"}}],
            "current-context": "fake",
        }
        path.write_text(json.dumps(content))
        return path


class _Handler(BaseHTTPRequestHandler):
    server: FakeKubernetes
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query))

        def read() -> dict[str, t.Any]:
            if "limit" in query:
                return {"kind": "List", "metadata": {}, "items": self.server.api.items(parts.path, **query)}
            return self.server.api.get(parts.path)

        self._reply(read)

    def do_PATCH(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._reply(lambda: self.server.api.patch(urlsplit(self.path).path, body))

    def _reply(self, call: t.Callable[[], dict[str, t.Any]]) -> None:
        with self.server.lock:
            try:
                status, answer = 200, call()
            except ApiRefused as error:
                status, answer = error.status, {"kind": "Status", "message": error.text}
            body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: t.Any) -> None:
        pass
