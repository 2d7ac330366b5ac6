# Turns the answers of a BMC, Redfish documents or texts of ipmitool, into the parts that bmc_info reports.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: nothing is asked here. A part that was not asked for, or that nobody could ask, is None; [] is an answer."""

from __future__ import annotations

import typing as t

from . import ipmi_events, ipmi_inventory, ipmi_sensors, redfish_logs, redfish_manager, redfish_power, redfish_thermal
from .redfish_system import hosts, parse_system, processors_of
from .redfish_values import Doc, clean, identity, known, number_equal_names, state

PARTS = ("system", "chassis", "power", "thermal", "firmware", "events", "bmc")
"""What can be asked for; C(thermal) gives fans and temperatures, C(power) the power supplies."""

RESULTS = ("system", "chassis", "power_supplies", "fans", "temperatures", "firmware", "events", "bmc")

Problems = t.List[t.Dict[str, t.Any]]


class Service(t.NamedTuple):
    """The Redfish documents of one BMC; None in place of a list: nobody could ask, or nobody wanted to know."""

    systems: list[Doc] | None = None
    processors: list[list[Doc] | None] | None = None
    """Those of each system, in the order of the systems."""
    chassis: list[Chassis] | None = None
    managers: list[Doc] | None = None
    interfaces: list[Doc] | None = None
    firmware: list[Doc] | None = None
    logs: list[tuple[Doc, list[Doc]]] | None = None


class Chassis(t.NamedTuple):
    """The documents of one chassis, from the old resources or from the newer ones, whichever it has."""

    doc: Doc
    power: Doc | None = None
    supplies: list[Doc] | None = None
    supply_metrics: list[Doc | None] | None = None
    thermal: Doc | None = None
    fans: list[Doc] | None = None
    thermal_metrics: Doc | None = None
    sensors: list[Doc] | None = None


class Texts(t.NamedTuple):
    """What ipmitool printed; None where it was not asked or failed."""

    mc_info: str | None = None
    lan: str | None = None
    fru: str | None = None
    chassis_status: str | None = None
    sensors: str | None = None
    events: str | None = None


def problem(part: str, device: str | None, message: str) -> dict[str, t.Any]:
    """Return one entry of C(problems)."""
    return {"part": part, "device": device, "message": message}


def nothing() -> dict[str, t.Any]:
    """Return the answer in which every part is unknown."""
    answer: dict[str, t.Any] = dict.fromkeys(RESULTS)
    answer["problems"] = []
    return answer


def from_redfish(service: Service, address: str | None, max_events: int) -> dict[str, t.Any]:
    """Return the parts of a BMC that was asked through Redfish at C(address)."""
    answer = nothing()
    problems: Problems = answer["problems"]
    manufacturer = None
    if service.systems:
        found = hosts(service.systems)
        if len(found) > 1:
            names = ", ".join(str(identity(service.systems[position])) for position in found)
            text = f"this BMC manages several servers ({names}); only the first one is reported"
            problems.append(problem("system", None, text))
        own = None if service.processors is None else processors_of(found[0], found, service.processors)
        answer["system"] = parse_system(service.systems[found[0]], own)
        manufacturer = answer["system"]["manufacturer"]
    if service.chassis is not None:
        answer["chassis"] = [_chassis(chassis.doc) for chassis in service.chassis]
        answer["power_supplies"] = _supplies(service.chassis)
        answer["fans"] = _fans(service.chassis)
        answer["temperatures"] = _temperatures(service.chassis)
    chosen = redfish_manager.choose(service.managers or [])
    if service.managers and chosen is not None:
        answer["bmc"] = redfish_manager.parse_bmc(service.managers[chosen], service.interfaces, address, manufacturer)
    if service.firmware is not None:
        answer["firmware"] = redfish_manager.parse_firmware(service.firmware)
    if service.logs is not None:
        every = [event for log, entries in service.logs for event in redfish_logs.parse_events(identity(log), entries)]
        answer["events"] = redfish_logs.newest(every, max_events)
    return answer


def from_ipmi(texts: Texts, address: str | None, max_events: int) -> dict[str, t.Any]:
    """Return the parts of a BMC that was asked through IPMI; C(address) is None in band."""
    answer = nothing()
    devices = ipmi_inventory.fru_devices(texts.fru or "")
    if texts.fru is not None or texts.chassis_status is not None:
        answer["system"] = ipmi_inventory.parse_system(devices, texts.chassis_status or "")
    if texts.fru is not None:
        answer["chassis"] = ipmi_inventory.parse_chassis(devices)
    if texts.sensors is not None:
        sensors = ipmi_sensors.parse_sensors(texts.sensors)
        answer["power_supplies"] = ipmi_sensors.power_supplies(sensors, ipmi_inventory.supply_frus(devices))
        answer["fans"] = ipmi_sensors.fans(sensors)
        answer["temperatures"] = ipmi_sensors.temperatures(sensors)
    if texts.mc_info is not None:
        answer["bmc"] = ipmi_inventory.parse_bmc(texts.mc_info, texts.lan or "", address)
        answer["firmware"] = [{"name": "BMC", "version": answer["bmc"]["firmware"], "updateable": None}]
    if texts.events is not None:
        answer["events"] = redfish_logs.newest(ipmi_events.parse_events(texts.events), max_events)
    return answer


def only(answer: t.Mapping[str, t.Any], parts: t.Collection[str]) -> dict[str, t.Any]:
    """Return the answer with the parts that were not asked for set to None."""
    wanted = set(parts) - {"power", "thermal"}
    if "power" in parts:
        wanted.add("power_supplies")
    if "thermal" in parts:
        wanted.update(("fans", "temperatures"))
    kept = {name: answer[name] if name in wanted else None for name in RESULTS}
    kept["problems"] = list(answer["problems"])
    return kept


def _chassis(doc: Doc) -> dict[str, t.Any]:
    return {
        "id": identity(doc),
        "type": known(doc.get("ChassisType")),
        "manufacturer": known(doc.get("Manufacturer")),
        "model": known(doc.get("Model")),
        "serial": known(doc.get("SerialNumber")),
        "part_number": known(doc.get("PartNumber")),
        "asset_tag": known(doc.get("AssetTag")),
        "state": state(doc.get("Status")),
    }


def _collect(chassis: t.Sequence[Chassis], read: t.Callable[[Chassis], t.Any]) -> t.Any:
    """Return the devices of all chassis, told apart by chassis where names repeat; None if no chassis tells any."""
    items: list[dict[str, t.Any]] = []
    hints: list[str | None] = []
    asked = False
    for one in chassis:
        found = read(one)
        if found is not None:
            asked = True
            items.extend(found)
            hints.extend([clean(identity(one.doc))] * len(found))
    return number_equal_names(items, hints) if asked else None


def _supplies(chassis: t.Sequence[Chassis]) -> t.Any:
    def read(one: Chassis) -> t.Any:
        if one.power is not None:
            return redfish_power.from_power(one.power)
        if one.supplies is not None:
            return redfish_power.from_subsystem(one.supplies, one.supply_metrics or [None] * len(one.supplies))
        return None

    return _collect(chassis, read)


def _fans(chassis: t.Sequence[Chassis]) -> t.Any:
    def read(one: Chassis) -> t.Any:
        if one.thermal is not None:
            return redfish_thermal.fans_from_thermal(one.thermal)
        if one.fans is not None:
            return redfish_thermal.fans_from_subsystem(one.fans)
        return None if one.sensors is None else redfish_thermal.fans_from_sensors(one.sensors)

    return _collect(chassis, read)


def _temperatures(chassis: t.Sequence[Chassis]) -> t.Any:
    def read(one: Chassis) -> t.Any:
        if one.thermal is not None:
            return redfish_thermal.temperatures_from_thermal(one.thermal)
        if one.sensors is not None:
            return redfish_thermal.temperatures_from_sensors(one.sensors)
        if one.thermal_metrics is not None:
            return redfish_thermal.temperatures_from_metrics(one.thermal_metrics)
        return None

    return _collect(chassis, read)
