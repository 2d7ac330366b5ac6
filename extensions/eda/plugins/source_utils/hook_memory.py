# Remembers what was reported and is not over, and makes signals of reports.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pushed evidence comes twice, late and out of order, and what ends it names only its identity.

The memory is a small text that the ledger keeps in the same transaction as the signals.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import typing as t

from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils.hook_bodies import Report
from ansible_collections.aidc.ops.plugins.module_utils._cases.intake import PUSHED
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import Signal
from ansible_collections.aidc.ops.plugins.module_utils._faults import Recognition

MAX_REMEMBERED = 2000
"""More open reports than that are a storm; of the oldest the end will not be understood, and their cases wait."""


@dataclasses.dataclass(frozen=True)
class _Known:
    """The last that is known of one identity: what was reported of it last (*key* "" if nothing), or when it ended."""

    key: str
    node: str
    lane: str
    fault_class: str
    device: str
    over_at: float | None = None


class HookMemory:
    """What is open, by identity; the oldest first."""

    def __init__(self, known: t.Mapping[str, _Known] | None = None) -> None:
        self._known: dict[str, _Known] = dict(known or {})

    @classmethod
    def from_text(cls, text: str | None) -> HookMemory:
        """Return the memory of ``to_text``; an empty one when nothing is kept or it cannot be read."""
        try:
            entries = json.loads(text or "{}")
            return cls({identity: _Known(*values) for identity, values in entries.items()})
        except (ValueError, TypeError, AttributeError):
            return cls()

    def to_text(self) -> str:
        """Return the form that is kept."""
        return json.dumps({identity: dataclasses.astuple(known) for identity, known in self._known.items()})

    def copy(self) -> HookMemory:
        """Return a memory that may be changed without this one."""
        return HookMemory(self._known)

    def take(self, reports: t.Sequence[Report]) -> tuple[list[Signal], list[tuple[str, str]]]:
        """Return the signals that *reports* make, and refusals, and remember the reports."""
        signals, refused = [], []
        for report in reports:
            signal = self._over(report) if report.over else self._wrong(report)
            if signal is not None:
                signals.append(signal)
            elif not report.over:
                refused.append(("duplicate", f"{report.identity:.200}: reported after its end."))
        self._forget()
        return signals, refused

    def _wrong(self, report: Report) -> Signal | None:
        known, seen = self._known.get(report.identity), report.recognition
        if seen is None or report.node is None:
            return None
        if known is not None and known.over_at is not None and report.at <= known.over_at:
            # Delivered again, or overtaken by the report of its end.
            return None
        is_open = known is not None and known.over_at is None
        key = known.key if known is not None and is_open else _key(report)
        self._remember(report.identity, _Known(key, report.node, report.lane, seen.fault_class, seen.device))
        return Signal(
            lane=report.lane,
            node=report.node,
            boot=None,
            observed_at=report.at,
            dedup_key=key,
            text=report.text,
            recognition=seen,
        )

    def _over(self, report: Report) -> Signal | None:
        known = self._known.get(report.identity)
        if known is None:
            self._remember(report.identity, _Known("", report.node or "", report.lane, "", "", report.at))
            return None
        if known.over_at is not None:
            return None
        self._remember(report.identity, dataclasses.replace(known, over_at=report.at))
        return Signal(
            lane=known.lane,
            node=known.node,
            boot=None,
            observed_at=report.at,
            dedup_key=known.key,
            text=report.text,
            recognition=Recognition(known.fault_class, known.device),
            cleared=True,
        )

    def _remember(self, identity: str, known: _Known) -> None:
        # To the end: it is the youngest now.
        self._known.pop(identity, None)
        self._known[identity] = known

    def _forget(self) -> None:
        too_many = len(self._known) - MAX_REMEMBERED
        if too_many > 0:
            ended = [identity for identity, known in self._known.items() if known.over_at is not None]
            open_ones = [identity for identity, known in self._known.items() if known.over_at is None]
            for identity in [*ended, *open_ones][:too_many]:
                del self._known[identity]


def _key(report: Report) -> str:
    content = "\0".join((report.lane, report.identity, report.occurrence))
    return PUSHED + hashlib.sha256(content.encode("utf-8", "replace")).hexdigest()
