# Makes the tables of a report that join more than numbers: alerts that fire, and nodes that are out of service.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterable, Mapping

from ansible_collections.aidc.ops.plugins.plugin_utils._report import cases, panels, units
from ansible_collections.aidc.ops.plugins.plugin_utils._report.panels import Material, Panel, View

_SEVERITIES = ("critical", "high", "medium", "low", "none")
_TONES = {"critical": "bad", "high": "warn"}
# What stands in a column of its own, or says nothing to a person.
_HIDDEN = {"__name__", "alertname", "alertstate", "severity", "fault_class", "instance", "job", "rack", "leaf", "UUID"}
_WEB = re.compile(r"https?://[^\s\"'<>\\]+", re.ASCII)


def alerts(panel: Panel, material: Material) -> View | None:
    """Every alert that fires, the worst first; what Prometheus' list of alerts adds to it stands there too."""
    firing = material.now(panel)
    if not firing and not material.now(panel, "basis"):
        return None
    since = {_identity(series.labels): series.value for series in material.now(panel, "since")}
    texts = {_identity(alert["labels"]): alert.get("annotations") or {} for alert in material.alerts}
    rows = []
    for series in sorted(firing, key=lambda found: _rank(found.labels)):
        labels, identity = series.labels, _identity(series.labels)
        severity = labels.get("severity", "")
        began = since.get(identity)
        rows.append(
            [
                panels.words(severity or units.NOTHING, _TONES.get(severity, "")),
                panels.words(labels.get("instance") or units.NOTHING),
                panels.words(labels.get("alertname", "")),
                panels.words(texts.get(identity, {}).get("summary") or _told(labels)),
                panels.cell(None if began is None else material.end - began, "seconds"),
                _runbook(texts.get(identity, {}).get("runbook_url"), labels.get("fault_class", "")),
            ]
        )
    head = ("Severity", "Node", "Alert", "What", "For", "Runbook")
    return panels.table(head, rows, "No alert fires.")


def out_of_service(panel: Panel, material: Material) -> View | None:
    """Nodes that do not answer or that the scheduler does not use, with the case or alert that says why."""
    if not material.now(panel, "basis"):
        return None
    what: dict[str, list[str]] = {}
    for series in material.now(panel, "silent"):
        what.setdefault(series.labels.get("instance", ""), []).append("does not answer")
    for query in ("states", "cordoned"):
        for series in material.now(panel, query):
            what.setdefault(series.labels.get("node", ""), []).append(series.labels.get("state", "cordoned"))
    firing: dict[str, set[str]] = {}
    for series in material.now(panel, "alerts"):
        firing.setdefault(series.labels.get("instance", ""), set()).add(series.labels.get("alertname", ""))
    open_cases = cases.open_by_node(material)
    rows = [
        [
            panels.words(node, "warn"),
            panels.words(", ".join(sorted(set(states)))),
            panels.words(
                "; ".join([*open_cases.get(node, []), *_because(firing.get(node))]) or "nothing is known here"
            ),
        ]
        for node, states in sorted(what.items(), key=lambda pair: panels.natural(pair[0]))
    ]
    return panels.table(("Node", "State", "Why"), rows, "No node is out of service.")


def _because(names: Iterable[str] | None) -> list[str]:
    return [f"alerts {', '.join(sorted(names))}"] if names else []


def _identity(labels: Mapping[str, t.Any]) -> frozenset[tuple[str, str]]:
    return frozenset((name, str(text)) for name, text in labels.items() if name not in ("__name__", "alertstate"))


def _rank(labels: Mapping[str, str]) -> tuple[t.Any, ...]:
    severity = labels.get("severity", "")
    place = _SEVERITIES.index(severity) if severity in _SEVERITIES else len(_SEVERITIES)
    return place, panels.natural(labels.get("instance", "")), labels.get("alertname", ""), sorted(labels.items())


def _told(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {text}" for name, text in sorted(labels.items()) if name not in _HIDDEN)


def _runbook(address: t.Any, fault_class: str) -> View:
    """A link only to the web: an address may come from a rule that is not ours, and a script is an address too."""
    shown = panels.words(fault_class or "runbook")
    if isinstance(address, str) and _WEB.fullmatch(address):
        return {**shown, "link": address}
    return panels.words(address or fault_class or units.NOTHING)
