# The room of hardware readers: parsers and small pure functions about nodes and GPUs.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to the collection. Runs on nodes (Python 3.8 or newer, standard library only) and on the controller."""
