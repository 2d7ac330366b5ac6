# Where the replicas of datasets go, and the fewest bytes that have to move for it; pure.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``model`` is what there is and what is wanted, ``straw`` places by hash, ``balance`` evens out, ``moves`` lists
and orders what has to move, ``plan`` puts it together, ``verify`` checks a plan without any of them.
"""

from __future__ import annotations
