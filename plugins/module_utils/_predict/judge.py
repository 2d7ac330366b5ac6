# What alarms are worth: how many were right, how many failures they told, and how early; pure.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An alarm begins when a device is flagged and stays open for the horizon, as a case of planned work does; a device
that is still flagged then begins another. It is right when the device fails before the horizon ends, and wrong when it
lives longer. Where the watch ended before, nobody knows, and it counts as neither.
"""

from __future__ import annotations

import math
import statistics
import typing as t
from dataclasses import asdict, dataclass

from .series import DAY, Device

YEAR = 365.25 * DAY


@dataclass(frozen=True)
class Outcome:
    """What one way of raising alarms made of a stretch of time. Leads are in days."""

    right: int
    wrong: int
    open: int
    failures: int
    device_years: float
    leads: tuple[float, ...]

    @property
    def precision(self) -> float | None:
        decided = self.right + self.wrong
        return self.right / decided if decided else None

    @property
    def precision_at_least(self) -> float:
        """The lower end of the interval that holds its true precision in 95 of 100 cases (Wilson's score interval)."""
        decided = self.right + self.wrong
        if not decided:
            return 0.0
        share, z = self.right / decided, 1.96
        middle = share + z * z / (2 * decided)
        spread = z * math.sqrt(share * (1 - share) / decided + z * z / (4 * decided * decided))
        return (middle - spread) / (1 + z * z / decided)

    @property
    def recall(self) -> float | None:
        return self.right / self.failures if self.failures else None

    @property
    def lead_days(self) -> float | None:
        """The median lead of the alarms that were right."""
        return statistics.median(self.leads) if self.leads else None

    @property
    def alarms_per_device_year(self) -> float | None:
        alarms = self.right + self.wrong + self.open
        return alarms / self.device_years if self.device_years else None

    def as_dict(self) -> dict[str, t.Any]:
        known = {name: value for name, value in asdict(self).items() if name != "leads"}
        figures = ("precision", "precision_at_least", "recall", "lead_days", "alarms_per_device_year")
        return {**known, **{name: getattr(self, name) for name in figures}}


def judge(
    devices: t.Sequence[Device], flagged: t.Mapping[int, t.Iterable[float]], begin: float, end: float, horizon: float
) -> Outcome:
    """Judge the alarms from *begin* to *end*. *flagged* has the times at which a device, by its place, was flagged."""
    right = wrong = undecided = failures = 0
    watched, leads = 0.0, []
    for place, device in enumerate(devices):
        until = min(device.end, end)
        watched += max(0.0, until - max(device.begin, begin))
        failed = device.failed_at if device.failed_at is not None and device.failed_at <= end else None
        failures += failed is not None and failed > begin
        free_from = begin
        for moment in sorted(flagged.get(place, ())):
            if moment < free_from or moment > until or (failed is not None and moment >= failed):
                continue
            free_from = moment + horizon
            if failed is not None and failed <= free_from:
                right += 1
                leads.append((failed - moment) / DAY)
            elif until >= free_from:
                wrong += 1
            else:
                undecided += 1
    return Outcome(right, wrong, undecided, failures, watched / YEAR, tuple(leads))


def beats(one: Outcome, other: Outcome) -> str:
    """Why *one* does not beat *other*: "" if it does, with higher precision at no lower recall and no shorter lead."""
    if not one.right:
        return "none of its alarms was right"
    if (one.precision or 0.0) <= (other.precision or 0.0):
        return f"its precision is {one.precision or 0:.3f}, not above {other.precision or 0:.3f}"
    if (one.recall or 0.0) < (other.recall or 0.0):
        return f"its recall is {one.recall or 0:.3f}, below {other.recall or 0:.3f}"
    if (one.lead_days or 0.0) < (other.lead_days or 0.0):
        return f"its median lead is {one.lead_days or 0:.1f} days, below {other.lead_days or 0:.1f}"
    return ""
