# The page and the summary of a capacity plan: what it changes, and how the fleet looks with it; all of it pure.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``situation`` counts what is now and with the plan, ``racks`` draws the fleet, ``forecasts`` draws demand, ``tables``
lists, ``page`` puts the page together, ``summary`` tells a terminal. Numbers and pictures are those of the report page.
"""

from __future__ import annotations
