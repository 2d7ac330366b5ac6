# The one client of Prometheus-compatible servers: modules, lookup, inventory and everything else that asks PromQL.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``client`` asks, ``answers`` are the typed results, ``times`` reads what people write as times and durations."""

from __future__ import annotations
