# What demand will be: history in, horizon with quantiles and a back-test out.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure apart from the libraries of the models, which are imported where they are used. ``sources`` reads, ``clean``
makes regular series, ``shifts`` finds where the level changed, ``models`` (and ``lstm``) fit and foretell, ``backtest``
holds them against what came, ``bands`` makes quantiles of their errors, ``forecast`` puts it together, ``textfile``
makes metrics of it.
"""

from __future__ import annotations
