# Reads the event logs of a BMC from Redfish LogEntry resources.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from .redfish_values import Doc, clean, identity, known, link, mapping, severity, utc_time

MAX_MESSAGE = 4096

# Logs of the BMC's own life (logins, changes of settings, debugging); what happened to the hardware is in the others.
_OTHER_LOGS = (
    "audit",
    "lclog",
    "iel",
    "journal",
    "postcode",
    "crashdump",
    "dump",
    "hostlogger",
    "faultlog",
    "diagnosticlog",
)


def wanted(service: Doc) -> bool:
    """Tell whether a log service holds events of the hardware."""
    name = (identity(service) or "").lower()
    return service.get("ServiceEnabled") is not False and not any(name.startswith(other) for other in _OTHER_LOGS)


def parse_events(log: str | None, entries: t.Sequence[Doc]) -> list[dict[str, t.Any]]:
    """Return the entries of one log, oldest first; entries without a time keep their place before the others."""
    events = [_event(log, entry) for entry in entries]
    return sorted(events, key=lambda event: event["time"] or "")


def newest(events: t.Sequence[dict[str, t.Any]], limit: int) -> list[dict[str, t.Any]]:
    """Return the newest C(limit) events of all logs, oldest first."""
    ordered = sorted(events, key=lambda event: event["time"] or "")
    return ordered[len(ordered) - limit :] if len(ordered) > limit else ordered


def _event(log: str | None, entry: Doc) -> dict[str, t.Any]:
    number = identity(entry)
    return {
        # Ids are only unique within one log.
        "id": number if log is None else f"{log}/{number}",
        "time": utc_time(entry.get("EventTimestamp")) or utc_time(entry.get("Created")),
        "severity": severity(entry.get("Severity")),
        "message": clean(entry.get("Message"), MAX_MESSAGE) or known(entry.get("MessageId")),
        "sensor": _sensor(entry),
    }


def _sensor(entry: Doc) -> str | None:
    """Return what the entry is about: the resource that it names, else the kind of sensor."""
    origin = link(mapping(entry.get("Links")).get("OriginOfCondition")) or link(entry.get("OriginOfCondition"))
    if origin:
        return origin.rstrip("/").rpartition("/")[2]
    return known(entry.get("SensorType"))
