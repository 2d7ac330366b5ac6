# Tests of fans and temperatures out of Redfish.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import redfish_thermal

OK = {"State": "Enabled", "Health": "OK"}


@pytest.mark.parametrize(
    ("fan", "expected"),
    [
        ({"Name": "FAN1", "Reading": 8000, "ReadingUnits": "RPM"}, ("FAN1", 8000, None)),
        ({"FanName": "FAN1", "Reading": 55, "ReadingUnits": "Percent"}, ("FAN1", None, 55.0)),
        ({"Name": "FAN1", "Reading": 4200}, ("FAN1", 4200, None)),
        ({"Name": "FAN1", "Reading": None, "ReadingUnits": "RPM"}, ("FAN1", None, None)),
        ({"Name": "FAN1", "Reading": 0, "ReadingUnits": "RPM"}, ("FAN1", 0, None)),
        ({"Name": "FAN1", "Reading": "fast", "ReadingUnits": 7}, ("FAN1", None, None)),
    ],
)
def test_fans_of_the_old_resource(fan: dict[str, Any], expected: tuple[Any, ...]) -> None:
    found = redfish_thermal.fans_from_thermal({"Fans": [{**fan, "Status": OK}]})
    assert [(one["name"], one["rpm"], one["percent"]) for one in found] == [expected]
    assert found[0]["state"] == "ok"


def test_fans_of_the_subsystem_have_both_speeds() -> None:
    docs = [
        {"Id": "Bay1", "Name": "Fan", "SpeedPercent": {"Reading": 45, "SpeedRPM": 2200}, "Status": OK},
        {"Id": "Bay2", "Name": "Fan", "Status": {"State": "Absent"}},
    ]
    found = redfish_thermal.fans_from_subsystem(docs)
    assert [(one["name"], one["rpm"], one["percent"], one["state"]) for one in found] == [
        ("Fan (Bay1)", 2200, 45.0, "ok"),
        ("Fan (Bay2)", None, None, "absent"),
    ]


def test_fans_among_sensors() -> None:
    docs = [
        {"Id": "F1", "Name": "F1", "ReadingType": "Rotational", "Reading": 5000, "Status": OK},
        {"Id": "F2", "Name": "F2", "ReadingType": "Percent", "PhysicalContext": "Fan", "Reading": 40, "SpeedRPM": 3000},
        {"Id": "H", "Name": "Humidity", "ReadingType": "Percent", "PhysicalContext": "Intake", "Reading": 50},
        {"Id": "V", "Name": "12V", "ReadingType": "Voltage", "Reading": 12},
    ]
    found = redfish_thermal.fans_from_sensors(docs)
    assert [(one["name"], one["rpm"], one["percent"]) for one in found] == [("F1", 5000, None), ("F2", 3000, 40.0)]


def test_temperatures_of_the_old_resource() -> None:
    docs = [
        {"Name": "Inlet", "ReadingCelsius": 24.5, "UpperThresholdCritical": 45, "Status": OK},
        {"Name": "GPU", "ReadingCelsius": None, "Status": {"State": "Disabled"}},
    ]
    found = redfish_thermal.temperatures_from_thermal({"Temperatures": docs})
    assert [tuple(one.values()) for one in found] == [("Inlet", 24.5, 45.0, "ok"), ("GPU", None, None, None)]


def test_temperatures_of_metrics_are_named_by_device_or_by_sensor() -> None:
    docs = [
        {"DeviceName": "Intake", "Reading": 24.8, "DataSourceUri": "/redfish/v1/Chassis/1/Sensors/In"},
        {"Reading": 60, "DataSourceUri": "/redfish/v1/Chassis/1/Sensors/GPU_1"},
        {"Reading": 61},
    ]
    found = redfish_thermal.temperatures_from_metrics({"TemperatureReadingsCelsius": docs})
    assert [(one["name"], one["celsius"]) for one in found] == [("Intake", 24.8), ("GPU_1", 60.0), ("2", 61.0)]


def test_temperatures_among_sensors_have_their_threshold() -> None:
    docs = [
        {
            "Id": "T",
            "Name": "HGX GPU SXM 1 TEMP 0",
            "ReadingType": "Temperature",
            "Reading": 34.875,
            "Thresholds": {"UpperCritical": {"Reading": 90}},
            "Status": {"State": "Enabled", "Health": "OK", "HealthRollup": "Warning"},
        },
        {"Id": "P", "Name": "Power", "ReadingType": "Power", "Reading": 700},
    ]
    found = redfish_thermal.temperatures_from_sensors(docs)
    assert [tuple(one.values()) for one in found] == [("HGX GPU SXM 1 TEMP 0", 34.875, 90.0, "ok")]


@pytest.mark.parametrize("broken", [{}, {"Fans": None, "Temperatures": "hot"}, {"Fans": [None], "Temperatures": [[]]}])
def test_a_broken_resource_has_no_devices(broken: dict[str, Any]) -> None:
    assert redfish_thermal.fans_from_thermal(broken) == []
    assert redfish_thermal.temperatures_from_thermal(broken) == []
