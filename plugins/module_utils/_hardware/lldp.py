# Reads what lldpctl says about the switch ports that a node is plugged into.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: the text of C(lldpctl -f json0) or C(lldpctl -f json) in, neighbours out.

In json0 everything is a list and every value an object; json leaves out both where it can, and makes names to keys.
What neighbours say about themselves is text of strangers.
"""

from __future__ import annotations

import json
import typing as t

NEIGHBOUR_KEYS = ("interface", "chassis_id", "chassis_name", "port_id", "port_description")

Neighbour = t.Dict[str, t.Optional[str]]


class LldpError(ValueError):
    """The text is no answer of lldpctl."""


def _objects(value: t.Any, what: str) -> list[dict[str, t.Any]]:
    """A value that is one object or a list of objects, as a list; nothing for one that is not there."""
    values = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(one, dict) for one in values):
        raise LldpError(f"{what} is no object")
    return values


def _first(value: t.Any, what: str) -> dict[str, t.Any]:
    return (_objects(value, what) or [{}])[0]


def _text(value: t.Any, what: str) -> str | None:
    """The text of C("x"), C({"value": "x"}) or C([{"value": "x"}]); None if there is none."""
    while isinstance(value, (list, dict)):
        value = (value[0] if value else None) if isinstance(value, list) else value.get("value")
    if value is not None and not isinstance(value, str):
        raise LldpError(f"{what} is no text")
    return value or None


def _interfaces(answer: dict[str, t.Any]) -> t.Iterator[tuple[str, dict[str, t.Any]]]:
    """Name and content of each interface: json0 has the name inside, json as the key."""
    for entry in _objects(_first(answer.get("lldp"), "lldp").get("interface"), "interface"):
        name = entry.get("name")
        if isinstance(name, str):
            yield name, entry
            continue
        for key, contents in entry.items():
            for content in _objects(contents, key):
                yield key, content


def _chassis(value: t.Any) -> tuple[str | None, dict[str, t.Any]]:
    """Name and content: json makes the name of a chassis the key, if it has one."""
    chassis = _first(value, "chassis")
    if len(chassis) == 1 and "id" not in chassis:
        name, content = next(iter(chassis.items()))
        return name, _first(content, "chassis")
    return _text(chassis.get("name"), "name"), chassis


def parse_lldpctl(text: str) -> list[Neighbour]:
    """Return the neighbours in the order of the interfaces; LldpError if the text is something else."""
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise LldpError(f"this is no JSON: {exc}") from None
    if not isinstance(answer, dict) or "lldp" not in answer:
        raise LldpError("it has no 'lldp'")
    neighbours = []
    for interface, entry in _interfaces(answer):
        name, chassis = _chassis(entry.get("chassis"))
        port = _first(entry.get("port"), "port")
        neighbours.append(
            {
                "interface": interface,
                "chassis_id": _text(chassis.get("id"), "id"),
                "chassis_name": name,
                "port_id": _text(port.get("id"), "id"),
                "port_description": _text(port.get("descr"), "descr"),
            }
        )
    return neighbours


def leaf(neighbours: t.Sequence[t.Mapping[str, t.Any]] | None) -> str | None:
    """Return the leaf switch if all neighbours are the same switch.

    None otherwise: a node on several switches does not depend on one of them, and which of them counts is for the
    inventory to say.
    """
    names = {neighbour.get("chassis_name") for neighbour in neighbours or ()}
    return names.pop() if len(names) == 1 else None
