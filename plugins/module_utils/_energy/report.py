# What power comes to over time: kilowatt hours and CO2, and a plan beside what is now.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
import typing as t

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


def compared(
    before_kilowatts: float, after_kilowatts: float, hours: float, grams_per_kwh: float | None = None
) -> dict[str, t.Any]:
    """Energy in kWh before and after, what is saved, and the CO2 of both in kg (None without a factor)."""
    before = kilowatt_hours(before_kilowatts, hours)
    after = kilowatt_hours(after_kilowatts, hours)
    found: dict[str, t.Any] = {
        "before_kwh": before,
        "after_kwh": after,
        "saved_kwh": before - after,
        "saved_percent": 100 * (before - after) / before if before else 0.0,
        "before_co2_kg": None,
        "after_co2_kg": None,
        "saved_co2_kg": None,
    }
    if grams_per_kwh is not None:
        old, new = carbon_kg(before, grams_per_kwh), carbon_kg(after, grams_per_kwh)
        found.update(before_co2_kg=old, after_co2_kg=new, saved_co2_kg=old - new)
    return found
