# Kubernetes' way of writing amounts ("500m", "1.5Gi", "12e3"), as exact numbers.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

# Two digits of exponent are more than any amount needs, and no number that fills the memory.
_QUANTITY = re.compile(
    r"(?P<number>[0-9]{1,24}(?:\.[0-9]{0,24})?|\.[0-9]{1,24})(?P<unit>[a-zA-Z]{0,2}|[eE][+-]?[0-9]{1,2})"
)
_UNITS = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}


def quantity(value: Any) -> Fraction:
    """The amount. ValueError if it is none."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return Fraction(value)
    match = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{value!r:.60} is no amount")
    number, unit = (
        Fraction(match["number"] if not match["number"].startswith(".") else f"0{match['number']}"),
        match["unit"],
    )
    if unit in _BINARY:
        return number * Fraction(1024) ** _BINARY[unit]
    if unit in _UNITS:
        return number * Fraction(10) ** _UNITS[unit]
    if unit[0] in "eE" and len(unit) > 1:
        return number * Fraction(10) ** int(unit[1:])
    raise ValueError(f"{value!r:.60} is no amount")
