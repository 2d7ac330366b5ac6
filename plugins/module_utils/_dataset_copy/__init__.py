# One piece of a dataset: copied to this node with rsync, or removed from it.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``places`` says which directories are meant and allowed, ``rsync`` runs that program, ``carry`` brings a piece and
takes it away.
"""

from __future__ import annotations
