# Documentation of the attributes that every module of this collection states.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared C(attributes) texts. A module extends C(aidc.ops._attributes) and then only states its C(support) levels.

Modules that only read extend C(aidc.ops._attributes) together with C(aidc.ops._attributes.info), which states them all.
This file is private to the collection and may change in any release.
"""

from __future__ import annotations


class ModuleDocFragment:
    """Fragments: the descriptions (C(DOCUMENTATION)), and the ready answer of a read-only module (C(INFO))."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: With C(--check) the module reports what it would change and touches nothing.
  diff_mode:
    description: With C(--diff) the module returns what differs between the state found and the state wanted.
  idempotent:
    description: A second run with the same options, on a system that nobody else touched, changes nothing.
"""

    INFO = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - This module only reads.
  diff_mode:
    support: N/A
    details:
      - This module only reads.
  idempotent:
    support: full
    details:
      - This module only reads.
"""
