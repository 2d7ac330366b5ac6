# Which devices will fail: from series of samples and past failures, judged against the trend rules.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``series`` holds what was measured, ``kinds`` says what is watched of which kind of device, ``trends`` are the trend
rules of the role prometheus over such series, ``features`` makes numbers of a series at one time, ``table`` all of them
with their labels, ``fit`` learns, ``model`` is what is kept of that, ``judge`` measures alarms, ``backtest`` compares.
Only ``table``, ``fit`` and ``backtest`` need scikit-learn and what comes with it.
"""

from __future__ import annotations
