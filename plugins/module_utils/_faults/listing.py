# Faults as plain lists, for people and playbooks: from log lines, and from what Alertmanager sends.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._faults import BURST_SECONDS, DEFAULT, Catalogue, Recognition

_VERSION = re.compile(r"(?P<branch>[0-9]{2,4})(?:\.[0-9]{1,4}){0,3}")

# What a class without a ladder asks for, by the step of its workflow that says most.
_WITHOUT_REPAIR = (("ticket", "support"), ("validate", "validate"), ("notify", "notify"))


def kernel_faults(
    lines: Any,
    overrides: Any = None,
    driver_version: Any = None,
    times: Any = None,
    burst_seconds: Any = BURST_SECONDS,
) -> list[dict[str, Any]]:
    """The faults in a list of log lines, the worst of each burst first (see Catalogue.recognise_lines).

    TypeError or ValueError for input of another kind, CatalogueError (naming the key) for wrong overrides.
    """
    texts = _texts("the input", lines)
    numbers = None
    if times is not None:
        if not isinstance(times, (list, tuple)) or not all(_is_number(item) for item in times):
            raise TypeError("times has to be a list of numbers (seconds)")
        if len(times) != len(texts):
            raise ValueError(f"times has {len(times)} items for {len(texts)} lines")
        numbers = [float(item) for item in times]
    if not _is_number(burst_seconds) or burst_seconds < 0:
        raise ValueError("burst_seconds has to be a number from 0")
    catalogue = _catalogue(overrides)
    found = catalogue.recognise_lines(texts, numbers, float(burst_seconds), _branch(driver_version))
    return [
        {
            **_common(catalogue, fault.recognition),
            "leader": fault.recognition.leader,
            "line": fault.line,
            "count": fault.count,
        }
        for fault in found
    ]


def alert_faults(body: Any, overrides: Any = None) -> list[dict[str, Any]]:
    """The faults that firing alerts name: the body of a webhook of Alertmanager, or the list of its API.

    Alerts without the label fault_class, of classes that no alert may name, or with a device that cannot be understood
    are left out. TypeError for input of another kind, CatalogueError for wrong overrides.
    """
    alerts = body.get("alerts") if isinstance(body, Mapping) else body
    if not isinstance(alerts, (list, tuple)):
        raise TypeError("the input has to be a list of alerts, or a mapping with the key alerts")
    catalogue = _catalogue(overrides)
    faults = []
    for at, alert in enumerate(alerts):
        labels = alert.get("labels") if isinstance(alert, Mapping) else None
        if not isinstance(alert, Mapping) or not isinstance(labels, Mapping):
            raise TypeError(f"alert {at} has to be a mapping with the key labels")
        seen = catalogue.recognise_alert(labels) if _fires(alert) else None
        if seen is not None:
            faults.append(
                {
                    **_common(catalogue, seen),
                    "node": str(labels.get("instance") or ""),
                    "starts_at": str(alert.get("startsAt") or ""),
                    "fingerprint": str(alert.get("fingerprint") or ""),
                }
            )
    return faults


def _fires(alert: Mapping[str, Any]) -> bool:
    """A webhook says firing or resolved; the API active, suppressed (silenced or inhibited) or unprocessed."""
    status = alert.get("status", "firing")
    if isinstance(status, Mapping):
        status = status.get("state", "active")
    return status in ("firing", "active")


def _common(catalogue: Catalogue, seen: Recognition) -> dict[str, Any]:
    row = catalogue.classes[seen.fault_class]
    if seen.action:
        action = seen.action
    elif row.repairs:
        action = row.repairs[0]
    else:
        action = next((name for step, name in _WITHOUT_REPAIR if step in row.workflow), "none")
    return {
        "class": row.name,
        "title": row.title,
        "code": seen.code,
        "device": seen.device,
        "location": seen.location,
        "severity": "low" if action == "none" else row.severity,
        "action": action,
    }


def _catalogue(overrides: Any) -> Catalogue:
    return DEFAULT.with_overrides(overrides) if overrides else DEFAULT


def _branch(version: Any) -> int | None:
    """The branch of a driver's version: 570 of "570.158.01"."""
    if version is None or version == "":
        return None
    found = _VERSION.fullmatch(str(version))
    if found is None or isinstance(version, bool):
        raise ValueError(f"driver_version {version!r:.60} is no version such as 570.158.01")
    return int(found.group("branch"))


def _texts(what: str, value: Any) -> Sequence[str]:
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"{what} has to be a list of lines, not {type(value).__name__}")
    for at, item in enumerate(value):
        if not isinstance(item, str):
            raise TypeError(f"line {at} has to be a text, not {type(item).__name__}")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
