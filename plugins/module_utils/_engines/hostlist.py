# Slurm's short writing of many node names ("gpu[1-3,07],store1"): spelled out, and made.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Iterable

from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError

# No cluster is larger; a list that says so is broken, and must not fill the memory.
MAX_NAMES = 100000

# Anything else could mean something in a host list; ALL is every node of the cluster to scontrol.
_NAME = re.compile(r"(?!all\Z)[A-Za-z0-9][A-Za-z0-9_.-]{0,252}", re.IGNORECASE)
_ENDS_IN_NUMBER = re.compile(r"(?P<text>.*?)(?P<number>[0-9]{1,9})")
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


def compress(names: Iterable[str]) -> str:
    """The names as one list, each once. EngineError for a text that is no plain node name."""
    alone: list[str] = []
    # Numbers with the same text before them and the same width share brackets: "gpu9" and "gpu10" do not, nor "gpu09".
    groups: dict[tuple[str, int], list[int]] = {}
    for name in sorted(set(names)):
        if not _NAME.fullmatch(name):
            raise EngineError(f"{name!r:.80} is not the name of a node (letters, digits, dot, dash, underscore).")
        parts = _ENDS_IN_NUMBER.fullmatch(name)
        if parts is None or not parts["text"]:
            alone.append(name)
        else:
            groups.setdefault((parts["text"], len(parts["number"])), []).append(int(parts["number"]))
    written = [_bracketed(text, width, sorted(numbers)) for (text, width), numbers in sorted(groups.items())]
    return ",".join(alone + written)


def _bracketed(text: str, width: int, numbers: list[int]) -> str:
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    if len(numbers) == 1:
        return f"{text}{numbers[0]:0{width}}"
    pieces = [f"{low:0{width}}" if low == high else f"{low:0{width}}-{high:0{width}}" for low, high in ranges]
    return f"{text}[{','.join(pieces)}]"


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
