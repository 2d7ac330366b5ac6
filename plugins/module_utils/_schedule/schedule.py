# One schedule with its figures beside those of the order of arrival.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module capacity_schedule returns, from a problem in time."""

from __future__ import annotations

import typing as t

from .._capacity.numeric import HAS_NUMPY
from .figures import figures, missed
from .model import ENDLESS, HOUR
from .simulate import Outcome, simulate
from .verify import broken_rules

if t.TYPE_CHECKING:
    from .model import Timed

SCHEMA_VERSION = 1


class ScheduleError(Exception):
    """A schedule cannot be made here, or broke a rule."""


def checked(timed: Timed, order: str) -> Outcome:
    """The schedule of an order, after the independent check."""
    if not HAS_NUMPY:
        raise ScheduleError("a schedule needs the Python library numpy on the control node; install numpy")
    outcome = simulate(timed, order)
    wrong = broken_rules(timed, outcome.runs)
    if wrong:
        raise ScheduleError(f"the schedule broke a rule, which is a defect; nothing is returned: {wrong[0]}")
    return outcome


def make_schedule(timed: Timed, order: str) -> dict[str, t.Any]:
    """``schedule`` (rows, refused, missed), and figures of the order of arrival (``before``) and of it (``after``)."""
    before = checked(timed, "fifo")
    after = before if order == "fifo" else checked(timed, order)
    place = {job.work.name: job.place for job in timed.jobs}
    rows = [
        {
            "workload": run.workload,
            "node": run.node,
            "gpus": list(run.gpus),
            "start_hours": run.start / HOUR,
            "end_hours": None if run.end == ENDLESS else run.end / HOUR,
        }
        for run in sorted(after.runs, key=lambda run: (run.start, place[run.workload], run.node, run.gpus))
    ]
    return {
        "schedule": {
            "schema_version": SCHEMA_VERSION,
            "order": order,
            "rows": rows,
            "refused": [{"workload": name, "reason": after.refused[name]} for name in sorted(after.refused)],
            "missed_deadlines": missed(timed, after.runs),
        },
        "before": figures(timed, before.runs),
        "after": figures(timed, after.runs),
    }
