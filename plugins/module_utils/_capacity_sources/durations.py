# How long jobs really take, out of Slurm's accounting: the usual part of their time limit, by account.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""People ask for more time than they need, so a plan by limits would see the fleet busy for too long. The expected time
of a job is its limit times the median of (time taken / limit) over the jobs of its account that came to their end.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median

from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError

FEWEST = 20
"""An account with fewer ended jobs than this says too little; then the limit counts."""


def usual_parts(text: str) -> dict[str, float]:
    """Account -> median of time taken by limit, of lines C(account|seconds|minutes) as sacct prints them.

    Jobs without a limit do not count. EngineError for lines that are something else.
    """
    parts: dict[str, list[float]] = {}
    for line in text.splitlines():
        words = line.rsplit("|", 2)
        if not line.strip():
            continue
        if len(words) != 3 or not words[1].isdigit():
            raise EngineError(f"sacct gave a line that is no job: {line[:200]!r}")
        if not words[2].isdigit() or int(words[2]) == 0:
            continue
        # Slurm ends a job some time after its limit, not at it.
        parts.setdefault(words[0], []).append(min(1.0, int(words[1]) / (60 * int(words[2]))))
    return {account: median(found) for account, found in parts.items() if len(found) >= FEWEST}


def expected_hours(limit_minutes: int | None, account: str, usual: Mapping[str, float]) -> float:
    """Hours that a job of the account with this limit takes; 0 where it has none, which means for good."""
    if not limit_minutes:
        return 0.0
    return round(limit_minutes / 60 * usual.get(account, 1.0), 4)
