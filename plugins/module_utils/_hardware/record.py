# The hardware record: built from what readers found, and checked.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure. What a record looks like stands in docs/schemas/hardware_record.schema.json; the rules here are made from it.

Null means that nobody could tell, an empty list that there is none. A value of the wrong kind never reaches a record:
it becomes null, and the record's problems say so.
"""

from __future__ import annotations

import collections.abc
import math
import re
import typing as t

from ._record_table import RECORD

if t.TYPE_CHECKING:
    from ._record_types import HardwareRecord

SCHEMA_VERSION = 1

# What bmc_info calls its parts, where a record has another name for them.
_BMC_PARTS = {"power": "power_supplies", "thermal": "fans"}
_ABOUT = ("schema_version", "collected_at", "problems")
PARTS: tuple[str, ...] = tuple(name for name in RECORD["properties"] if name not in _ABOUT)

# Longer than anything that hardware says about itself; a broken BMC or firmware can say anything.
_LONGEST_TEXT = 1024
# Control characters, and what stands for bytes that were no UTF-8: neither can be written to a file.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def _is_whole(value: t.Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_KINDS: dict[str, t.Callable[[t.Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, (list, tuple)),
    "object": lambda value: isinstance(value, collections.abc.Mapping),
    "number": lambda value: _is_whole(value) or (isinstance(value, float) and math.isfinite(value)),
    "integer": lambda value: _is_whole(value) or (isinstance(value, float) and value.is_integer()),
}


class _Misfit(Exception):
    """A value that must not be null does not fit."""


def _kinds(rule: t.Mapping[str, t.Any]) -> t.Sequence[str]:
    kinds = rule.get("type", ())
    return (kinds,) if isinstance(kinds, str) else kinds


def _shown(value: t.Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _one_of(value: t.Any, allowed: t.Sequence[t.Any]) -> bool:
    # True equals 1 in Python, and not in JSON.
    return any(value == other and isinstance(value, bool) == isinstance(other, bool) for other in allowed)


def _fault(value: t.Any, rule: t.Mapping[str, t.Any]) -> str | None:
    """What is wrong with a value itself, without a look at what it holds."""
    allowed = rule.get("enum", [rule["const"]] if "const" in rule else None)
    if allowed is not None and not _one_of(value, allowed):
        return f"expected {' or '.join(map(_shown, allowed))}, not {_shown(value)}"
    kinds = _kinds(rule)
    if kinds and not any(_KINDS[kind](value) for kind in kinds):
        return f"expected {' or '.join(kinds)}, not {_shown(value)}"
    if isinstance(value, str):
        if "pattern" in rule and not re.search(rule["pattern"], value):
            return f"{_shown(value)} does not have the form {rule['pattern']}"
        if not rule.get("minLength", 0) <= len(value) <= rule.get("maxLength", len(value)):
            return f"{_shown(value)} has {len(value)} characters"
    if "minimum" in rule and value is not None and value < rule["minimum"]:
        return f"{_shown(value)} is below {rule['minimum']}"
    return None


def _check(value: t.Any, rule: t.Mapping[str, t.Any], where: str, exact: bool) -> t.Iterator[str]:
    fault = _fault(value, rule)
    if fault is not None:
        yield f"{where or 'record'}: {fault}"
    elif "properties" in rule and value is not None:
        dot = where + "." if where else ""
        for name in rule.get("required", rule["properties"]):
            if name not in value:
                yield f"{dot}{name}: missing (what is unknown has to be null)"
        for name, child in value.items():
            if name in rule["properties"]:
                yield from _check(child, rule["properties"][name], f"{dot}{name}", exact)
            elif exact:
                yield f"{dot}{name}: not part of the record"
    elif "items" in rule and value is not None:
        for index, child in enumerate(value):
            yield from _check(child, rule["items"], f"{where}[{index}]", exact)


def check(record: t.Any, exact: bool = False) -> list[str]:
    """Return what is wrong with a record, one sentence each with the place; empty for a good one.

    Fields that this version does not know are ignored, because later ones add some; with C(exact) they are named too.
    """
    return list(_check(record, RECORD, "", exact))


def clean_text(text: str) -> str:
    """Return text that can be written anywhere: unprintable characters replaced, and cut if it is endless."""
    return _UNPRINTABLE.sub("\ufffd", text)[:_LONGEST_TEXT]


def _fit_object(value: t.Any, rule: t.Mapping[str, t.Any], where: str, found: list[str]) -> dict[str, t.Any]:
    return {name: _fit(value.get(name), child, f"{where}.{name}", found) for name, child in rule["properties"].items()}


def _fit_list(value: t.Any, rule: t.Mapping[str, t.Any], where: str, found: list[str]) -> list[t.Any]:
    result = []
    for index, child in enumerate(value):
        try:
            result.append(_fit(child, rule["items"], f"{where}[{index}]", found))
        except _Misfit as exc:
            found.append(f"{exc} (left out)")
    return result


def _fit(value: t.Any, rule: t.Mapping[str, t.Any], where: str, found: list[str]) -> t.Any:
    """Return the value as the rule wants it; C(found) collects what did not fit. _Misfit if null does not do either."""
    if isinstance(value, str):
        value = clean_text(value)
    fault = _fault(value, rule)
    if fault is not None:
        if _fault(None, rule) is not None:
            raise _Misfit(f"{where}: {fault}")
        found.append(f"{where}: {fault}")
        return None
    if value is None:
        return None
    if "properties" in rule:
        return _fit_object(value, rule, where, found)
    if "items" in rule:
        return _fit_list(value, rule, where, found)
    return int(value) if "integer" in _kinds(rule) else value


def _fit_part(name: str, value: t.Any, found: list[str]) -> t.Any:
    rule = RECORD["properties"][name]
    try:
        return _fit(value, rule, name, found)
    except _Misfit as exc:
        if value is not None:
            found.append(str(exc))
        # Every record has this part; of what it holds nothing is known.
        return _fit({}, rule, name, found) if "properties" in rule else []


def build(parts: t.Mapping[str, t.Any], collected_at: str) -> HardwareRecord:
    """Return a record that C(check) finds nothing wrong with.

    C(parts) maps names from C(PARTS), and C(problems), to what readers found; a part that is not there is unknown.
    Whatever else the mapping and its elements hold is left out. C(collected_at) is the time in UTC (RFC 3339).
    """
    found: list[str] = []
    record: dict[str, t.Any] = {"schema_version": SCHEMA_VERSION, "collected_at": collected_at}
    for name in PARTS:
        record[name] = _fit_part(name, parts.get(name), found)
    problems = _fit_part("problems", parts.get("problems", []), found)
    record["problems"] = problems + [
        {"part": re.split(r"[.:\[]", text)[0], "device": None, "message": clean_text(text)} for text in found
    ]
    return t.cast("HardwareRecord", record)


def _bmc_problems(bmc: t.Mapping[str, t.Any]) -> list[t.Any]:
    """The problems of a BMC's answer, under the parts of a record."""
    if bmc.get("failed"):
        return [{"part": "bmc", "device": None, "message": str(bmc.get("msg") or "the BMC could not be asked")}]
    problems = bmc.get("problems")
    found = []
    for problem in problems if isinstance(problems, (list, tuple)) else ():
        part = problem.get("part") if isinstance(problem, collections.abc.Mapping) else None
        found.append({**problem, "part": _BMC_PARTS.get(part, "bmc")} if isinstance(part, str) else problem)
    return found


def merge_bmc(record: t.Mapping[str, t.Any], bmc: t.Mapping[str, t.Any]) -> HardwareRecord:
    """Return the record with what its BMC said: the answer of bmc_info, or its failure.

    Power supplies, fans and the BMC itself come from the BMC; of the node it only tells what the node could not. An
    identity that the node has stays, so that it does not depend on whether the BMC answers.
    """
    merged = dict(record)
    for name in ("power_supplies", "fans", "bmc"):
        if bmc.get(name) is not None:
            merged[name] = bmc[name]
    system = bmc.get("system")
    if not isinstance(system, collections.abc.Mapping):
        system = {}
    node = record["node"]
    told = {key: system.get(key) for key in ("manufacturer", "product", "serial", "uuid", "bios_version")}
    if node["id"] is None:
        merged["node"] = {**node, "id": system.get("node_id"), "id_source": system.get("node_id_source")}
    merged["node"] = {**merged["node"], **{key: value for key, value in told.items() if node[key] is None}}
    merged["problems"] = record["problems"] + _bmc_problems(bmc)
    return build(merged, record["collected_at"])


def _steady(value: t.Any, rule: t.Mapping[str, t.Any]) -> t.Any:
    if "properties" in rule and value is not None:
        kept = {
            name: child for name, child in rule["properties"].items() if name in value and not child.get("volatile")
        }
        return {name: _steady(value[name], child) for name, child in kept.items()}
    if "items" in rule and value is not None:
        return [_steady(child, rule["items"]) for child in value]
    return value


def steady(record: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return a good record without its readings (temperatures, speeds, the time …): what is left is the hardware."""
    return t.cast("dict[str, t.Any]", _steady(record, RECORD))
