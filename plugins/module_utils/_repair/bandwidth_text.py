# Reads what nccl-tests, rccl-tests and nvbandwidth print.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure. Half an output is no measurement: a collective that did not reach its end has no bandwidth."""

from __future__ import annotations

import json
import math
import re
import typing as t

from .bandwidth_marks import DEVICE_TO_DEVICE, DEVICE_TO_HOST, HOST_TO_DEVICE

# Under MPI each line has the number of its process and stream in front.
_MPI = re.compile(r"^\[[0-9]+,[0-9]+\]<std(?:out|err)>:")
_AVERAGE = re.compile(r"^#\s*Avg bus bandwidth\s*:\s*([0-9][0-9.eE+-]*)")
_WRONG = re.compile(r"^#\s*Out of bounds values\s*:\s*([0-9]+)\s*(\S*)")
_ROW = re.compile(r"^\s*([0-9]+)\s+[0-9]+\s+\S+\s+\S+\s+-?[0-9]+\s+(.*)$")

NVBANDWIDTH_TESTS = {
    "host_to_device_memcpy_ce": HOST_TO_DEVICE,
    "device_to_host_memcpy_ce": DEVICE_TO_HOST,
    "device_to_device_memcpy_read_ce": DEVICE_TO_DEVICE,
}
"""Its names of the tests that there are marks for."""


class TextError(Exception):
    """There is no measurement in the text; the message says what was there instead."""


class Collective(t.NamedTuple):
    """What a collective reached, in gigabytes per second."""

    average: float
    """Over all sizes, as the program counts it."""

    largest: float | None
    """At the largest size, the better one of in place and out of place."""

    wrong: int
    """Values that came out wrong. More than none is broken hardware or software, however fast it was."""


class Pair(t.NamedTuple):
    """The slowest copy of a test of nvbandwidth."""

    test: str
    value: float
    where: str


def parse_collective(text: str) -> Collective:
    """Return what nccl-tests or rccl-tests measured; TextError if it did not come to its end."""
    average = largest = None
    wrong = 0
    for raw in text.splitlines():
        line = _MPI.sub("", raw)
        found = _AVERAGE.match(line)
        if found is not None:
            average = _number(found.group(1))
        found = _WRONG.match(line)
        if found is not None:
            wrong = max(int(found.group(1)), 0 if found.group(2) == "OK" else 1)
        found = _ROW.match(line)
        if found is not None:
            # time algbw busbw #wrong, once out of place and in most versions once more in place.
            words = found.group(2).split()
            speeds = [_number(word) for word in words[2::4]]
            known = [speed for speed in speeds if speed is not None]
            largest = max(known) if known else largest
    if average is None:
        last = next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "nothing at all")
        raise TextError(f"the test did not come to its end; its last words: {last[:300]}")
    return Collective(average, largest, wrong)


def parse_nvbandwidth(text: str) -> tuple[list[Pair], list[str]]:
    """Return the slowest copy of each test, and what was waived; TextError if a test failed or none was run."""
    start = text.find("{")
    try:
        document = json.JSONDecoder().raw_decode(text[start:])[0] if start >= 0 else {}
    except (ValueError, RecursionError) as exc:
        raise TextError(f"nvbandwidth wrote no JSON, or it is cut off: {str(exc)[:200]}") from exc
    root = document.get("nvbandwidth") if isinstance(document, dict) else None
    if not isinstance(root, dict):
        raise TextError(f"nvbandwidth wrote no results: {text.strip()[:300] or 'nothing at all'}")
    if root.get("error"):
        raise TextError(f"nvbandwidth failed: {str(root['error'])[:300]}")
    pairs, waived = [], []
    tests = root.get("testcases")
    for test in tests if isinstance(tests, list) else []:
        if not isinstance(test, dict):
            continue
        name, status = str(test.get("name")), test.get("status")
        if status == "Waived":
            waived.append(name)
            continue
        if status != "Passed":
            raise TextError(f"nvbandwidth: {name} ended as {status}: {str(test.get('error', ''))[:300]}")
        pairs.append(_slowest(name, test.get("bandwidth_matrix")))
    if not pairs and not waived:
        raise TextError("nvbandwidth ran no test")
    return pairs, waived


def _slowest(name: str, matrix: t.Any) -> Pair:
    cells = [
        (value, row, column)
        for row, values in enumerate(matrix if isinstance(matrix, list) else [])
        for column, text in enumerate(values if isinstance(values, list) else [])
        for value in [_number(text)]
        if value is not None
    ]
    if not cells:
        raise TextError(f"nvbandwidth: {name} has no figures")
    value, row, column = min(cells)
    where = f"GPU {row} and GPU {column}" if NVBANDWIDTH_TESTS.get(name) == DEVICE_TO_DEVICE else f"GPU {column}"
    return Pair(NVBANDWIDTH_TESTS.get(name, name), value, where)


def _number(value: t.Any) -> float | None:
    """Return a finite number that is not negative, also from a text; C(N/A) is none."""
    if isinstance(value, bool):
        return None
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) and found >= 0 else None
