# Many lines of one fault: which says what is wrong, and which only follow.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from ansible_collections.aidc.ops.plugins.module_utils._faults.devices import pci_device
from ansible_collections.aidc.ops.plugins.module_utils._faults.heads import heads
from ansible_collections.aidc.ops.plugins.module_utils._faults.model import WHOLE_NODE, Recognition

# One fault keeps a driver talking for that long.
BURST_SECONDS = 180.0
# XIDs that NVIDIA calls sympathetic: with another one at the same GPU they only follow it.
FOLLOWERS = frozenset((45, 63, 64, 94, 95))
# Cleaning up after another fault, however light that one is.
_CLEANUP = 45
_FELL_OFF_BUS = "gpu_fell_off_bus"
# The driver names a GPU that is gone in one line, and says two lines later what happened to it.
_NAMED = re.compile(
    r"NVRM: (?:The )?NVIDIA GPU (?:PCI:)?(?P<domain>[0-9a-fA-F]{4,8}):(?P<bus>[0-9a-fA-F]{2}):(?P<slot>[0-9a-fA-F]{2})"
)
_LINES_APART = 2


@dataclass(frozen=True)
class LineFault:
    """``line``: the first that said it, ``at``: its number in the input, ``count``: how many lines said the same."""

    recognition: Recognition
    line: str
    at: int
    count: int


def collapse(
    lines: Sequence[str],
    times: Sequence[float] | None,
    burst_seconds: float,
    recognise: Callable[[str], Recognition | None],
    strength: Callable[[str, str], tuple[int, ...]],
) -> list[LineFault]:
    """See Catalogue.recognise_lines."""
    bursts: dict[tuple[str, int], list[LineFault]] = {}
    ends: dict[str, tuple[int, float]] = {}
    for at, line, seen in _recognised(lines, recognise):
        when = times[at] if times is not None else 0.0
        number, last = ends.get(seen.device, (0, when))
        if abs(when - last) > burst_seconds:
            number += 1
        ends[seen.device] = (number, when)
        burst = bursts.setdefault((seen.device, number), [])
        for place, known in enumerate(burst):
            if known.recognition == seen:
                burst[place] = replace(known, count=known.count + 1)
                break
        else:
            burst.append(LineFault(seen, line, at, 1))
    return [fault for burst in bursts.values() for fault in _ranked(burst, strength)]


def _recognised(
    lines: Sequence[str], recognise: Callable[[str], Recognition | None]
) -> Iterable[tuple[int, str, Recognition]]:
    named: tuple[int, str] | None = None
    for at, line in enumerate(lines):
        found = next((found for found in (_NAMED.match(line[:512], head) for head in heads(line[:512])) if found), None)
        if found:
            named = (at, pci_device("gpu", found))
        seen = recognise(line)
        if seen is None:
            continue
        if seen.fault_class == _FELL_OFF_BUS and seen.device == WHOLE_NODE and named and at - named[0] <= _LINES_APART:
            seen = replace(seen, device=named[1])
        yield at, line, seen


def _ranked(burst: list[LineFault], strength: Callable[[str, str], tuple[int, ...]]) -> list[LineFault]:
    """The worst first; whoever follows another that is no weaker gets its code as leader, so that nothing worse is
    hidden behind one."""

    def rank(fault: LineFault) -> tuple[int, ...]:
        return strength(fault.recognition.fault_class, fault.recognition.action)

    def leads(fault: LineFault) -> bool:
        return fault.recognition.code is not None and fault.recognition.code not in FOLLOWERS

    ordered = sorted(burst, key=lambda fault: (rank(fault), leads(fault), -fault.at), reverse=True)
    result = []
    for fault in ordered:
        seen = fault.recognition
        if seen.code in FOLLOWERS and seen.leader is None:
            others = [other for other in ordered if other.recognition.code not in (None, seen.code)]
            leader = next((other for other in others if leads(other) and rank(other) >= rank(fault)), None)
            if leader is None and seen.code == _CLEANUP:
                leader = next(iter(others), None)
            # Among followers alone the worst of them leads.
            if leader is None and others and not any(map(leads, others)) and others[0] is ordered[0]:
                leader = others[0]
            if leader is not None:
                fault = replace(fault, recognition=replace(seen, leader=leader.recognition.code))
        result.append(fault)
    return result
