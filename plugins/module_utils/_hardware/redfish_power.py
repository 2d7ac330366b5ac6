# Reads power supplies from Redfish: the old Power resource and the newer PowerSubsystem.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from .redfish_values import Doc, identity, known, mapping, number_equal_names, objects, reading, state, watts


def from_power(power: Doc) -> list[dict[str, t.Any]]:
    """Return the supplies that a Power resource lists."""
    supplies = objects(power.get("PowerSupplies"))
    found = [
        _supply(
            supply,
            watts(supply.get("PowerInputWatts")),
            _first(watts(supply.get("PowerOutputWatts")), watts(supply.get("LastPowerOutputWatts"))),
        )
        for supply in supplies
    ]
    return number_equal_names(found, [identity(supply) for supply in supplies])


def from_subsystem(supplies: t.Sequence[Doc], metrics: t.Sequence[Doc | None]) -> list[dict[str, t.Any]]:
    """Return the supplies of a PowerSubsystem; C(metrics) holds each one's PowerSupplyMetrics, or None."""
    found = []
    for supply, metric in zip(supplies, metrics):
        values = mapping(metric)
        found.append(
            _supply(
                supply,
                watts(reading(values.get("InputPowerWatts"))),
                watts(reading(values.get("OutputPowerWatts"))),
            )
        )
    return number_equal_names(found, [identity(supply) for supply in supplies])


def _first(*values: t.Any) -> t.Any:
    return next((value for value in values if value is not None), None)


def _supply(supply: Doc, taken: float | None, given: float | None) -> dict[str, t.Any]:
    return {
        "name": known(supply.get("Name")),
        "model": known(supply.get("Model")),
        "serial": known(supply.get("SerialNumber")),
        "firmware": known(supply.get("FirmwareVersion")),
        "capacity_watts": watts(supply.get("PowerCapacityWatts")),
        "input_watts": taken,
        "output_watts": given,
        "state": state(supply.get("Status")),
    }
