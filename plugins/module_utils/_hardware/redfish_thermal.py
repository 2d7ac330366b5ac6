# Reads fans and temperatures from Redfish: the old Thermal resource, the newer ThermalSubsystem, and plain sensors.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from .redfish_values import Doc, identity, known, mapping, number, number_equal_names, objects, reading, state, whole

Devices = t.List[t.Dict[str, t.Any]]


def fans_from_thermal(thermal: Doc) -> Devices:
    """Return the fans that a Thermal resource lists."""
    docs = objects(thermal.get("Fans"))
    fans = []
    for doc in docs:
        percent = str(doc.get("ReadingUnits", "")).lower() == "percent"
        value = doc.get("Reading")
        # FanName is what the name was called before version 1.1 of the schema.
        fans.append(
            _fan(
                known(doc.get("Name")) or known(doc.get("FanName")),
                None if percent else whole(value),
                number(value) if percent else None,
                doc,
            )
        )
    return number_equal_names(fans, [identity(doc) for doc in docs])


def fans_from_subsystem(docs: t.Sequence[Doc]) -> Devices:
    """Return the fans of a ThermalSubsystem."""
    fans = []
    for doc in docs:
        speed = mapping(doc.get("SpeedPercent"))
        fans.append(_fan(known(doc.get("Name")), whole(speed.get("SpeedRPM")), reading(speed), doc))
    return number_equal_names(fans, [identity(doc) for doc in docs])


def fans_from_sensors(docs: t.Sequence[Doc]) -> Devices:
    """Return the fans of a chassis that has nothing but sensors."""
    found = [doc for doc in docs if doc.get("ReadingType") == "Rotational" or _is_fan_percent(doc)]
    fans = [
        _fan(
            known(doc.get("Name")),
            whole(doc.get("SpeedRPM")) if _is_fan_percent(doc) else whole(doc.get("Reading")),
            number(doc.get("Reading")) if _is_fan_percent(doc) else None,
            doc,
        )
        for doc in found
    ]
    return number_equal_names(fans, [identity(doc) for doc in found])


def temperatures_from_thermal(thermal: Doc) -> Devices:
    """Return the temperatures that a Thermal resource lists."""
    docs = objects(thermal.get("Temperatures"))
    found = [
        _temperature(
            known(doc.get("Name")), number(doc.get("ReadingCelsius")), number(doc.get("UpperThresholdCritical")), doc
        )
        for doc in docs
    ]
    return number_equal_names(found, [identity(doc) for doc in docs])


def temperatures_from_metrics(metrics: Doc) -> Devices:
    """Return the temperatures of ThermalMetrics, which holds copies of sensors without their states."""
    docs = objects(metrics.get("TemperatureReadingsCelsius"))
    tails = [str(doc.get("DataSourceUri", "")).rstrip("/").rpartition("/")[2] or None for doc in docs]
    found = [
        _temperature(known(doc.get("DeviceName")) or known(tail), reading(doc), None, doc)
        for doc, tail in zip(docs, tails)
    ]
    return number_equal_names(found, tails)


def temperatures_from_sensors(docs: t.Sequence[Doc]) -> Devices:
    """Return the temperatures among the sensors of a chassis."""
    found = [doc for doc in docs if doc.get("ReadingType") == "Temperature"]
    temperatures = [
        _temperature(
            known(doc.get("Name")),
            number(doc.get("Reading")),
            reading(mapping(mapping(doc.get("Thresholds")).get("UpperCritical"))),
            doc,
        )
        for doc in found
    ]
    return number_equal_names(temperatures, [identity(doc) for doc in found])


def _is_fan_percent(doc: Doc) -> bool:
    return doc.get("ReadingType") == "Percent" and (
        doc.get("PhysicalContext") == "Fan" or doc.get("SpeedRPM") is not None
    )


def _fan(name: str | None, rpm: int | None, percent: float | None, doc: Doc) -> dict[str, t.Any]:
    return {"name": name, "rpm": rpm, "percent": percent, "state": state(doc.get("Status"))}


def _temperature(name: str | None, celsius: float | None, critical: float | None, doc: Doc) -> dict[str, t.Any]:
    return {"name": name, "celsius": celsius, "upper_critical_celsius": critical, "state": state(doc.get("Status"))}
