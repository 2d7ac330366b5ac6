# How many nodes to leave free in each rack, from how often nodes failed and how long they were away.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes fail now and then, independent of each other, and are away for some time. Then the number that is away at a
moment follows the Poisson distribution with the mean m = g * rate * time away, whatever the distribution of the time
away is: Palm's theorem, on which the reckoning of spare parts rests (C. Palm 1938; C. C. Sherbrooke, METRIC: a
multi-echelon technique for recoverable item control, Operations Research 16, 1968). The reserve is the smallest s with
P(more than s are away) <= 1 - confidence, for the largest group g of like nodes in a rack.

The rate is (failures + 1/2) / (nodes * days): a history without a failure is no proof that none will come. The half is
what follows from Jeffreys' prior for the rate of a Poisson process.

Not in it: what fails together (a rack's power, a switch). That is what spreading over racks is for.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.errors import SourceError, finite
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.remarks import Remarks

CONFIDENCE = 0.95
_DAY = 86400.0
# Cases in which nobody took the node out.
_HARMLESS = frozenset({"observed", "cancelled"})


@dataclass(frozen=True)
class History:
    """``failures`` in ``days``, after which a node was away for ``away_days`` on average."""

    failures: int
    days: float
    away_days: float
    confidence: float = CONFIDENCE


def read_history(data: Mapping[str, Any], now: float) -> History:
    """Of C({"days", "cases" or "failures" and "repair_hours", "confidence"}). SourceError for what is missing.

    ``cases`` are those of the module case_info; open ones count as away until ``now``.
    """
    days = finite(data.get("days"), "failures.days", 0.01)
    confidence = finite(CONFIDENCE if data.get("confidence") is None else data["confidence"], "failures.confidence")
    if not 0 < confidence < 1:
        raise SourceError(f"failures.confidence has to be above 0 and below 1, not {confidence:g}")
    cases = data.get("cases")
    if cases is not None:
        count, away = _of_cases(cases, now - days * _DAY, now)
        return History(count, days, away, confidence)
    if data.get("failures") is None or data.get("repair_hours") is None:
        raise SourceError("failures: needs cases, or failures (how many) and repair_hours (how long on average)")
    count = int(finite(data["failures"], "failures.failures"))
    return History(count, days, finite(data["repair_hours"], "failures.repair_hours") / 24, confidence)


def _of_cases(cases: Any, begin: float, now: float) -> tuple[int, float]:
    if not isinstance(cases, list):
        raise SourceError("failures.cases has to be a list of cases, as the module case_info returns them")
    away = []
    for number, case in enumerate(cases):
        if not isinstance(case, dict) or "opened_at" not in case:
            raise SourceError(f"failures.cases[{number}] is no case: it has no opened_at")
        opened = finite(case["opened_at"], f"failures.cases[{number}].opened_at")
        closed = case.get("closed_at")
        closed = now if closed is None else finite(closed, f"failures.cases[{number}].closed_at")
        if begin <= opened <= now and case.get("state") not in _HARMLESS:
            away.append(max(0.0, closed - opened) / _DAY)
    return len(away), statistics.fmean(away) if away else 0.0


def reserve_per_rack(nodes: Iterable[Mapping[str, Any]], history: History, remarks: Remarks) -> int:
    """How many nodes of each kind to leave free in each rack. Says how it came about."""
    rows = [row for row in nodes if row.get("in_service", True)]
    keys = ("rack", "cpu_milli", "memory_mib", "network_mbit", "gpus", "gpu_model", "gpu_memory_mib")
    groups = Counter(tuple(row.get(key) for key in keys) for row in rows)
    if not rows:
        return 0
    largest = max(groups.values())
    rate = (history.failures + 0.5) / (len(rows) * history.days)
    mean = largest * rate * history.away_days
    spare = min(poisson_quantile(mean, history.confidence), largest)
    remarks.say(
        f"{history.failures} failures of {len(rows)} nodes in {history.days:g} days, each away for"
        f" {history.away_days * 24:.3g} hours: of {largest} like nodes in a rack {mean:.3g} are away on average, and no"
        f" more than {spare} with a confidence of {history.confidence:g}. So many are left free in each rack."
    )
    small = sum(1 for size in groups.values() if size <= spare)
    if spare and small:
        remarks.say(f"In {small} racks this leaves all nodes of a kind free, since there are no more of them.")
    return spare


def poisson_quantile(mean: float, share: float) -> int:
    """The smallest number that a Poisson variable of this mean does not exceed with this probability."""
    if mean > 500:
        # The sum would underflow; this far out the normal distribution is as good.
        return math.ceil(statistics.NormalDist(mean, math.sqrt(mean)).inv_cdf(share))
    term = total = math.exp(-mean)
    number = 0
    while total < share and number < 2000:
        number += 1
        term *= mean / number
        total += term
    return number
