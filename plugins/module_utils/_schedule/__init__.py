# The room of schedules in time: when workloads run, and when nodes are maintained. Pure.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to the collection. Runs on the controller. Needs numpy. Times are whole seconds from the present."""
