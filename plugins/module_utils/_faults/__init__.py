# The fault catalogue: what a kernel line or an alert means, and what each fault class asks for.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The classes that the collection ships are ``DEFAULT``; a site's own come with ``DEFAULT.with_overrides(...)``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._faults._table import ROWS
from ansible_collections.aidc.ops.plugins.module_utils._faults.bursts import BURST_SECONDS, FOLLOWERS, LineFault
from ansible_collections.aidc.ops.plugins.module_utils._faults.devices import device_of_pci
from ansible_collections.aidc.ops.plugins.module_utils._faults.lookup import Catalogue
from ansible_collections.aidc.ops.plugins.module_utils._faults.model import (
    ACTIONS,
    DOMAIN_SCOPES,
    NODE_SCOPES,
    REPAIRS,
    SEVERITIES,
    WHOLE_NODE,
    WORKFLOW_STEPS,
    Correlate,
    FaultClass,
    Recognition,
    Repeat,
    class_of_row,
)

__all__ = [
    "ACTIONS",
    "BURST_SECONDS",
    "CLASSES",
    "DEFAULT",
    "DOMAIN_SCOPES",
    "FOLLOWERS",
    "NODE_SCOPES",
    "REPAIRS",
    "SEVERITIES",
    "WHOLE_NODE",
    "WORKFLOW_STEPS",
    "Catalogue",
    "Correlate",
    "FaultClass",
    "LineFault",
    "Recognition",
    "Repeat",
    "device_of_pci",
    "recognise_alert",
    "recognise_line",
    "recognise_lines",
    "strength",
]

DEFAULT = Catalogue(class_of_row(row) for row in ROWS)
CLASSES = DEFAULT.classes


def recognise_line(line: str) -> Recognition | None:
    """See Catalogue.recognise_line; by the classes that the collection ships."""
    return DEFAULT.recognise_line(line)


def recognise_lines(
    lines: Sequence[str],
    times: Sequence[float] | None = None,
    burst_seconds: float = BURST_SECONDS,
    driver: int | None = None,
) -> list[LineFault]:
    """See Catalogue.recognise_lines; by the classes that the collection ships."""
    return DEFAULT.recognise_lines(lines, times, burst_seconds, driver)


def recognise_alert(labels: Mapping[str, Any]) -> Recognition | None:
    """See Catalogue.recognise_alert; by the classes that the collection ships."""
    return DEFAULT.recognise_alert(labels)


def strength(fault_class: str, action: str = "") -> tuple[int, ...]:
    """See Catalogue.strength; by the classes that the collection ships."""
    return DEFAULT.strength(fault_class, action)
