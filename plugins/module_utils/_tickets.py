# Tickets as data: opened, updated and closed by pure functions, with a history that only grows.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._errors import AidcOpsError

SCHEMA_VERSION = 1
# Longer histories lose their middle: who opened it and what came last says most.
MAX_HISTORY = 200


class TicketError(AidcOpsError):
    """What is asked of the ticket does not fit its state."""


def opened(
    found: Mapping[str, Any] | None, case_id: int, fields: Mapping[str, Any], now: float, note: str
) -> dict[str, Any]:
    """The ticket as it is after "open": a new one, the closed one again, or what is open with other fields."""
    if found is None:
        empty = {"schema_version": SCHEMA_VERSION, "case_id": case_id, "history": []}
        return _written({**empty, "opened_at": now, "closed_at": None}, "open", fields, now, "opened", note)
    if found["state"] == "closed":
        return _written({**found, "closed_at": None}, "open", fields, now, "reopened", note)
    return updated(found, case_id, fields, now, note)


def updated(
    found: Mapping[str, Any] | None, case_id: int, fields: Mapping[str, Any], now: float, note: str
) -> dict[str, Any]:
    """The open ticket with other fields; the very same where nothing differs and there is no new note."""
    if found is None or found["state"] == "closed":
        raise TicketError(f"case {case_id} has no open ticket; open one with state: open")
    differs = any(found.get(name) != value for name, value in fields.items())
    if not differs and note in ("", _last_note(found)):
        return dict(found)
    return _written(found, "open", fields, now, "updated", note)


def closed(found: Mapping[str, Any] | None, now: float, note: str) -> dict[str, Any] | None:
    """The ticket closed; None where there is none to close, the very same where it is closed already."""
    if found is None or found["state"] == "closed":
        return None if found is None else dict(found)
    return _written({**found, "closed_at": now}, "closed", {}, now, "closed", note)


def described(devices: Sequence[str], hardware: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each device with what identifies the part wherever it is moved to; null where the hardware record does not tell.

    A device that nobody saw any more is named all the same.
    """
    return [_described(name, hardware) for name in devices]


# Kind of device: the part of the hardware record, what names one there, and where model, serial and uuid are found.
_PARTS = {
    "gpu": ("gpus", "device", "model", "serial", "uuid"),
    "disk": ("disks", "name", "model", "serial", None),
    "nic": ("infiniband_ports", "device", "board_id", "node_guid", None),
    "psu": ("power_supplies", "name", "model", "serial", None),
}


def _described(name: str, hardware: Mapping[str, Any]) -> dict[str, Any]:
    kind, _colon, rest = name.partition(":")
    found: Mapping[str, Any] = {}
    keys: Sequence[str | None] = (None, None, None)
    if kind in _PARTS:
        part, key, *keys = _PARTS[kind]
        wanted = name if kind == "gpu" else rest
        found = next((one for one in hardware.get(part) or [] if one.get(key) == wanted), {})
    elif kind == "memory":
        dimms = (hardware.get("memory") or {}).get("dimms") or []
        found = next((one for one in dimms if one.get("slot") == rest), {})
        keys = ("part_number", "serial", None)
    values = [found.get(key) if key is not None else None for key in keys]
    return {"device": name, "model": values[0], "serial": values[1], "uuid": values[2]}


def _last_note(found: Mapping[str, Any]) -> str:
    history = found.get("history") or [{}]
    return str(history[-1].get("note", ""))


def _written(
    found: Mapping[str, Any], state: str, fields: Mapping[str, Any], now: float, what: str, note: str
) -> dict[str, Any]:
    ticket = {**copy.deepcopy(dict(found)), **fields, "state": state, "updated_at": now}
    history = [*ticket.get("history", []), {"at": now, "what": what, "note": note}]
    if len(history) > MAX_HISTORY:
        history = [*history[: MAX_HISTORY // 2], *history[-MAX_HISTORY // 2 :]]
    return {**ticket, "history": history}
