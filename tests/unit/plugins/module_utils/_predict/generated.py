# Drives made up for tests, by stated mechanisms; nothing that is published was measured on them.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import random

from ansible_collections.aidc.ops.plugins.module_utils._predict.series import DAY, Device, Series


def drives(count: int, days: int = 300, telling: bool = True, failing: int = 4, seed: int = 1) -> list[Device]:
    """Drives with a sample a day. One of *failing* fails, at a random day of the last nine tenths.

    With *telling*, a failing drive reallocates one to five sectors a day in its last twenty days. Three of ten of the
    others reallocate three sectors once, at a random day: nothing follows. Without it, failures come from nowhere.
    """
    chance = random.Random(seed)
    found = []
    for number in range(count):
        failed_day = chance.randrange(days // 10, days) if number % failing == 0 else None
        burst_day = chance.randrange(days) if chance.random() < 0.3 else None
        last, total, points = (failed_day or days), 0, []
        for day in range(last + 1):
            if telling and failed_day is not None and day > failed_day - 20:
                total += chance.randint(1, 5)
            if failed_day is None and day == burst_day:
                total += 3
            points.append((day * DAY, float(total)))
        series = {"reallocated": Series(points, counter=True)}
        end = last * DAY
        found.append(Device("n", f"d{number}", "m", series, 0.0, end, end if failed_day is not None else None))
    return found
