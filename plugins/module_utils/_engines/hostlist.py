# Slurm's short writing of many node names ("gpu[1-3,07],store1"), spelled out.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError

# No cluster is larger; a list that says so is broken, and must not fill the memory.
MAX_NAMES = 100000

_PART = re.compile(r"(?P<text>[^\[\],]*)(?:\[(?P<ranges>[0-9,-]+)\])?")


def expand(text: str) -> list[str]:
    """All names of a host list, in order. EngineError if it is none."""
    names: list[str] = []
    current = [""]
    at = 0
    while at < len(text):
        if text[at] == ",":
            names.extend(current)
            current = [""]
            at += 1
            continue
        part = _PART.match(text, at)
        if part is None or part.end() == at:
            raise EngineError(f"{text[:200]!r} is no list of node names.")
        numbers = _numbers(part.group("ranges"), text)
        if len(names) + len(current) * len(numbers) > MAX_NAMES:
            raise EngineError(f"{text[:200]!r} names more than {MAX_NAMES} nodes.")
        current = [f"{name}{part.group('text')}{number}" for name in current for number in numbers]
        at = part.end()
    names.extend(current)
    return [name for name in names if name]


def _numbers(ranges: str | None, text: str) -> list[str]:
    if ranges is None:
        return [""]
    numbers: list[str] = []
    for piece in ranges.split(","):
        first, dash, last = piece.partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            raise EngineError(f"{text[:200]!r} is no list of node names.")
        low, high = int(first), int(last or first)
        if high - low >= MAX_NAMES:
            raise EngineError(f"{text[:200]!r} names more than {MAX_NAMES} nodes.")
        numbers.extend(str(number).zfill(len(first)) for number in range(low, high + 1))
    return numbers
