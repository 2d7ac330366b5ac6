# Parses the sensors that "ipmitool sdr elist" prints, into fans, temperatures and power supplies.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A line is "name | number | status | entity.instance | value"; the entity says what the sensor belongs to."""

from __future__ import annotations

import re
import typing as t

from .ipmi_inventory import MAX_LINES
from .redfish_values import clean, known, number, number_equal_names, watts, whole

_LINE = re.compile(r"^(.+?)\s*\|\s*([0-9A-Fa-f]{2})h\s*\|\s*(\w+)\s*\|\s*([0-9]+)\.([0-9]+)\s*\|\s*(.*?)\s*\Z")
_VALUE = re.compile(r"^(-?[0-9]+(?:\.[0-9]+)?)\s+(\S.*)\Z")
_NUMBERED = re.compile(r"^[^0-9]+[0-9]+")

# Entity ids, IPMI 2.0 section 43.14.
_SUPPLY_ENTITY = 10
_FAN_ENTITIES = (29, 30)


class Sensor(t.NamedTuple):
    """One line: the value is None for a sensor with states, the text is empty for one without a reading."""

    name: str
    number: str
    status: str
    entity: int
    instance: int
    value: float | None
    unit: str
    text: str


def parse_sensors(text: str) -> list[Sensor]:
    """Return the sensors; lines that are none are left out."""
    sensors = []
    for line in text.splitlines()[:MAX_LINES]:
        found = _LINE.match(line.strip())
        if found is None:
            continue
        name, label, status, entity, instance, rest = found.groups()
        measured = _VALUE.match(rest)
        sensors.append(
            Sensor(
                clean(name) or label,
                label,
                status.lower(),
                int(entity),
                int(instance),
                number(measured.group(1)) if measured else None,
                measured.group(2) if measured else "",
                rest,
            )
        )
    return sensors


def threshold_state(status: str) -> str | None:
    """Return C(ok), C(warning) or C(critical) for a status such as C(ok), C(unc), C(lcr); None for no reading."""
    if status == "ok":
        return "ok"
    return {"nc": "warning", "cr": "critical", "nr": "critical"}.get(status[-2:])


def fans(sensors: t.Sequence[Sensor]) -> list[dict[str, t.Any]]:
    """Return what turns: sensors in RPM, and sensors in percent that belong to a fan."""
    found = [
        sensor
        for sensor in sensors
        if sensor.unit == "RPM"
        or (sensor.entity in _FAN_ENTITIES and (sensor.unit == "percent" or sensor.status == "ns"))
    ]
    items = [
        {
            "name": sensor.name,
            "rpm": whole(sensor.value) if sensor.unit == "RPM" else None,
            "percent": sensor.value if sensor.unit == "percent" else None,
            "state": threshold_state(sensor.status),
        }
        for sensor in found
    ]
    return number_equal_names(items, [sensor.number for sensor in found])


def temperatures(sensors: t.Sequence[Sensor]) -> list[dict[str, t.Any]]:
    """Return the sensors in degrees."""
    found = [sensor for sensor in sensors if sensor.unit == "degrees C"]
    items = [
        {
            "name": sensor.name,
            "celsius": sensor.value,
            # The list of sensors does not tell thresholds.
            "upper_critical_celsius": None,
            "state": threshold_state(sensor.status),
        }
        for sensor in found
    ]
    return number_equal_names(items, [sensor.number for sensor in found])


def power_supplies(sensors: t.Sequence[Sensor], frus: t.Mapping[int, t.Mapping[str, str]]) -> list[dict[str, t.Any]]:
    """Return the power supplies: the sensors of each, and its FRU data where there is some."""
    groups: dict[int, list[Sensor]] = {}
    for sensor in sensors:
        if sensor.entity == _SUPPLY_ENTITY:
            groups.setdefault(sensor.instance, []).append(sensor)
    for instance in frus:
        groups.setdefault(instance, [])
    items = []
    for instance, group in sorted(groups.items()):
        fru = frus.get(instance, {})
        items.append(
            {
                "name": _supply_name(instance, group),
                "model": known(fru.get("Product Name")) or known(fru.get("Product Part Number")),
                "serial": known(fru.get("Product Serial")),
                "firmware": known(fru.get("Product Version")),
                "capacity_watts": None,
                "input_watts": _power(group, output=False),
                "output_watts": _power(group, output=True),
                "state": _supply_state(group),
            }
        )
    return number_equal_names(items, [str(instance) for instance in sorted(groups)])


def _supply_name(instance: int, group: t.Sequence[Sensor]) -> str:
    """Return what the names of its sensors begin with up to a number ("PS1 Status", "PS1 Input Power": "PS1")."""
    beginnings = {found.group() for found in (_NUMBERED.match(sensor.name) for sensor in group) if found}
    return beginnings.pop() if len(beginnings) == 1 else f"PSU {instance}"


def _power(group: t.Sequence[Sensor], output: bool) -> float | None:
    for sensor in group:
        named_output = re.search(r"out", sensor.name, re.I) is not None
        if sensor.unit == "Watts" and named_output == output:
            return watts(sensor.value)
    return None


def _supply_state(group: t.Sequence[Sensor]) -> str | None:
    """Return the state that the presence sensor tells; None without one that can be read."""
    for sensor in group:
        if sensor.value is not None or sensor.status == "ns":
            continue
        text = sensor.text.lower()
        if "presence detected" not in text:
            return "absent"
        # "Predictive failure" is a warning, "Failure detected" is a failure.
        if re.search(r"failure detected|ac lost|out-of-range|config error|input lost", text):
            return "critical"
        return "warning" if "predictive failure" in text else "ok"
    return None
