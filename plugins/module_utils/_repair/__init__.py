# The room of repairs: what the modules share that repair or probe a node.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to the collection. Runs on Python 3.8 or newer, and imports _errors, _runner and _hardware only."""
