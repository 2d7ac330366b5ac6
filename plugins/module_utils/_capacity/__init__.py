# The room of capacity planning: forecast, placement and what follows from a plan. Pure.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to the collection. Runs on the controller. Plans need numpy, and highspy for their proof."""
