# Answers requests to one simulated BMC: documents, sessions, actions, and the faults that were set.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A request in, an answer out; nothing here waits or knows of sockets."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from .model import Bmc, Fault, ModelError
from .resources import CHASSIS, MANAGER, ROOT, SESSIONS, SUBSCRIPTIONS, SYSTEM, Doc, build, build_sessions

OPEN = ("/redfish", ROOT, f"{ROOT}/odata", f"{ROOT}/$metadata")
"""What the standard gives without a login."""


@dataclass(frozen=True)
class Request:
    """One HTTP request; header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def path(self) -> str:
        return urlsplit(self.target).path.rstrip("/") or "/"

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query)


@dataclass
class Answer:
    """One HTTP answer, and how it leaves: after a delay, byte by byte, or never."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drip: float = 0.0
    never: bool = False


class Service:
    """The Redfish service of one BMC."""

    def __init__(self, bmc: Bmc) -> None:
        self.bmc = bmc
        self._version = -1
        self._power = ""
        self._docs: dict[str, Doc] = {}
        self._bodies: dict[str, bytes] = {}
        self._actions: dict[str, Callable[[Doc], Answer]] = {
            f"{SYSTEM}/Actions/ComputerSystem.Reset": self._reset,
            f"{SYSTEM}/LogServices/SEL/Actions/LogService.ClearLog": self._clear,
            f"{MANAGER}/Actions/Manager.Reset": self._restart,
            f"{ROOT}/EventService/Actions/EventService.SubmitTestEvent": self._test_event,
            SESSIONS: self._log_in,
            SUBSCRIPTIONS: self._subscribe,
        }

    def answer(self, request: Request) -> Answer:
        """The answer to a request, changed by the faults that hit its path."""
        bmc = self.bmc
        bmc.requests += 1
        if bmc.away():
            return Answer(503, never=True)
        faults = [fault for fault in bmc.faults if fault.hits(request.path)]
        for fault in faults:
            if fault.kind == "dead":
                return Answer(503, never=True)
            if fault.kind == "status":
                return error(int(fault.value), "This fault was set.")
            if fault.kind == "redirect":
                return Answer(302, headers={"Location": str(fault.value)})
        answer = self._answer(request)
        for fault in faults:
            _spoil(answer, fault)
        return answer

    def documents(self) -> dict[str, Doc]:
        """Every document by its path, as the BMC is now."""
        if self._version != self.bmc.version or self._power != self.bmc.power_state:
            self._version, self._power = self.bmc.version, self.bmc.power_state
            self._docs, self._bodies = build(self.bmc), {}
        return self._docs

    def _answer(self, request: Request) -> Answer:
        path = request.path
        if request.method == "GET" and path in OPEN:
            return self._open(path)
        creates_session = request.method == "POST" and path == SESSIONS
        token, authorization = request.headers.get("x-auth-token"), request.headers.get("authorization")
        if not creates_session and not self.bmc.lets_in(token, authorization):
            return error(401, "There is no valid session established with the implementation.")
        if request.method == "GET":
            return self._get(path, request)
        if request.method == "POST":
            return self._post(path, request)
        if request.method == "DELETE":
            return self._delete(path)
        return error(405, "The method is not allowed here.")

    def _open(self, path: str) -> Answer:
        if path == "/redfish":
            return _json({"v1": f"{ROOT}/"})
        if path == ROOT:
            return _json(self.documents()[f"{ROOT}/"])
        if path == f"{ROOT}/odata":
            names = ("Systems", "Chassis", "Managers", "UpdateService", "EventService")
            values = [{"name": name, "kind": "Singleton", "url": f"{ROOT}/{name}"} for name in names]
            return _json({"@odata.context": f"{ROOT}/$metadata", "value": values})
        kinds = sorted({str(doc["@odata.type"])[1:] for doc in self.documents().values()})
        return Answer(200, _metadata(kinds).encode(), {"Content-Type": "application/xml"})

    def _get(self, path: str, request: Request) -> Answer:
        if path.startswith(SESSIONS) and self.bmc.sessions_offered:
            sessions = build_sessions(self.bmc)
            return _json(sessions[path]) if path in sessions else error(404, "There is no such session.")
        doc = self.documents().get(path)
        if doc is None:
            return error(404, f"The resource at the URI {path} was not found.")
        if "Members" not in doc or not (request.query or self.bmc.page_size or self.bmc.faults):
            body = self._bodies.get(path)
            if body is None:
                body = self._bodies[path] = json.dumps(doc).encode()
            return _json_bytes(body)
        key = f"{request.target}?"
        body = self._bodies.get(key)
        if body is None:
            body = self._bodies[key] = json.dumps(self._collection(path, doc, request.query)).encode()
        return _json_bytes(body)

    def _collection(self, path: str, doc: Doc, query: Mapping[str, list[str]]) -> Doc:
        """A collection with $expand and $skip, in pages where the BMC has them, short where it is broken."""
        members = list(doc["Members"])
        if query.get("$expand") and self.bmc.expands:
            members = [self._docs[member["@odata.id"]] for member in members]
        found = dict(doc, Members=members)
        for fault in self.bmc.faults:
            if fault.kind == "short" and fault.hits(path):
                members = members[: max(0, len(members) - int(fault.value or 1))]
            elif fault.kind == "foreign_link" and fault.hits(path):
                members = [{"@odata.id": str(fault.value)}, *members[1:]]
        skip = int(query.get("$skip", ["0"])[0])
        size = self.bmc.page_size or len(members) or 1
        found["Members"] = members[skip : skip + size]
        expand = f"$expand={query['$expand'][0]}&" if query.get("$expand") else ""
        if skip + size < len(members):
            found["Members@odata.nextLink"] = f"{path}?{expand}$skip={skip + size}"
        if any(fault.kind == "loop" and fault.hits(path) for fault in self.bmc.faults):
            found["Members@odata.nextLink"] = f"{path}?{expand}$skip=0"
        return found

    def _post(self, path: str, request: Request) -> Answer:
        action = self._actions.get(path)
        if action is None:
            return error(405, "The method is not allowed here.")
        try:
            body = json.loads(request.body or b"{}")
        except ValueError:
            return error(400, "The request body is not JSON.")
        if not isinstance(body, dict):
            return error(400, "The request body is not an object.")
        return action(body)

    def _delete(self, path: str) -> Answer:
        parent, _slash, number = path.rpartition("/")
        if (parent == SESSIONS and self.bmc.log_out(number)) or (
            parent == SUBSCRIPTIONS and self.bmc.unsubscribe(number)
        ):
            return Answer(204)
        return error(405 if path in self.documents() else 404, "Nothing here can be deleted.")

    def _log_in(self, body: Doc) -> Answer:
        if not self.bmc.sessions_offered:
            return error(404, "There is no session service.")
        try:
            session = self.bmc.log_in(body.get("UserName"), body.get("Password"))
        except ModelError as exc:
            return error(503, str(exc))
        if session is None:
            return error(401, "The credentials are wrong.")
        number, token = session
        path = f"{SESSIONS}/{number}"
        answer = _json(build_sessions(self.bmc)[path], 201)
        answer.headers.update({"Location": path, "X-Auth-Token": token})
        return answer

    def _reset(self, body: Doc) -> Answer:
        try:
            self.bmc.reset(str(body.get("ResetType")))
        except ModelError as exc:
            return error(400, str(exc))
        return Answer(204)

    def _restart(self, body: Doc) -> Answer:
        if body.get("ResetType", "GracefulRestart") not in ("GracefulRestart", "ForceRestart"):
            return error(400, "The BMC cannot be reset like this.")
        self.bmc.restart_manager()
        return Answer(204)

    def _clear(self, _body: Doc) -> Answer:
        self.bmc.clear_log()
        return Answer(204)

    def _test_event(self, _body: Doc) -> Answer:
        self.bmc.add_event("OK", "This is a test event.", origin=CHASSIS)
        return Answer(204)

    def _subscribe(self, body: Doc) -> Answer:
        destination = body.get("Destination")
        if not isinstance(destination, str) or not re.match(r"https?://", destination):
            return error(400, "A subscription needs a destination.")
        number = self.bmc.subscribe(destination, str(body.get("Context", "")))
        path = f"{SUBSCRIPTIONS}/{number}"
        answer = _json(self.documents()[path], 201)
        answer.headers["Location"] = path
        return answer


def error(status: int, message: str) -> Answer:
    """An error in the form of the standard."""
    info = {"MessageId": "Base.1.18.GeneralError", "Message": message, "Severity": "Critical", "Resolution": "None."}
    return _json({"error": {"code": info["MessageId"], "message": message, "@Message.ExtendedInfo": [info]}}, status)


def event(bmc: Bmc, entry: Mapping[str, Any]) -> Doc:
    """What a subscriber is sent for an entry of the log."""
    return {
        "@odata.type": "#Event.v1_9_0.Event",
        "Id": str(entry["number"]),
        "Name": f"Event of {bmc.name}",
        "Events": [
            {
                "EventId": str(entry["number"]),
                "EventTimestamp": entry["created"],
                "MemberId": "0",
                "Message": entry["message"],
                "MessageId": "ResourceEvent.1.3.ResourceErrorsDetected",
                "Severity": entry["severity"],
                "OriginOfCondition": {"@odata.id": entry["origin"] or SYSTEM},
            }
        ],
    }


def _json(doc: Doc, status: int = 200) -> Answer:
    return _json_bytes(json.dumps(doc).encode(), status)


def _json_bytes(body: bytes, status: int = 200) -> Answer:
    return Answer(status, body, {"Content-Type": "application/json; charset=utf-8"})


def _metadata(kinds: list[str]) -> str:
    """The metadata document: where the schema of each type is, and where the service begins."""
    names = dict.fromkeys(kind.split(".")[0] for kind in kinds)
    references = "".join(
        f'<edmx:Reference Uri="http://redfish.dmtf.org/schemas/v1/{name}_v1.xml">'
        + "".join(
            f'<edmx:Include Namespace="{space}"/>'
            for space in dict.fromkeys(
                [name, *(kind.rpartition(".")[0] for kind in kinds if kind.startswith(f"{name}."))]
            )
        )
        + "</edmx:Reference>"
        for name in names
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<edmx:Edmx xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx" Version="4.0">'
        f"{references}<edmx:DataServices>"
        '<Schema xmlns="http://docs.oasis-open.org/odata/ns/edm" Namespace="Service">'
        '<EntityContainer Name="Service" Extends="ServiceRoot.v1_15_0.ServiceContainer"/>'
        "</Schema></edmx:DataServices></edmx:Edmx>"
    )


def _spoil(answer: Answer, fault: Fault) -> None:
    """Change a good answer into what the fault makes of it."""
    if fault.kind == "slow":
        answer.delay = float(fault.value)
    elif fault.kind == "drip":
        answer.drip = float(fault.value)
    elif fault.kind == "truncated":
        answer.body = answer.body[: len(answer.body) // 2]
    elif fault.kind == "not_utf8":
        answer.body = answer.body.replace(b'"SerialNumber": "', b'"SerialNumber": "\xff\xfe')
    elif fault.kind == "not_json":
        answer.body = b"<html>The BMC is updating itself.</html>"
    elif fault.kind == "huge":
        answer.body = b'{"x": "' + b"x" * int(fault.value) + b'"}'
