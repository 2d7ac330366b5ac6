# Lists of CPU numbers as the kernel writes them: 0-55,112-167.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

_RANGE = re.compile(r"^([0-9]{1,6})(?:-([0-9]{1,6}))?\Z")
# More than a kernel can be built for.
_MAX_CPU = 1 << 16


def parse_cpu_list(text: str) -> set[int]:
    """Return the CPU numbers; raise ValueError if the text is no such list."""
    numbers: set[int] = set()
    for part in text.strip().split(",") if text.strip() else ():
        match = _RANGE.match(part)
        if match is None:
            raise ValueError(f"not a list of CPUs: {text[:200]!r}")
        first = int(match.group(1))
        last = int(match.group(2) or first)
        if last > _MAX_CPU:
            raise ValueError(f"not a list of CPUs: {text[:200]!r}")
        numbers.update(range(first, last + 1))
    return numbers
