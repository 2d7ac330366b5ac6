# Decides which documents of a Redfish service are read for which part, and reads them.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What cannot be read becomes a problem of its part; the rest goes on. The client is an argument, so tests fake it."""

from __future__ import annotations

import typing as t

from . import redfish_logs, redfish_manager
from .bmc_errors import PartError
from .bmc_parts import Chassis, Problems, Service, problem
from .redfish_values import Doc, link, mapping, objects, whole

MAX_MEMBERS = 20000
MAX_PAGES = 1000
# A BMC that let this many requests run into their limit is given up: each more would cost as long again.
_MAX_SILENT = 3

_LEVEL = "?$expand=.($levels=1)"


class Client(t.Protocol):
    """What is needed of RedfishClient."""

    root: Doc

    def get(self, path: str) -> tuple[Doc, bool]: ...


class _GivenUp(Exception):
    """The BMC no longer answers; what was read so far is reported."""


def read_service(client: Client, parts: t.Collection[str]) -> tuple[Service, Problems, Problems]:
    """Return the documents that the parts need, what could not be read, and what was read but looks damaged."""
    walk = _Walk(client)
    try:
        walk.read(parts)
    except _GivenUp:
        walk.add("bmc", None, "the BMC stopped answering; what was not read by then is missing")
    return walk.service, walk.problems, walk.damages


class _Walk:
    def __init__(self, client: Client) -> None:
        self.service = Service()
        self.problems: Problems = []
        self.damages: Problems = []
        self._client = client
        self._silent = 0
        self._expands = _can_expand(client.root)

    def read(self, parts: t.Collection[str]) -> None:
        """Read part after part; each is kept as soon as it is complete."""
        if "system" in parts or "events" in parts:
            self._keep(systems=self._root_members("system", "Systems"))
        if "system" in parts:
            self._keep(processors=self._processors())
        if "bmc" in parts or "events" in parts:
            self._keep(managers=self._root_members("bmc", "Managers"))
        if "bmc" in parts:
            self._keep(interfaces=self._interfaces())
        if "chassis" in parts or "power" in parts or "thermal" in parts:
            self._read_chassis(parts)
        if "firmware" in parts:
            self._keep(firmware=self._firmware())
        if "events" in parts:
            self._keep(logs=self._logs())

    def add(self, part: str, device: str | None, message: str) -> None:
        self.problems.append(problem(part, device, message))

    def _keep(self, **fields: t.Any) -> None:
        self.service = self.service._replace(**fields)

    # One document, one collection.

    def _get(self, part: str, path: str, report: bool = True) -> Doc | None:
        """Return a document; None, and a problem where C(report), if it cannot be read."""
        try:
            doc, proper = self._client.get(path)
        except PartError as exc:
            if report or exc.silent:
                self.add(part, path, str(exc))
            self._count(exc)
            return None
        if not proper:
            text = "some bytes are not UTF-8 text; they are shown as \N{REPLACEMENT CHARACTER}"
            self.damages.append(problem(part, path, text))
        return doc

    def _count(self, exc: PartError) -> None:
        if not exc.silent:
            return
        self._silent += 1
        if self._silent >= _MAX_SILENT:
            raise _GivenUp

    def _members(self, part: str, path: str | None) -> list[Doc] | None:
        """Return the members of a collection as documents; None if the collection cannot be read.

        Members that a collection announces but does not give are a problem: a list that is short looks like an answer.
        """
        if path is None:
            return None
        found: list[Doc] = []
        pages: set[str] = set()
        seen: set[str] = set()
        announced: int | None = None
        following: str | None = path
        while following:
            if following in pages or len(pages) >= MAX_PAGES:
                self.add(part, path, "the pages of this collection have no end; the rest is missing")
                break
            pages.add(following)
            page = self._page(part, following)
            if page is None:
                # Half a list is no list.
                return None if len(pages) == 1 else found
            announced = _larger(announced, whole(page.get("Members@odata.count")))
            for member in objects(page.get("Members")):
                key = str(member.get("@odata.id", len(seen)))
                if key not in seen:
                    seen.add(key)
                    self._add_member(part, member, found)
            if len(seen) > MAX_MEMBERS:
                self.add(part, path, f"more than {MAX_MEMBERS} members; the rest is missing")
                return found
            following = _next_page(page)
        if announced is not None and announced > len(seen):
            self.add(part, path, f"the collection announces {announced} members and gives {len(seen)}")
        return found

    def _page(self, part: str, path: str) -> Doc | None:
        if self._expands and "?" not in path:
            page = self._get(part, path + _LEVEL, report=False)
            if page is not None and isinstance(page.get("Members"), list):
                return page
            # Announced, and not done: many services get this wrong, so it is not asked again.
            self._expands = False
        page = self._get(part, path)
        if page is not None and not isinstance(page.get("Members"), list):
            self.add(part, path, "this is no collection: it has no list of members")
            return None
        return page

    def _add_member(self, part: str, member: Doc, found: list[Doc]) -> None:
        # A link has nothing but its path; entries of logs, and all members of an expanded collection, are complete.
        if any(not key.startswith("@odata.") for key in member):
            found.append(member)
            return
        path = link(member)
        if path is None:
            self.add(part, None, f"a member with an unusable link: {str(member)[:200]!r}")
            return
        doc = self._get(part, path)
        if doc is not None:
            found.append(doc)

    def _root_members(self, part: str, name: str) -> list[Doc] | None:
        path = link(self._client.root.get(name))
        if path is None:
            self.add(part, None, f"the service root has no {name}")
        return self._members(part, path)

    # The parts.

    def _processors(self) -> list[list[Doc] | None]:
        """Return the processors of each system: GPUs may belong to a system of their own."""
        return [self._members("system", link(system.get("Processors"))) for system in self.service.systems or []]

    def _interfaces(self) -> list[Doc] | None:
        managers = self.service.managers or []
        chosen = redfish_manager.choose(managers)
        if chosen is None:
            return None
        return self._members("bmc", link(managers[chosen].get("EthernetInterfaces")))

    def _read_chassis(self, parts: t.Collection[str]) -> None:
        docs = self._root_members("chassis", "Chassis")
        if docs is None:
            return
        every = [Chassis(doc) for doc in docs]
        self._keep(chassis=every)
        for position, chassis in enumerate(every):
            if "power" in parts:
                every[position] = chassis = self._power(chassis)
            if "thermal" in parts:
                every[position] = self._thermal(chassis)

    def _power(self, chassis: Chassis) -> Chassis:
        """Read the power supplies: the old resource has all in one document, so it goes first."""
        old, new = link(chassis.doc.get("Power")), link(chassis.doc.get("PowerSubsystem"))
        power = self._get("power", old, report=new is None) if old else None
        if power is not None:
            return chassis._replace(power=power)
        subsystem = self._get("power", new) if new else None
        if subsystem is None:
            return chassis
        path = link(subsystem.get("PowerSupplies"))
        supplies = self._members("power", path) if path else []
        if supplies is None:
            return chassis
        links = [link(supply.get("Metrics")) for supply in supplies]
        metrics = [self._get("power", path) if path else None for path in links]
        return chassis._replace(supplies=supplies, supply_metrics=metrics)

    def _thermal(self, chassis: Chassis) -> Chassis:
        """Read fans and temperatures: old resource, newer subsystem, or the sensors of a chassis that has neither."""
        old, new = link(chassis.doc.get("Thermal")), link(chassis.doc.get("ThermalSubsystem"))
        thermal = self._get("thermal", old, report=new is None) if old else None
        if thermal is not None:
            return chassis._replace(thermal=thermal)
        subsystem = self._get("thermal", new) if new else None
        if subsystem is not None:
            metrics = link(subsystem.get("ThermalMetrics"))
            chassis = chassis._replace(
                fans=self._members("thermal", link(subsystem.get("Fans"))),
                thermal_metrics=self._get("thermal", metrics) if metrics else None,
            )
        if not objects(mapping(chassis.thermal_metrics).get("TemperatureReadingsCelsius")):
            chassis = chassis._replace(sensors=self._members("thermal", link(chassis.doc.get("Sensors"))))
        return chassis

    def _firmware(self) -> list[Doc] | None:
        path = link(self._client.root.get("UpdateService"))
        service = self._get("firmware", path) if path else None
        return self._members("firmware", link(mapping(service).get("FirmwareInventory")))

    def _logs(self) -> list[tuple[Doc, list[Doc]]] | None:
        """Return the logs of systems and managers with their entries."""
        owners = (self.service.systems or []) + (self.service.managers or [])
        paths = [link(owner.get("LogServices")) for owner in owners]
        lists = [self._members("events", path) for path in dict.fromkeys(paths) if path]
        known = [found for found in lists if found is not None]
        if not known:
            return None
        logs = []
        for service in [doc for found in known for doc in found if redfish_logs.wanted(doc)]:
            entries = self._members("events", link(service.get("Entries")))
            if entries is not None:
                logs.append((service, entries))
        return logs


def _can_expand(root: Doc) -> bool:
    """Tell whether the service gives the members of a collection in one answer."""
    query = mapping(mapping(root.get("ProtocolFeaturesSupported")).get("ExpandQuery"))
    return query.get("NoLinks") is True and query.get("Levels") is True


def _next_page(page: Doc) -> str | None:
    return link({"@odata.id": page.get("Members@odata.nextLink")})


def _larger(one: int | None, other: int | None) -> int | None:
    return other if one is None else (one if other is None else max(one, other))
