# Turns the table of facts about Redfish's schemas back into schema files for DMTF's service validator.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""tools/redfish_facts.py makes the table; see there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

TABLE = Path(__file__).parent / "redfish_facts.json"
METHODS = {"POST": "Insertable", "PATCH": "Updatable", "DELETE": "Deletable"}


def write_schemas(folder: Path) -> Path:
    """One schema file with all facts of the table, in a folder as the validator wants it."""
    table = json.loads(TABLE.read_text(encoding="utf-8"))
    spaces = "".join(
        f'<Schema xmlns="http://docs.oasis-open.org/odata/ns/edm" Namespace={quoteattr(namespace)}>'
        + "".join(_element(name, facts) for name, facts in types.items())
        + "</Schema>"
        for namespace, types in table.items()
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "facts.xml").write_text(
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<edmx:Edmx xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx" Version="4.0">'
        f"<edmx:DataServices>{spaces}</edmx:DataServices></edmx:Edmx>",
        encoding="utf-8",
    )
    return folder


def _element(name: str, facts: dict[str, Any]) -> str:
    kind = facts["kind"]
    attributes = {
        "Name": name,
        **{key: facts[key] for key in ("BaseType", "Abstract", "UnderlyingType") if key in facts},
    }
    inner = _annotations(facts)
    inner += "".join(f"<Member Name={quoteattr(value)}/>" for value in facts.get("values", []))
    inner += "".join(_property(key, item) for key, item in facts.get("properties", {}).items())
    return f"<{kind} {_attributes(attributes)}>{inner}</{kind}>"


def _property(name: str, facts: dict[str, Any]) -> str:
    attributes = {"Name": name, "Type": facts["type"]}
    if facts.get("null") is False:
        attributes["Nullable"] = "false"
    tag = "NavigationProperty" if facts.get("navigation") else "Property"
    return f"<{tag} {_attributes(attributes)}>{_annotations(facts)}</{tag}>"


def _annotations(facts: dict[str, Any]) -> str:
    found = []
    if facts.get("required"):
        found.append('<Annotation Term="Redfish.Required"/>')
    if facts.get("expand"):
        found.append('<Annotation Term="OData.AutoExpand"/>')
    if "pattern" in facts:
        found.append(f'<Annotation Term="Validation.Pattern" String={quoteattr(facts["pattern"])}/>')
    for key in ("minimum", "maximum"):
        if key in facts:
            found.append(f'<Annotation Term="Validation.{key.title()}" Int="{facts[key]}"/>')
    for key in ("ExcerptCopy", "Excerpt", "ExcerptCopyOnly"):
        if key in facts:
            found.append(f'<Annotation Term="Redfish.{key}" String={quoteattr(facts[key])}/>')
    if "uris" in facts:
        texts = "".join(f"<String>{uri}</String>" for uri in facts["uris"])
        found.append(f'<Annotation Term="Redfish.Uris"><Collection>{texts}</Collection></Annotation>')
    revisions = [
        f'<Record><PropertyValue Property="Kind" EnumMember="Redfish.RevisionKind/{kind}"/>'
        f'<PropertyValue Property="Version" String="{facts[kind]}"/></Record>'
        for kind in ("Added", "Deprecated")
        if kind in facts
    ]
    if revisions:
        records = "".join(revisions)
        found.append(f'<Annotation Term="Redfish.Revisions"><Collection>{records}</Collection></Annotation>')
    if "methods" in facts:
        values = "".join(f'<PropertyValue Property="{METHODS[one]}" Bool="true"/>' for one in facts["methods"])
        found.append(f'<Annotation Term="Capabilities.Restrictions"><Record>{values}</Record></Annotation>')
    if "members" in facts:
        records = "".join(
            f'<Record><PropertyValue Property="Member" String={quoteattr(one)}/></Record>' for one in facts["members"]
        )
        found.append(f'<Annotation Term="Redfish.Enumeration"><Collection>{records}</Collection></Annotation>')
    return "".join(found)


def _attributes(values: dict[str, Any]) -> str:
    return " ".join(f"{key}={quoteattr(str(value))}" for key, value in values.items())
