#!/usr/bin/env python3
# Writes down what DMTF's Redfish schemas say about the documents of our BMC simulator.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Usage: python3 tools/redfish_facts.py CSDL_DIR

CSDL_DIR is the folder csdl/ of DMTF's schema bundle DSP8010 (https://www.dmtf.org/dsp/DSP8010), which is not ours to
ship and which a build without Internet cannot fetch. The table tests/bmc/redfish_facts.json holds only facts of it,
and only those that the simulator's documents touch: names of types, properties, enumeration values and their rules.
The check "bmc" turns the table back into schema files and runs DMTF's redfish-service-validator with them.

Run this when the simulator has documents or properties of a new kind; the validator tells.
"""

from __future__ import annotations

import json
import re
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "tests" / "bmc" / "redfish_facts.json"
sys.path.insert(0, str(ROOT / "molecule" / "shared"))

from bmcsim.model import STYLES, Bmc
from bmcsim.resources import build, build_sessions

EDM = "{http://docs.oasis-open.org/odata/ns/edm}"
EDMX = "{http://docs.oasis-open.org/odata/ns/edmx}"
_CAPABILITIES = {"Insertable": "POST", "Updatable": "PATCH", "Deletable": "DELETE"}

Facts = dict[str, Any]


def documents() -> list[tuple[str, Facts]]:
    """Paths and documents of every kind that the simulator can serve."""
    found: list[tuple[str, Facts]] = []
    for style in STYLES:
        bmc = Bmc("gpu1", style=style, absent={"PSU2", "GPU_SXM_3"}, health={"FAN1": "Warning", "FAN2": "Critical"})
        bmc.add_event("Critical", "text", sensor_type="Power Supply / Converter", origin="/redfish/v1/Chassis/1")
        bmc.subscribe("https://192.0.2.1/", "context")
        bmc.log_in(bmc.username, bmc.password)
        found += [*build(bmc).items(), *build_sessions(bmc).items()]
    return found


class Schemas:
    """The schema files, by namespace."""

    def __init__(self, folder: Path) -> None:
        self.elements: dict[str, list[ElementTree.Element]] = {}
        for path in sorted(folder.glob("*.xml")):
            for schema in ElementTree.parse(path).getroot().iter(f"{EDM}Schema"):  # noqa: S314 - DMTF's own files
                self.elements.setdefault(schema.attrib["Namespace"], []).extend(schema)

    def find(self, name: str) -> ElementTree.Element | None:
        """A type by its full name."""
        namespace, _dot, short = name.rpartition(".")
        for element in self.elements.get(namespace, []):
            if element.get("Name") == short and element.tag != f"{EDM}Action":
                return element
        return None

    def versions(self, name: str) -> Iterator[str]:
        """The full names of a type in all versions of its schema."""
        root, short = name.split(".")[0], name.rpartition(".")[2]
        for namespace in self.elements:
            if namespace.split(".")[0] == root and self.find(f"{namespace}.{short}") is not None:
                yield f"{namespace}.{short}"


class Collector:
    """Follows the types of the documents through the schemas and keeps what the documents touch."""

    def __init__(self, schemas: Schemas, docs: list[tuple[str, Facts]]) -> None:
        self.schemas = schemas
        self.table: dict[str, dict[str, Facts]] = {}
        self.paths = [path for path, _doc in docs]
        self.keys: set[str] = set()
        self.texts: set[str] = set()
        self.newest: dict[str, tuple[int, ...]] = {}
        for _path, doc in docs:
            self._look(doc)
            kind = str(doc["@odata.type"])[1:]
            self.newest[kind.split(".")[0]] = _version(kind)
        for _path, doc in docs:
            self.add(str(doc["@odata.type"])[1:])

    def _look(self, value: Any) -> None:
        if isinstance(value, dict):
            self.keys.update(key.partition("@")[0].lstrip("#").rpartition(".")[2] for key in value)
            for item in value.values():
                self._look(item)
        elif isinstance(value, list):
            for item in value:
                self._look(item)
        elif isinstance(value, str):
            self.texts.add(value)

    def add(self, name: str) -> None:
        """Keep a type, the types that it builds on and the types of its properties."""
        namespace, _dot, short = name.rpartition(".")
        if name.startswith("Edm.") or short in self.table.get(namespace, {}):
            return
        element = self.schemas.find(name)
        if element is None:
            raise SystemExit(f"redfish_facts: the schemas have no {name}")
        facts: Facts = {"kind": element.tag.removeprefix(EDM)}
        self.table.setdefault(namespace, {})[short] = facts
        if facts["kind"] == "EnumType":
            facts["values"] = [m.attrib["Name"] for m in element.iter(f"{EDM}Member") if m.attrib["Name"] in self.texts]
            return
        if facts["kind"] == "TypeDefinition":
            facts.update(self._type_definition(element))
            return
        facts.update(_annotations(element))
        if "uris" in facts:
            facts["uris"] = [uri for uri in facts["uris"] if any(_matches(uri, path) for path in self.paths)]
        for attribute in ("BaseType", "Abstract"):
            if attribute in element.attrib:
                facts[attribute] = element.attrib[attribute]
        facts["properties"] = {}
        for child in element:
            if child.tag in (f"{EDM}Property", f"{EDM}NavigationProperty"):
                self._property(child, facts["properties"])
        if "BaseType" in facts:
            self.add(facts["BaseType"])
        self._actions(namespace)

    def _type_definition(self, element: ElementTree.Element) -> Facts:
        facts = {"UnderlyingType": element.attrib["UnderlyingType"], **_annotations(element)}
        members = [
            value.attrib["String"]
            for value in element.iter(f"{EDM}PropertyValue")
            if value.get("Property") == "Member" and value.get("String") in self.texts
        ]
        return {**facts, "members": members} if members else facts

    def _property(self, child: ElementTree.Element, properties: Facts) -> None:
        facts = _annotations(child)
        if child.attrib["Name"] not in self.keys and "required" not in facts:
            return
        facts["type"] = child.attrib["Type"]
        if child.get("Nullable") == "false":
            facts["null"] = False
        if child.tag == f"{EDM}NavigationProperty":
            facts["navigation"] = True
        properties[child.attrib["Name"]] = facts
        inner = _inner(facts["type"])
        self.add(inner)
        # The validator takes the newest version of a type that is not newer than the document.
        limit = self.newest.get(inner.split(".")[0])
        fitting = [name for name in self.schemas.versions(inner) if limit is None or _version(name) <= limit]
        if fitting and ("navigation" not in facts or "ExcerptCopy" in facts or "expand" in facts):
            self.add(max(fitting, key=_version))

    def _actions(self, namespace: str) -> None:
        root = namespace.split(".")[0]
        for element in self.schemas.elements.get(root, []):
            if element.tag == f"{EDM}Action" and element.attrib["Name"] in self.keys:
                self.table.setdefault(root, {})[element.attrib["Name"]] = {"kind": "Action", **_annotations(element)}


def shorten(table: dict[str, dict[str, Facts]], roots: Iterable[str]) -> dict[str, dict[str, Facts]]:
    """The table without what no document reaches, and without versions of a type that only pass something on."""
    types = {f"{namespace}.{name}": facts for namespace, names in table.items() for name, facts in names.items()}
    named = set(roots)
    for facts in types.values():
        named.update(_inner(item["type"]) for item in facts.get("properties", {}).values())
    kept: dict[str, Facts] = {}

    def keep(name: str) -> None:
        if name in kept or name not in types:
            return
        facts = kept[name] = types[name]
        base = facts.get("BaseType")
        while base in types and base not in named and _version(base) and base.split(".")[0] == name.split(".")[0]:
            facts["properties"] = {**types[base]["properties"], **facts["properties"]}
            base = types[base].get("BaseType")
        if base:
            facts["BaseType"] = base
            keep(base)
        for item in facts.get("properties", {}).values():
            keep(_inner(item["type"]))
            for other in _namesakes(_inner(item["type"]), types):
                if other in named or _version(other) == max(map(_version, _namesakes(other, types))):
                    keep(other)

    for name in named & set(roots):
        keep(name)
    for name, facts in types.items():
        if facts["kind"] == "Action":
            kept[name] = facts
    result: dict[str, dict[str, Facts]] = {}
    # The validator takes the last of several versions that fit.
    for name, facts in sorted(kept.items(), key=lambda item: (item[0].split(".")[0], _version(item[0]), item[0])):
        namespace, _dot, short = name.rpartition(".")
        result.setdefault(namespace, {})[short] = facts
    return result


def _namesakes(name: str, types: Iterable[str]) -> list[str]:
    """The versions of one type."""
    root, short = name.split(".")[0], name.rpartition(".")[2]
    return [other for other in types if other.split(".")[0] == root and other.rpartition(".")[2] == short]


def _inner(kind: str) -> str:
    return re.sub(r"^Collection\((.*)\)$", r"\1", kind)


def _version(name: str) -> tuple[int, ...]:
    found = re.search(r"\.v([0-9]+)_([0-9]+)_([0-9]+)\.", name)
    return tuple(int(part) for part in found.groups()) if found else ()


def _matches(uri: str, path: str) -> bool:
    return re.fullmatch(re.sub(r"\{[A-Za-z0-9]+\}", "[^/]+", uri), path.rstrip("/")) is not None


def _annotations(element: ElementTree.Element) -> Facts:
    """The rules that stand directly at an element, without its descriptions."""
    facts: Facts = {}
    for annotation in element:
        if annotation.tag != f"{EDM}Annotation":
            continue
        term = annotation.attrib["Term"].rpartition(".")[2]
        if term == "Required":
            facts["required"] = True
        elif term == "AutoExpand":
            facts["expand"] = True
        elif term == "Pattern":
            facts["pattern"] = annotation.attrib["String"]
        elif term in ("Minimum", "Maximum"):
            facts[term.lower()] = int(annotation.attrib["Int"])
        elif term in ("ExcerptCopy", "Excerpt", "ExcerptCopyOnly"):
            facts[term] = annotation.get("String", "")
        elif term == "Uris":
            facts["uris"] = [item.text for item in annotation.iter(f"{EDM}String")]
        elif term == "Revisions":
            facts.update(_revisions(annotation))
        elif annotation.attrib["Term"].startswith("Capabilities."):
            allowed = facts.setdefault("methods", [])
            allowed += [
                _CAPABILITIES[value.attrib["Property"]]
                for value in annotation.iter(f"{EDM}PropertyValue")
                if value.get("Bool") == "true" and value.get("Property") in _CAPABILITIES
            ]
    return facts


def _revisions(annotation: ElementTree.Element) -> Iterable[tuple[str, str]]:
    for record in annotation.iter(f"{EDM}Record"):
        values = {value.attrib["Property"]: value for value in record.iter(f"{EDM}PropertyValue")}
        if "Kind" in values and "Version" in values:
            kind = values["Kind"].attrib["EnumMember"].rpartition("/")[2]
            if kind in ("Added", "Deprecated"):
                yield kind, values["Version"].attrib["String"]


def main() -> int:
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        print(__doc__, file=sys.stderr)
        return 2
    docs = documents()
    table = Collector(Schemas(Path(sys.argv[1])), docs).table
    table = shorten(table, {str(doc["@odata.type"])[1:] for _path, doc in docs})
    text = json.dumps(table, separators=(",", ":"))
    # One type a line, so that a change can be read.
    TABLE.write_text(text.replace('},"', '},\n"') + "\n", encoding="utf-8")
    print(f"{TABLE.relative_to(ROOT)}: {sum(len(types) for types in table.values())} types")
    return 0


if __name__ == "__main__":
    sys.exit(main())
