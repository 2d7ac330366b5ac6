# A plan applied: the difference between a plan and what a scheduler goes by now, as a list of changes in a safe order.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: no change is made here. Jobs and pods are never bound to nodes; only what the scheduler decides by is set.

The difference is always to the scheduler as it is, so a run that was interrupted goes on when it is repeated.
"""
