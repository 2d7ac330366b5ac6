# The report page: what is asked, what the answers mean, and how numbers become pictures; all of it pure.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``questions`` makes PromQL, ``answers`` reads what came back, ``panels``, ``tables`` and ``cases`` make what the
template shows of it, ``page`` puts that together. ``units`` writes numbers, ``charts`` draws.

No chart library: those that draw SVG put colours and sizes of their own into each picture, so that a page cannot change
them for the dark, for paper or for a phone. What is needed here is three shapes, and an XML writer is in Python.
"""

from __future__ import annotations
