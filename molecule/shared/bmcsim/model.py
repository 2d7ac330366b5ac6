# The state of one simulated BMC and what changes it.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing here knows of HTTP. Whoever changes a BMC calls touch(), so that its documents are built anew."""

from __future__ import annotations

import base64
import binascii
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

RESETS = {
    "On": ("On",),
    "ForceOff": ("Off",),
    "GracefulShutdown": ("Off",),
    "GracefulRestart": ("Off", "On"),
    "ForceRestart": ("Off", "On"),
    "PowerCycle": ("Off", "On"),
    "Nmi": (),
}
STYLES = ("old", "new", "both", "sensors")
FAULTS = (
    "dead",
    "slow",
    "drip",
    "status",
    "truncated",
    "not_utf8",
    "not_json",
    "huge",
    "short",
    "loop",
    "redirect",
    "foreign_link",
)


class ModelError(Exception):
    """What was asked of the simulator makes no sense; the message says why."""


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong for the paths that the expression finds.

    dead: no answer ever. slow: after *value* seconds. drip: one byte each *value* seconds. status: HTTP status *value*.
    truncated, not_utf8, not_json, huge: a broken body. short: a collection lacks *value* of the members it announces.
    loop: pages without an end. redirect, foreign_link: to the address *value*.
    """

    kind: str
    path: str = ""
    value: Any = None

    def __post_init__(self) -> None:
        if self.kind not in FAULTS:
            raise ModelError(f"no fault is called {self.kind!r}; known: {', '.join(FAULTS)}")

    def hits(self, path: str) -> bool:
        return re.search(self.path, path) is not None


@dataclass
class Bmc:
    """One BMC and its server."""

    name: str
    serial: str = "SN0001"
    manufacturer: str = "Example Systems"
    product: str = "GPU Server 8"
    username: str = "admin"
    password: str = "secret"
    cpus: int = 2
    gpus: int = 8
    gpu_model: str = "NVIDIA H100 80GB HBM3"
    gpu_memory_mib: int = 81559
    supplies: int = 2
    fans: int = 4
    memory_gib: int = 2048
    firmware: str = "24.10.17"
    address: str = "192.0.2.10"
    mac: str = "02:00:00:00:00:01"
    style: str = "both"
    """Which resources describe power and cooling: old (Power, Thermal), new (subsystems), both, or only sensors."""
    sessions_offered: bool = True
    expands: bool = True
    page_size: int = 0
    max_sessions: int = 8
    power_seconds: float = 0.0
    """How long switching the server on or off takes."""
    restart_seconds: float = 0.2
    """How long the BMC is away after its own reset."""

    faults: list[Fault] = field(default_factory=list)
    logs: list[dict[str, Any]] = field(default_factory=list)
    sessions: dict[str, str] = field(default_factory=dict)
    subscriptions: dict[str, dict[str, Any]] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)
    """Ids of devices whose place is empty, such as PSU2."""
    health: dict[str, str] = field(default_factory=dict)
    """Id of a device to Warning or Critical."""
    requests: int = 0
    failed_logins: int = 0
    most_sessions: int = 0
    version: int = 0
    away_until: float = 0.0
    on_event: Callable[[Bmc, Mapping[str, Any]], None] | None = None
    on_reset: Callable[[Bmc, str], None] | None = None
    """Told of every reset and its kind, so that a lab can do it to a container. Must not block."""
    _power: list[tuple[float, str]] = field(default_factory=lambda: [(0.0, "On")])

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Bmc:
        """A BMC from a JSON object; ModelError for a key that is none."""
        known = {item.name for item in fields(cls) if not item.name.startswith("_")}
        unknown = sorted(set(settings) - known)
        if unknown:
            raise ModelError(f"a BMC has no {', '.join(unknown)}")
        values = dict(settings)
        values["faults"] = [Fault(**fault) for fault in values.get("faults", [])]
        values["absent"] = set(values.get("absent", []))
        return cls(**values)

    @property
    def power_state(self) -> str:
        now = time.monotonic()
        return next(state for at, state in reversed(self._power) if at <= now)

    def touch(self) -> None:
        self.version += 1

    def reset(self, kind: str) -> None:
        """Switch the server; ModelError for a kind of reset that there is not."""
        if kind not in RESETS:
            raise ModelError(f"no reset is called {kind!r}")
        at = time.monotonic()
        self._power = [(0.0, self.power_state)]
        for state in RESETS[kind]:
            if self.power_seconds:
                self._power.append((at, f"Powering{state}"))
            at += self.power_seconds
            self._power.append((at, state))
        self.add_event("OK", f"The server was reset: {kind}.", sensor_type="System Event")
        if self.on_reset is not None:
            self.on_reset(self, kind)

    def restart_manager(self) -> None:
        """Restart the BMC itself: it is away for a moment and forgets its sessions."""
        self.away_until = time.monotonic() + self.restart_seconds
        self.sessions.clear()
        self.add_event("OK", "The BMC was restarted.", sensor_type="Management Subsystem Health")

    def away(self) -> bool:
        return time.monotonic() < self.away_until

    def add_event(
        self,
        severity: str,
        message: str,
        sensor_type: str | None = None,
        origin: str | None = None,
        created: str | None = None,
    ) -> dict[str, Any]:
        """Append an entry to the event log, and tell the subscribers."""
        entry: dict[str, Any] = {
            "number": self.logs[-1]["number"] + 1 if self.logs else 1,
            "severity": severity,
            "message": message,
            "sensor_type": sensor_type,
            "origin": origin,
            "created": created or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        self.logs.append(entry)
        self.touch()
        if self.on_event is not None:
            self.on_event(self, entry)
        return entry

    def clear_log(self) -> None:
        self.logs.clear()
        self.touch()

    # Sessions.

    def log_in(self, username: Any, password: Any) -> tuple[str, str] | None:
        """Id and token of a new session; None for wrong credentials. ModelError if all sessions are in use."""
        if not self.knows(username, password):
            return None
        if len(self.sessions) >= self.max_sessions:
            raise ModelError("all sessions are in use")
        number, token = secrets.token_hex(4), secrets.token_hex(16)
        self.sessions[number] = token
        self.most_sessions = max(self.most_sessions, len(self.sessions))
        return number, token

    def knows(self, username: Any, password: Any) -> bool:
        """Whether the credentials are right; counts those that are wrong."""
        if username == self.username and password == self.password:
            return True
        self.failed_logins += 1
        return False

    def lets_in(self, token: str | None, authorization: str | None) -> bool:
        """Whether a request with these headers may read."""
        if token is not None:
            return token in self.sessions.values()
        kind, _space, code = (authorization or "").partition(" ")
        if kind.lower() != "basic":
            return False
        try:
            username, _colon, password = base64.b64decode(code).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        return self.knows(username, password)

    def log_out(self, number: str) -> bool:
        return self.sessions.pop(number, None) is not None

    # Subscriptions.

    def subscribe(self, destination: str, context: str) -> str:
        number = str(max((int(key) for key in self.subscriptions), default=0) + 1)
        self.subscriptions[number] = {"destination": destination, "context": context}
        self.touch()
        return number

    def unsubscribe(self, number: str) -> bool:
        self.touch()
        return self.subscriptions.pop(number, None) is not None
