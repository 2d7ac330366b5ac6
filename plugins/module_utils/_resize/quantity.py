# Quantities of Kubernetes as numbers, so that 1000m is 1 and 1Gi is 1073741824; pure.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The notation is that of Kubernetes' API reference ("Quantity"): a decimal number with a suffix of powers of 1000 or
1024, or an exponent. Its server takes nothing of 2^63 or more.
"""

from __future__ import annotations

import re
import typing as t
from fractions import Fraction

from ansible_collections.aidc.ops.plugins.module_utils._errors import ResizeError

_FORM = re.compile(r"([+-]?)([0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})(?:([eE])([+-]?[0-9]{1,2})|([A-Za-z]{0,2}))")
_SUFFIXES: t.Dict[str, Fraction] = {  # noqa: UP006 - evaluated, on Python 3.8 too
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    "": Fraction(1),
    **{sign: Fraction(1000**power) for power, sign in enumerate("kMGTPE", 1)},
    **{f"{sign}i": Fraction(1024**power) for power, sign in enumerate("KMGTPE", 1)},
}
_END = Fraction(2**63)


def parse(given: t.Any, where: str) -> Fraction:
    """The number of a quantity such as 500m, 0.5, 1Gi or 1e3. ResizeError, with *where*, if it is none or negative."""
    text = "" if given is None or isinstance(given, bool) else str(given).strip()
    match = _FORM.fullmatch(text)
    suffix = match.group(5) or "" if match else ""
    if match is None or suffix not in _SUFFIXES:
        raise ResizeError(f"{where} is {given!r:.60}, which is no quantity; write it as 500m, 2, 1.5, 64Gi or 1e3")
    number = Fraction(match.group(2)) * _SUFFIXES[suffix]
    if match.group(3):
        number *= Fraction(10) ** int(match.group(4))
    if match.group(1) == "-" and number:
        raise ResizeError(f"{where} is {given!r:.60}; it cannot be negative")
    if number >= _END:
        raise ResizeError(f"{where} is {given!r:.60}; Kubernetes takes no quantity of 2^63 or more")
    return number


def checked(resource: str, given: t.Any, where: str) -> Fraction:
    """The same, and ResizeError for a number that the resource cannot have: half a byte, half a GPU."""
    number = parse(given, where)
    if resource == "cpu":
        if (number * 1000).denominator != 1:
            raise ResizeError(f"{where} is {given!r:.60}; the smallest part of a CPU is 1m")
    elif number.denominator != 1:
        unit = "bytes" if resource in ("memory", "ephemeral-storage") else "whole devices"
        hint = "; 500M and 500Mi are megabytes, 500m is half a byte" if unit == "bytes" else ""
        raise ResizeError(f"{where} is {given!r:.60}; it is counted in {unit}{hint}")
    return number
