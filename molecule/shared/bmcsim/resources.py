# The Redfish documents of a simulated BMC.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""build() gives every document by its path. What is in them is kept right by DMTF's service validator (tests/bmc)."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from .model import RESETS, Bmc

ROOT = "/redfish/v1"
SYSTEM = f"{ROOT}/Systems/1"
BOARD = f"{ROOT}/Systems/HGX_Baseboard_0"
CHASSIS = f"{ROOT}/Chassis/1"
MANAGER = f"{ROOT}/Managers/BMC"
SESSIONS = f"{ROOT}/SessionService/Sessions"
SUBSCRIPTIONS = f"{ROOT}/EventService/Subscriptions"

Doc = dict[str, Any]


def build(bmc: Bmc) -> dict[str, Doc]:
    """Path -> document."""
    docs = _Documents(bmc)
    docs.root()
    docs.services()
    docs.firmware()
    docs.systems()
    docs.logs()
    docs.chassis()
    docs.manager()
    return docs.found


def build_sessions(bmc: Bmc) -> dict[str, Doc]:
    """The same for the sessions, which come and go with each client."""
    docs = _Documents(bmc)
    docs.collection(SESSIONS, "SessionCollection", "Sessions", [f"{SESSIONS}/{key}" for key in bmc.sessions])
    for key in bmc.sessions:
        docs.add(f"{SESSIONS}/{key}", "Session.v1_5_0.Session", "Session", UserName=bmc.username)
    return docs.found


class _Documents:
    def __init__(self, bmc: Bmc) -> None:
        self.bmc = bmc
        self.found: dict[str, Doc] = {}

    def add(self, path: str, kind: str, name: str, **properties: Any) -> None:
        """A resource; its id is the last part of the path, properties that are None are left out."""
        doc = {
            "@odata.id": path,
            "@odata.type": f"#{kind}",
            "Id": path.rpartition("/")[2],
            "Name": name,
        }
        doc.update({key: value for key, value in properties.items() if value is not None})
        self.found[path] = doc

    def collection(self, path: str, kind: str, name: str, members: Iterable[str]) -> None:
        links = [{"@odata.id": member} for member in members]
        self.found[path] = {
            "@odata.id": path,
            "@odata.type": f"#{kind}.{kind}",
            "Name": name,
            "Members": links,
            "Members@odata.count": len(links),
        }

    def status(self, device: str) -> Doc:
        """Status of a device by its id; what is absent has no health."""
        if device in self.bmc.absent:
            return {"State": "Absent"}
        return {"State": "Enabled", "Health": self.bmc.health.get(device, "OK")}

    def identifier(self, what: str) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self.bmc.name}/{self.bmc.serial}/{what}"))

    def root(self) -> None:
        self.add(
            ROOT + "/",
            "ServiceRoot.v1_15_0.ServiceRoot",
            "Root Service",
            Id="RootService",
            RedfishVersion="1.18.0",
            UUID=self.identifier("service"),
            Product="bmcsim",
            ProtocolFeaturesSupported={
                "ExpandQuery": {
                    "ExpandAll": self.bmc.expands,
                    "Levels": self.bmc.expands,
                    "Links": False,
                    "NoLinks": self.bmc.expands,
                    **({"MaxLevels": 1} if self.bmc.expands else {}),
                },
                "FilterQuery": False,
                "SelectQuery": False,
                "OnlyMemberQuery": False,
                "ExcerptQuery": False,
            },
            Systems=_link(f"{ROOT}/Systems"),
            Chassis=_link(f"{ROOT}/Chassis"),
            Managers=_link(f"{ROOT}/Managers"),
            UpdateService=_link(f"{ROOT}/UpdateService"),
            EventService=_link(f"{ROOT}/EventService"),
            SessionService=_link(f"{ROOT}/SessionService") if self.bmc.sessions_offered else None,
            Links={"Sessions": _link(SESSIONS)} if self.bmc.sessions_offered else {},
        )

    def services(self) -> None:
        bmc = self.bmc
        if bmc.sessions_offered:
            self.add(
                f"{ROOT}/SessionService",
                "SessionService.v1_1_8.SessionService",
                "Session Service",
                ServiceEnabled=True,
                SessionTimeout=300,
                Status={"State": "Enabled", "Health": "OK"},
                Sessions=_link(SESSIONS),
            )
        events = f"{ROOT}/EventService"
        self.add(
            events,
            "EventService.v1_9_0.EventService",
            "Event Service",
            ServiceEnabled=True,
            DeliveryRetryAttempts=3,
            DeliveryRetryIntervalSeconds=30,
            Status={"State": "Enabled", "Health": "OK"},
            Subscriptions=_link(SUBSCRIPTIONS),
            Actions={
                "#EventService.SubmitTestEvent": {"target": f"{events}/Actions/EventService.SubmitTestEvent"},
            },
        )
        paths = [f"{SUBSCRIPTIONS}/{key}" for key in bmc.subscriptions]
        self.collection(SUBSCRIPTIONS, "EventDestinationCollection", "Subscriptions", paths)
        for key, subscription in bmc.subscriptions.items():
            self.add(
                f"{SUBSCRIPTIONS}/{key}",
                "EventDestination.v1_13_0.EventDestination",
                "Subscription",
                Destination=subscription["destination"],
                Context=subscription["context"],
                Protocol="Redfish",
                SubscriptionType="RedfishEvent",
                EventFormatType="Event",
            )

    def firmware(self) -> None:
        service = f"{ROOT}/UpdateService"
        inventory = f"{service}/FirmwareInventory"
        versions = {"BMC": self.bmc.firmware, "BIOS": "1.6.7"}
        versions.update({f"PSU{number}": "0.3.1" for number in range(1, self.bmc.supplies + 1)})
        versions.update({f"GPU_SXM_{number}": "96.00.A5.00.01" for number in range(1, self.bmc.gpus + 1)})
        self.add(
            service,
            "UpdateService.v1_12_0.UpdateService",
            "Update Service",
            ServiceEnabled=True,
            Status={"State": "Enabled", "Health": "OK"},
            FirmwareInventory=_link(inventory),
        )
        self.collection(
            inventory, "SoftwareInventoryCollection", "Firmware Inventory", [f"{inventory}/{key}" for key in versions]
        )
        for key, version in versions.items():
            self.add(
                f"{inventory}/{key}",
                "SoftwareInventory.v1_10_0.SoftwareInventory",
                "Software Inventory",
                Version=version,
                Updateable=not key.startswith("PSU"),
                Status={"State": "Enabled", "Health": "OK"},
            )

    def systems(self) -> None:
        bmc = self.bmc
        paths = [SYSTEM] + ([BOARD] if bmc.gpus else [])
        self.collection(f"{ROOT}/Systems", "ComputerSystemCollection", "Computer Systems", paths)
        self.add(
            SYSTEM,
            "ComputerSystem.v1_20_0.ComputerSystem",
            "Server",
            SystemType="Physical",
            Manufacturer=bmc.manufacturer,
            Model=bmc.product,
            SerialNumber=bmc.serial,
            PartNumber="PN-1000",
            AssetTag="",
            HostName=bmc.name,
            UUID=self.identifier("system"),
            PowerState=bmc.power_state,
            BiosVersion="1.6.7",
            Status=self.status("1"),
            ProcessorSummary={
                "Count": bmc.cpus,
                "Model": "Example CPU 8480C",
                "CoreCount": 56 * bmc.cpus,
                "LogicalProcessorCount": 112 * bmc.cpus,
            },
            MemorySummary={"TotalSystemMemoryGiB": bmc.memory_gib},
            Processors=_link(f"{SYSTEM}/Processors"),
            LogServices=_link(f"{SYSTEM}/LogServices"),
            Links={"Chassis": [_link(CHASSIS)], "ManagedBy": [_link(MANAGER)]},
            Actions={
                "#ComputerSystem.Reset": {
                    "target": f"{SYSTEM}/Actions/ComputerSystem.Reset",
                    "ResetType@Redfish.AllowableValues": list(RESETS),
                }
            },
        )
        processors = f"{SYSTEM}/Processors"
        names = [f"CPU{number}" for number in range(1, bmc.cpus + 1)]
        self.collection(processors, "ProcessorCollection", "Processors", [f"{processors}/{name}" for name in names])
        for name in names:
            self.add(
                f"{processors}/{name}",
                "Processor.v1_18_0.Processor",
                "Processor",
                ProcessorType="CPU",
                ProcessorArchitecture="x86",
                InstructionSet="x86-64",
                Manufacturer="Example",
                Model="Example CPU 8480C",
                Socket=name,
                TotalCores=56,
                TotalThreads=112,
                Status=self.status(name),
            )
        if bmc.gpus:
            self.gpus()

    def gpus(self) -> None:
        """The board with the GPUs is a system of its own, without BIOS and serial console."""
        bmc = self.bmc
        processors = f"{BOARD}/Processors"
        self.add(
            BOARD,
            "ComputerSystem.v1_20_0.ComputerSystem",
            "GPU baseboard",
            SystemType="Physical",
            Manufacturer="NVIDIA",
            Model="HGX H100",
            SerialNumber=f"B{bmc.serial}",
            Status=self.status("HGX_Baseboard_0"),
            Processors=_link(processors),
            Links={"ManagedBy": [_link(MANAGER)]},
        )
        names = [f"GPU_SXM_{number}" for number in range(1, bmc.gpus + 1)]
        self.collection(processors, "ProcessorCollection", "Processors", [f"{processors}/{name}" for name in names])
        for number, name in enumerate(names, 1):
            present = name not in bmc.absent
            self.add(
                f"{processors}/{name}",
                "Processor.v1_18_0.Processor",
                "Processor",
                ProcessorType="GPU",
                Manufacturer="NVIDIA" if present else None,
                Model=bmc.gpu_model if present else None,
                SerialNumber=f"{bmc.serial}{number:02}" if present else None,
                PartNumber="2324-865-A1" if present else None,
                UUID=self.identifier(name) if present else None,
                FirmwareVersion="96.00.A5.00.01" if present else None,
                MemorySummary={"TotalMemorySizeMiB": bmc.gpu_memory_mib} if present else None,
                Status=self.status(name),
            )

    def logs(self) -> None:
        services = f"{SYSTEM}/LogServices"
        entries = f"{services}/SEL/Entries"
        self.collection(services, "LogServiceCollection", "Log Services", [f"{services}/SEL"])
        self.add(
            f"{services}/SEL",
            "LogService.v1_4_0.LogService",
            "System Event Log",
            LogEntryType="SEL",
            MaxNumberOfRecords=4096,
            OverWritePolicy="WrapsWhenFull",
            DateTime="2026-11-21T12:00:00+00:00",
            DateTimeLocalOffset="+00:00",
            ServiceEnabled=True,
            Status={"State": "Enabled", "Health": "OK"},
            Entries=_link(entries),
            Actions={"#LogService.ClearLog": {"target": f"{services}/SEL/Actions/LogService.ClearLog"}},
        )
        paths = [f"{entries}/{entry['number']}" for entry in self.bmc.logs]
        self.collection(entries, "LogEntryCollection", "Log Entries", paths)
        for path, entry in zip(paths, self.bmc.logs, strict=True):
            origin = entry["origin"]
            self.add(
                path,
                "LogEntry.v1_15_0.LogEntry",
                f"Log Entry {entry['number']}",
                EntryType="SEL",
                Created=entry["created"],
                Severity=entry["severity"],
                Message=entry["message"],
                SensorType=entry["sensor_type"],
                Links={"OriginOfCondition": _link(origin)} if origin else None,
            )
        # The standard has the entries in their collection, not only links to them.
        self.found[entries]["Members"] = [self.found[path] for path in paths]

    def chassis(self) -> None:
        bmc = self.bmc
        self.collection(f"{ROOT}/Chassis", "ChassisCollection", "Chassis", [CHASSIS])
        old, new = bmc.style in ("old", "both"), bmc.style in ("new", "both")
        self.add(
            CHASSIS,
            "Chassis.v1_23_0.Chassis",
            "Chassis",
            ChassisType="RackMount",
            Manufacturer=bmc.manufacturer,
            Model=bmc.product,
            SerialNumber=f"C{bmc.serial}",
            PartNumber="CH-1000",
            PowerState=bmc.power_state,
            Status=self.status("Chassis"),
            Power=_link(f"{CHASSIS}/Power") if old else None,
            Thermal=_link(f"{CHASSIS}/Thermal") if old else None,
            PowerSubsystem=_link(f"{CHASSIS}/PowerSubsystem") if new else None,
            ThermalSubsystem=_link(f"{CHASSIS}/ThermalSubsystem") if new else None,
            Sensors=_link(f"{CHASSIS}/Sensors"),
            Links={"ComputerSystems": [_link(SYSTEM)], "ManagedBy": [_link(MANAGER)]},
        )
        if old:
            self.power_and_thermal()
        if new:
            self.power_subsystem()
            self.thermal_subsystem()
        self.sensors()

    def power_and_thermal(self) -> None:
        bmc = self.bmc
        power, thermal = f"{CHASSIS}/Power", f"{CHASSIS}/Thermal"
        supplies = []
        for number in range(1, bmc.supplies + 1):
            present = f"PSU{number}" not in bmc.absent
            supplies.append(
                {
                    "@odata.id": f"{power}#/PowerSupplies/{number - 1}",
                    "MemberId": str(number - 1),
                    "Name": f"PSU{number}",
                    "Status": self.status(f"PSU{number}"),
                    "PowerCapacityWatts": 3300 if present else None,
                    "PowerInputWatts": 1210.5 if present else None,
                    "PowerOutputWatts": 1130 if present else None,
                    "Model": "PSU-3300" if present else None,
                    "SerialNumber": f"{bmc.serial}P{number}" if present else None,
                    "FirmwareVersion": "0.3.1" if present else None,
                }
            )
        self.add(power, "Power.v1_7_1.Power", "Power", PowerSupplies=supplies)
        fans = [
            {
                "@odata.id": f"{thermal}#/Fans/{number - 1}",
                "MemberId": str(number - 1),
                "Name": f"FAN{number}",
                "Reading": 8000 + number,
                "ReadingUnits": "RPM",
                "Status": self.status(f"FAN{number}"),
            }
            for number in range(1, bmc.fans + 1)
        ]
        temperatures = [
            {
                "@odata.id": f"{thermal}#/Temperatures/{number}",
                "MemberId": str(number),
                "Name": name,
                "ReadingCelsius": celsius,
                "UpperThresholdCritical": 90,
                "Status": self.status(name),
            }
            for number, (name, celsius) in enumerate(self.temperatures())
        ]
        self.add(thermal, "Thermal.v1_7_1.Thermal", "Thermal", Fans=fans, Temperatures=temperatures)

    def power_subsystem(self) -> None:
        bmc = self.bmc
        subsystem = f"{CHASSIS}/PowerSubsystem"
        supplies = f"{subsystem}/PowerSupplies"
        names = [f"PSU{number}" for number in range(1, bmc.supplies + 1)]
        self.add(
            subsystem,
            "PowerSubsystem.v1_1_1.PowerSubsystem",
            "Power Subsystem",
            CapacityWatts=3300 * bmc.supplies,
            Status=self.status("PowerSubsystem"),
            PowerSupplies=_link(supplies),
        )
        self.collection(supplies, "PowerSupplyCollection", "Power Supplies", [f"{supplies}/{name}" for name in names])
        for number, name in enumerate(names, 1):
            present = name not in bmc.absent
            self.add(
                f"{supplies}/{name}",
                "PowerSupply.v1_5_1.PowerSupply",
                name,
                Model="PSU-3300" if present else None,
                SerialNumber=f"{bmc.serial}P{number}" if present else None,
                FirmwareVersion="0.3.1" if present else None,
                PowerCapacityWatts=3300 if present else None,
                Status=self.status(name),
                Metrics=_link(f"{supplies}/{name}/Metrics") if present else None,
            )
            if present:
                self.add(
                    f"{supplies}/{name}/Metrics",
                    "PowerSupplyMetrics.v1_0_2.PowerSupplyMetrics",
                    f"Metrics of {name}",
                    InputPowerWatts={"Reading": 1210.5, "DataSourceUri": f"{CHASSIS}/Sensors/{name}_Input"},
                    OutputPowerWatts={"Reading": 1130},
                )

    def thermal_subsystem(self) -> None:
        bmc = self.bmc
        subsystem = f"{CHASSIS}/ThermalSubsystem"
        names = [f"FAN{number}" for number in range(1, bmc.fans + 1)]
        self.add(
            subsystem,
            "ThermalSubsystem.v1_3_0.ThermalSubsystem",
            "Thermal Subsystem",
            Status=self.status("ThermalSubsystem"),
            Fans=_link(f"{subsystem}/Fans"),
            ThermalMetrics=_link(f"{subsystem}/ThermalMetrics"),
        )
        self.collection(f"{subsystem}/Fans", "FanCollection", "Fans", [f"{subsystem}/Fans/{name}" for name in names])
        for number, name in enumerate(names, 1):
            speed = {
                "Reading": 55,
                "SpeedRPM": 8000 + number,
                "DataSourceUri": f"{CHASSIS}/Sensors/{name}",
            }
            self.add(
                f"{subsystem}/Fans/{name}",
                "Fan.v1_5_0.Fan",
                name,
                SpeedPercent=None if name in bmc.absent else speed,
                Status=self.status(name),
            )
        readings = [
            {"DeviceName": name, "Reading": celsius, "DataSourceUri": f"{CHASSIS}/Sensors/{name}"}
            for name, celsius in self.temperatures()
        ]
        self.add(
            f"{subsystem}/ThermalMetrics",
            "ThermalMetrics.v1_3_0.ThermalMetrics",
            "Thermal Metrics",
            TemperatureReadingsCelsius=readings,
        )

    def sensors(self) -> None:
        bmc = self.bmc
        found: list[tuple[str, Doc]] = [
            (
                name,
                {
                    "ReadingType": "Temperature",
                    "ReadingUnits": "Cel",
                    "Reading": celsius,
                    "Thresholds": {"UpperCritical": {"Reading": 90, "Activation": "Increasing"}},
                },
            )
            for name, celsius in self.temperatures()
        ]
        found += [
            (
                f"FAN{number}",
                {
                    "ReadingType": "Percent",
                    "ReadingUnits": "%",
                    "Reading": 55,
                    "SpeedRPM": 8000 + number,
                    "PhysicalContext": "Fan",
                },
            )
            for number in range(1, bmc.fans + 1)
        ]
        found += [
            (f"PSU{number}_Input", {"ReadingType": "Power", "ReadingUnits": "W", "Reading": 1210.5})
            for number in range(1, bmc.supplies + 1)
            if f"PSU{number}" not in bmc.absent
        ]
        paths = [f"{CHASSIS}/Sensors/{name}" for name, _doc in found]
        self.collection(f"{CHASSIS}/Sensors", "SensorCollection", "Sensors", paths)
        for path, (name, properties) in zip(paths, found, strict=True):
            self.add(path, "Sensor.v1_7_0.Sensor", name, Status=self.status(name), **properties)

    def temperatures(self) -> list[tuple[str, float]]:
        found = [("Inlet_Temp", 24.5)] + [(f"CPU{number}_Temp", 51) for number in range(1, self.bmc.cpus + 1)]
        return found + [(f"GPU_SXM_{number}_Temp", 62) for number in range(1, self.bmc.gpus + 1)]

    def manager(self) -> None:
        bmc = self.bmc
        self.collection(f"{ROOT}/Managers", "ManagerCollection", "Managers", [MANAGER])
        self.add(
            MANAGER,
            "Manager.v1_18_0.Manager",
            "BMC",
            ManagerType="BMC",
            Manufacturer=bmc.manufacturer,
            Model="BMC-2600",
            FirmwareVersion=bmc.firmware,
            UUID=self.identifier("manager"),
            ServiceEntryPointUUID=self.identifier("service"),
            PowerState="On",
            Status={"State": "Enabled", "Health": "OK"},
            EthernetInterfaces=_link(f"{MANAGER}/EthernetInterfaces"),
            Links={"ManagerForServers": [_link(SYSTEM)], "ManagerForChassis": [_link(CHASSIS)]},
            Actions={
                "#Manager.Reset": {
                    "target": f"{MANAGER}/Actions/Manager.Reset",
                    "ResetType@Redfish.AllowableValues": ["GracefulRestart", "ForceRestart"],
                }
            },
        )
        interfaces = f"{MANAGER}/EthernetInterfaces"
        self.collection(
            interfaces,
            "EthernetInterfaceCollection",
            "Ethernet Interfaces",
            [f"{interfaces}/{name}" for name in ("hostusb0", "eth0")],
        )
        # As on many servers, the first one is the internal one to the host.
        for name, address, mac in (("hostusb0", "169.254.3.1", "02:00:5e:00:00:01"), ("eth0", bmc.address, bmc.mac)):
            self.add(
                f"{interfaces}/{name}",
                "EthernetInterface.v1_9_0.EthernetInterface",
                name,
                InterfaceEnabled=True,
                MACAddress=mac,
                IPv4Addresses=[{"Address": address, "AddressOrigin": "Static", "SubnetMask": "255.255.255.0"}],
                Status={"State": "Enabled", "Health": "OK"},
            )


def _link(path: str) -> Doc:
    return {"@odata.id": path}
