# Tests of the client of the API server against a stand-in that misbehaves: no failure may look like a smaller fleet.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import builtins
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._engines import kube_api
from ansible_collections.aidc.ops.plugins.module_utils._engines.kube_api import ApiRefused, KubeApi
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError

TOKEN = "very-secret"


def page(names: list[str], token: str = "", **about: Any) -> dict[str, Any]:
    items = [{"metadata": {"name": name}} for name in names]
    return {"kind": "NodeList", "metadata": {"continue": token, **about}, "items": items}


class Server(ThreadingHTTPServer):
    """Answers with ``answers`` in turn, the last one again and again: a status and a body, or seconds to wait."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[tuple[int, Any] | float] = []
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def kubeconfig(self, folder: Path) -> str:
        entry = {"name": "x"}
        path = folder / "config"
        path.write_text(
            json.dumps(
                {
                    "clusters": [{**entry, "cluster": {"server": f"http://127.0.0.1:{self.server_port}"}}],
                    "users": [{**entry, "user": {"token": TOKEN}}],
                    "contexts": [{**entry, "context": {"cluster": "x", "user": "x"}}],
                    "current-context": "x",
                }
            )
        )
        return str(path)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.requests.append((self.command, self.path, dict(self.headers), body))
        answers = self.server.answers
        given = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(given, float):
            self.trickle(given)
            return
        status, content = given
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def trickle(self, seconds: float) -> None:
        """A byte now and then, so that no read by itself takes too long."""
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        for _round in range(int(seconds / 0.05)):
            try:
                self.wfile.write(b" ")
            except OSError:
                return
            time.sleep(0.05)

    do_GET = do_POST = do_PATCH = do_DELETE = answer

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        yield made
        made.shutdown()


@pytest.fixture
def api(server: Server, tmp_path: Path) -> KubeApi:
    return KubeApi(server.kubeconfig(tmp_path), None, 1)


def names(api: KubeApi) -> list[str]:
    return [item["metadata"]["name"] for item in api.items("/api/v1/nodes")]


@pytest.mark.slow
def test_pages_are_joined(server: Server, api: KubeApi) -> None:
    server.answers = [(200, page(["a", "b"], "t1", remainingItemCount=1)), (200, page(["c"]))]
    assert names(api) == ["a", "b", "c"]
    asked = [parse_qs(urlsplit(path).query) for _method, path, _headers, _body in server.requests]
    assert asked == [{"limit": ["500"]}, {"limit": ["500"], "continue": ["t1"]}]
    assert server.requests[0][2]["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("items", [[], None])
def test_an_empty_list_is_one(server: Server, api: KubeApi, items: Any) -> None:
    server.answers = [(200, {"kind": "NodeList", "metadata": {}, "items": items})]
    assert names(api) == []


def test_a_list_that_expires_is_read_again(server: Server, api: KubeApi) -> None:
    expired = (410, {"message": "The provided continue parameter is too old"})
    server.answers = [(200, page(["a"], "t1")), expired, (200, page(["a"], "t2")), (200, page(["b"]))]
    assert names(api) == ["a", "b"]
    server.answers = [(200, page(["a"], "t1")), expired, (200, page(["a"], "t2")), expired]
    with pytest.raises(EngineError, match="too old"):
        names(api)


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([(403, {"message": "nodes is forbidden"})], r"HTTP 403.*nodes is forbidden.*lacks rights"),
        ([(401, {"message": "Unauthorized"})], r"HTTP 401.*not accepted"),
        ([(500, b"<html>oops")], r"HTTP 500.*no reason given"),
        ([(301, b"")], "HTTP 301"),
        ([(200, page(["a"], "t1")), (403, {})], "HTTP 403"),
        ([(200, page(["a"], "t1")), (200, b'{"items": [{"metadata"')], "no JSON object"),
        ([(200, page(["a"], remainingItemCount=3))], "only a part"),
        ([(200, page(["a"], "t1"))], "do not end"),
        ([(200, page([], "t1"))], "do not end"),
        ([(200, {"kind": "Status", "metadata": {}})], "no list"),
        ([(200, {"kind": "NodeList", "items": []})], "no list"),
        ([(200, {"kind": "NodeList", "metadata": {}, "items": ["a"]})], "a list of something else"),
        ([(200, b"[" * 100000)], "no JSON object"),
        ([(200, b"\xff\xfe")], "no JSON object"),
        ([3.0], "no complete answer within 1 s"),
    ],
)
def test_what_is_no_whole_list_is_an_error(server: Server, api: KubeApi, answers: list[Any], message: str) -> None:
    server.answers = answers
    begun = time.monotonic()
    with pytest.raises(EngineError, match=message) as caught:
        names(api)
    assert TOKEN not in str(caught.value) and time.monotonic() - begun < 2.5


def test_an_answer_that_is_too_large(server: Server, api: KubeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kube_api, "MAX_ANSWER_BYTES", 1000)
    server.answers = [(200, page(["a" * 2000]))]
    with pytest.raises(EngineError, match="larger than"):
        names(api)


def test_a_login_is_not_sent_elsewhere(server: Server, api: KubeApi) -> None:
    server.answers = [(307, b"")]
    with pytest.raises(EngineError, match="HTTP 307"):
        names(api)
    assert len(server.requests) == 1


def test_no_server(server: Server, api: KubeApi) -> None:
    server.shutdown()
    server.server_close()
    with pytest.raises(EngineError, match="cannot be asked"):
        names(api)


def test_changes(server: Server, api: KubeApi) -> None:
    server.answers = [(200, {})]
    api.patch("/api/v1/nodes/a", {"spec": {}})
    api.post("/x", {"kind": "Eviction"}, dry_run=True)
    api.delete("/y", {"kind": "DeleteOptions"})
    assert [(method, path) for method, path, _headers, _body in server.requests] == [
        ("PATCH", "/api/v1/nodes/a?fieldManager=aidc-ops"),
        ("POST", "/x?dryRun=All"),
        ("DELETE", "/y"),
    ]
    assert server.requests[0][2]["Content-Type"] == "application/merge-patch+json"
    assert json.loads(server.requests[1][3]) == {"kind": "Eviction"}


def test_why_something_was_refused(server: Server, api: KubeApi) -> None:
    said = {"message": "no\n\x1b[31m" + "x" * 2000, "details": {"causes": [{"reason": "DisruptionBudget"}, 7]}}
    server.answers = [(429, said)]
    with pytest.raises(ApiRefused) as caught:
        api.post("/x", {})
    assert (caught.value.status, caught.value.causes) == (429, ("DisruptionBudget",))
    assert caught.value.text.isprintable() and len(caught.value.text) == 500


def test_a_kubeconfig_that_cannot_be_used(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("{{{")
    for path in (str(tmp_path / "none"), str(broken)):
        with pytest.raises(EngineError, match="cannot be used"):
            KubeApi(path, None, 1).get("/api/v1")


def test_inside_a_pod_its_account_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "192.0.2.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    with pytest.raises(EngineError, match=r"of this user or pod cannot be used.*[Ss]ervice"):
        KubeApi(None, None, 1).get("/api/v1")


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **more: Any) -> Any:
        if name == "kubernetes":
            raise ImportError("No module named 'kubernetes'")
        return real(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(EngineError, match=r"library 'kubernetes' is missing.*pip install kubernetes"):
        KubeApi("/none", None, 1).get("/api/v1")
