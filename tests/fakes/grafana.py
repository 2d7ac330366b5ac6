# A Grafana stand-in for tests: the calls of its HTTP API for users and teams, with TLS on a free loopback port.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import http.server
import json
import ssl
import threading
import typing as t
import urllib.parse

ADMIN = 1
Answer = tuple[int, t.Any]


class FakeGrafana:
    """``users`` by their number, ``teams`` by name with the numbers of their members, and ``changes`` in their order.

    Answers as Grafana does where the modules of community.grafana ask: users are found by login or address whatever
    the letters' size, an address belongs to one user, and who creates a team is its first member. ``asked`` counts the
    questions; after ``patience`` of them the administrator's ``password`` counts no more. ``shortest`` is the length of
    the shortest password of a user.
    """

    def __init__(self, tls: ssl.SSLContext, password: str) -> None:
        self.password, self.shortest = password, 4
        self.asked, self.patience = 0, 1000
        self.users: dict[int, dict[str, t.Any]] = {}
        self.teams: dict[str, dict[str, t.Any]] = {}
        self.changes: list[str] = []
        self.add("admin", "admin@localhost", "Admin", admin=True)
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        # A client that does not trust the certificate goes away in the middle of the greeting.
        self._server.handle_error = lambda *_args: None  # type: ignore[method-assign]
        self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def __enter__(self) -> FakeGrafana:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def add(self, login: str, email: str, role: str = "Viewer", admin: bool = False, password: str = "") -> int:
        number = len(self.users) + 1
        self.users[number] = {
            "id": number,
            "login": login,
            "email": email,
            "name": login,
            "role": role,
            "isGrafanaAdmin": admin,
            "password": password,
        }
        return number

    def user(self, name: str) -> dict[str, t.Any] | None:
        """The user of a login, else of an address."""
        for field in ("login", "email"):
            for user in self.users.values():
                if user[field].lower() == name.lower():
                    return user
        return None

    def members(self, team: str) -> list[str]:
        """Logins of the members of a team."""
        return [self.users[number]["login"] for number in self.teams[team]["members"]]

    def answer(self, method: str, path: str, query: dict[str, str], body: dict[str, t.Any]) -> Answer:
        parts = path.removeprefix("/api/").split("/")
        if path == "/api/user/using/1":
            return 200, {"message": "Active organization changed"}
        if parts[:2] == ["orgs", "1"]:
            return self._organization(method, parts[3:], body)
        if parts[0] == "teams":
            return self._teams(method, parts[1:], query, body)
        return self._users(method, parts, query, body)

    def _users(self, method: str, parts: list[str], query: dict[str, str], body: dict[str, t.Any]) -> Answer:
        if (method, parts) == ("GET", ["users"]):
            return 200, [_listed(user) for user in self.users.values()][: int(query.get("perpage", 1000))]
        if (method, parts) == ("GET", ["users", "lookup"]):
            user = self.user(query["loginOrEmail"])
            return (200, _profile(user)) if user else (404, {"message": "user not found"})
        if (method, parts) == ("POST", ["admin", "users"]):
            if len(body["password"]) < self.shortest:
                return 400, {"message": "Password is missing or too short"}
            if self._conflict(0, body):
                told = f"User with email '{body['email']}' or username '{body['login']}' already exists"
                return 412, {"message": told}
            number = self.add(body["login"].lower(), body["email"].lower(), password=body["password"])
            self.users[number]["name"] = body["name"]
            return self._changed(f"create {body['login']}", {"id": number, "message": "User created"})
        user = self.users[int(parts[-1] if parts[0] == "users" else parts[2])]
        if parts[0] == "users" and method == "PUT":
            if self._conflict(user["id"], body):
                return 409, {"message": "User with email or username already exists"}
            user.update(login=body["login"].lower(), email=body["email"].lower(), name=body["name"])
            return self._changed(f"update {user['login']}", {"message": "User updated"})
        if parts[-1] == "permissions" and method == "PUT":
            user["isGrafanaAdmin"] = body["isGrafanaAdmin"]
            return self._changed(f"permit {user['login']}", {"message": "User permissions updated"})
        return 404, {"message": "Not found"}

    def _organization(self, method: str, parts: list[str], body: dict[str, t.Any]) -> Answer:
        if method == "GET":
            return 200, [{"orgId": 1, "userId": user["id"], **_listed(user)} for user in self.users.values()]
        if method == "POST":
            # Whoever is created here is in the organization at once.
            if self.user(body["loginOrEmail"]):
                return 409, {"message": "User is already member of this organization"}
            return 404, {"message": "User not found"}
        user = self.users[int(parts[0])]
        user["role"] = body["role"]
        return self._changed(f"{body['role']} {user['login']}", {"message": "Organization user updated"})

    def _teams(self, method: str, parts: list[str], query: dict[str, str], body: dict[str, t.Any]) -> Answer:
        if parts == ["search"]:
            found = [_team(team) for name, team in self.teams.items() if name == query["name"]]
            return 200, {"totalCount": len(found), "teams": found, "page": 1, "perPage": 1000}
        if not parts:
            if body["name"] in self.teams:
                return 409, {"message": "Team name taken"}
            number = len(self.teams) + 1
            self.teams[body["name"]] = {"id": number, "name": body["name"], "email": body["email"], "members": [ADMIN]}
            return self._changed(f"team {body['name']}", {"message": "Team created", "teamId": number})
        (team,) = [team for team in self.teams.values() if team["id"] == int(parts[0])]
        if method == "GET":
            return 200, [{"teamId": team["id"], **_listed(self.users[number])} for number in team["members"]]
        number = int(parts[2] if method == "DELETE" else body["userId"])
        login = self.users[number]["login"]
        if method == "DELETE":
            team["members"].remove(number)
            return self._changed(f"remove {login} from {team['name']}", {"message": "Team Member removed"})
        if number in team["members"]:
            return 400, {"message": "User is already added to this team"}
        team["members"].append(number)
        return self._changed(f"add {login} to {team['name']}", {"message": "Member added to Team"})

    def _conflict(self, number: int, body: dict[str, t.Any]) -> bool:
        return any(
            user["id"] != number and user[field].lower() == body[field].lower()
            for user in self.users.values()
            for field in ("login", "email")
        )

    def _changed(self, what: str, body: dict[str, t.Any]) -> Answer:
        self.changes.append(what)
        return 200, body


def _listed(user: dict[str, t.Any]) -> dict[str, t.Any]:
    return {name: user[name] for name in ("id", "login", "email", "name", "role")} | {"isAdmin": user["isGrafanaAdmin"]}


def _profile(user: dict[str, t.Any]) -> dict[str, t.Any]:
    return {name: user[name] for name in ("id", "login", "email", "name", "isGrafanaAdmin")} | {"orgId": 1, "theme": ""}


def _team(team: dict[str, t.Any]) -> dict[str, t.Any]:
    return {**team, "orgId": 1, "memberCount": len(team["members"])}


def _handler(fake: FakeGrafana) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def _serve(self) -> None:
            path, _separator, query = self.path.partition("?")
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            fake.asked += 1
            wanted = base64.b64encode(f"admin:{fake.password}".encode()).decode()
            if self.headers.get("Authorization") != f"Basic {wanted}" or fake.asked > fake.patience:
                status, answer = 401, {"message": "Invalid username or password", "messageId": "password-auth.failed"}
            else:
                status, answer = fake.answer(self.command, path, dict(urllib.parse.parse_qsl(query)), body)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=UTF-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

        def log_message(self, *_args: t.Any) -> None:
            pass

    return Handler
