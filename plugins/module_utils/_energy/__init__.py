# Which power limit a GPU should have, and what a plan's power comes to; pure.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``curves`` holds what was measured at each power limit and checks a site's own, ``_curve_table`` is what we ship,
``limit`` chooses, ``report`` adds up.
"""

from __future__ import annotations
