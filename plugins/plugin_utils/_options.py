# Options that several plugins of the controller have in common.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t


def file_mode(value: t.Any) -> int:
    """The mode as a number: text is octal, a number is what YAML has read as octal already. Raises ValueError."""
    try:
        mode = int(value, 8) if isinstance(value, str) else int(value)
    except (TypeError, ValueError):
        mode = -1
    if not 0 <= mode <= 0o777:
        raise ValueError(f"mode has to be an octal number in quotes such as '0644', not {value!r:.40}")
    return mode
