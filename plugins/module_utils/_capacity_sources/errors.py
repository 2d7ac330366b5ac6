# The error of this package: what a person gave cannot be used.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class SourceError(ValueError):
    """What was given is wrong; the message says what, where, and what to do."""


def finite(value: object, where: str, least: float = 0.0) -> float:
    """A number from ``least`` on; SourceError for anything else. NaN is none."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = float("nan")
    if isinstance(value, bool) or not least <= number < float("inf"):
        raise SourceError(f"{where} has to be a number from {least:g} on, not {str(value)[:60]!r}")
    return number
