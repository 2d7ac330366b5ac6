# An AWX stand-in: collections of objects under /api/v2, which it takes and gives back; no jobs, no permissions.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import http.server
import json
import threading
import typing as t
import urllib.parse

LINKS = {f"notification_templates_{when}" for when in ("started", "success", "error", "approvals")} | {
    "credentials",
    "success_nodes",
    "failure_nodes",
    "always_nodes",
}


class FakeAwx:
    """``objects`` by their kind and number, ``links`` between them by path, ``writes`` in the order they came."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[int, dict[str, t.Any]]] = {}
        self.links: dict[str, list[int]] = {}
        self.writes: list[str] = []
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def names(self, kind: str) -> list[str]:
        return sorted(item.get("name", item.get("identifier")) for item in self.objects.get(kind, {}).values())

    def one(self, kind: str, name: str) -> dict[str, t.Any]:
        (found,) = (item for item in self.objects[kind].values() if name in (item.get("name"), item.get("identifier")))
        return found

    def linked(self, kind: str, name: str, link: str) -> list[int]:
        return self.links.get(f"{kind}/{self.one(kind, name)['id']}/{link}", [])

    def add(self, kind: str, fields: dict[str, t.Any]) -> dict[str, t.Any]:
        number = 1 + sum(len(items) for items in self.objects.values())
        url = f"/api/v2/{kind}/{number}/"
        item = {**fields, "id": number, "url": url, "type": kind[:-1], "related": {"survey_spec": f"{url}survey_spec/"}}
        self.objects.setdefault(kind, {})[number] = item
        if kind == "projects":
            # A new one is fetched at once.
            item.update(scm_revision="", summary_fields={"current_update": {"id": number}})
            self.objects.setdefault("project_updates", {})[number] = {"id": number, "status": "successful"}
        if kind.endswith("job_templates") or kind == "projects":
            self.objects.setdefault("unified_job_templates", {})[number] = item
        return item

    def answer(self, method: str, path: str, query: dict[str, str], body: t.Any) -> tuple[int, t.Any]:
        parts = path.removeprefix("/api/v2/").strip("/").split("/")
        if method != "GET":
            self.writes.append(f"{method} {path}")
        if len(parts) == 1 and method == "GET":
            found = [item for item in self.objects.get(parts[0], {}).values() if _matches(item, query)]
            return 200, {"count": len(found), "next": None, "results": found}
        if parts[0] == "credential_types" and (names := _refused(body)):
            # As AWX does.
            return 400, {"injectors": [f"Environment variables of Ansible are not allowed in credentials: {names}"]}
        if len(parts) == 1:
            return 201, self.add(parts[0], body)
        item = self.objects.get(parts[0], {}).get(int(parts[1]))
        if item is None:
            return 404, {"detail": "Not found."}
        if len(parts) == 2:
            if method == "PATCH":
                item.update(body)
            return 200, item
        return self._below(method, item, parts, body)

    def _below(self, method: str, item: dict[str, t.Any], parts: list[str], body: t.Any) -> tuple[int, t.Any]:
        if parts[2] == "survey_spec":
            if method == "POST":
                item["survey"] = body
            return 200, item.get("survey", {})
        if parts[2] == "create_approval_template" and method == "POST":
            approval = self.add("workflow_approval_templates", body)
            item["unified_job_template"] = approval["id"]
            item["related"]["unified_job_template"] = approval["url"]
            return 201, approval
        if parts[2] not in LINKS or parts[0] == "workflow_approval_templates":
            return 404, {"detail": "Not found."}
        linked = self.links.setdefault("/".join(parts[:3]), [])
        if method == "GET":
            return 200, {"count": len(linked), "next": None, "results": [{"id": number} for number in linked]}
        if body.get("disassociate"):
            linked.remove(body["id"])
        else:
            linked.append(body["id"])
        return 204, None

    def __enter__(self) -> FakeAwx:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


def _matches(item: dict[str, t.Any], query: dict[str, str]) -> bool:
    return all(str(item.get(name)) == value for name, value in query.items())


def _refused(body: dict[str, t.Any]) -> list[str]:
    return [name for name in body.get("injectors", {}).get("env", {}) if name.startswith("ANSIBLE_")]


def _handler(fake: FakeAwx) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def _serve(self) -> None:
            path, _separator, query = self.path.partition("?")
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            if self.headers.get("Authorization") != "Bearer word":
                status, answer = 401, {"detail": "Who are you?"}
            else:
                status, answer = fake.answer(self.command, path, dict(urllib.parse.parse_qsl(query)), body)
            content = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("X-API-Product-Name", "AWX")
            self.send_header("X-API-Product-Version", "24.6.1")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_DELETE = _serve

        def log_message(self, *_args: t.Any) -> None:
            pass

    return Handler
