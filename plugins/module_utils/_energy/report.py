# What power comes to over time: kilowatt hours and CO2.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math

from .._errors import EnergyError


def _amount(name: str, value: float) -> float:
    if not math.isfinite(value) or value < 0:
        raise EnergyError(f"{name}: {value!r} is not a number from 0 on")
    return value


def kilowatt_hours(kilowatts: float, hours: float) -> float:
    """Energy of a constant power."""
    return _amount("kilowatts", kilowatts) * _amount("hours", hours)


def carbon_kg(energy_kwh: float, grams_per_kwh: float) -> float:
    """CO2 in kilograms; the factor is that of the site's electricity."""
    return _amount("energy_kwh", energy_kwh) * _amount("grams_per_kwh", grams_per_kwh) / 1000
