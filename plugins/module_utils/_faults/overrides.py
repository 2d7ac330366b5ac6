# A site's own classes and its changes to ours: checked word by word, then applied.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same rules stand in docs/schemas/fault_catalogue.schema.json; what a schema cannot say is checked here only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._errors import CatalogueError
from ansible_collections.aidc.ops.plugins.module_utils._faults import model
from ansible_collections.aidc.ops.plugins.module_utils._faults.model import Correlate, FaultClass, Repeat

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_MAX_PATTERN = 500
_MAX_LIST = 500
# Repetition without an upper limit, and references, make the time for a hostile line grow without one too.
_UNBOUNDED = re.compile(r"(?<!\\)(?:\\\\)*(?:[*+]|\{[0-9]*,\}|\(\?P=|\\[1-9])")
_CLASS_OF_CHARACTERS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]")
_WORDS: Mapping[str, tuple[str, ...]] = {
    "domain": model.DOMAINS,
    "severity": tuple(reversed(model.SEVERITIES)),
    "scope": model.SCOPES,
    "device": model.DEVICES,
    "authority": model.AUTHORITIES,
    "drain": model.DRAINS,
    "validation": model.VALIDATIONS,
}
_LISTS: Mapping[str, tuple[str, ...]] = {"workflow": model.WORKFLOW_STEPS, "repairs": model.REPAIRS}
_NEW_NEEDS = ("title", "domain", "severity", "scope", "workflow", "description")
_NEW: Mapping[str, Any] = {
    "rows": (),
    "device": "",
    "authority": "automatic",
    "repairs": (),
    "drain": "",
    "validation": "",
    "delay_seconds": 0.0,
    "repeat": None,
    "correlate": None,
    "xids": (),
    "sxids": (),
    "lines": (),
    "alerts": True,
    "drill": {"kind": "none", "why": "A class of the site."},
    "sources": ("The site's own settings",),
}
# A site's class cannot claim a number of the published catalogue.
_KEYS = tuple(field.name for field in fields(FaultClass) if field.name not in ("name", "rows"))


def apply(classes: Mapping[str, FaultClass], changes: Mapping[str, Mapping[str, Any]]) -> list[FaultClass]:
    """All classes after the changes. A list in a change replaces the list of the class; a code that a changed class
    names moves there from the class that had it. CatalogueError names the key that is wrong."""
    if not isinstance(changes, Mapping):
        raise CatalogueError("fault_classes has to be a mapping of class names to their changes.")
    result = dict(classes)
    for name, change in changes.items():
        where = f"fault_classes.{name}"
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise CatalogueError(f"{where}: a name has small letters, digits and underscores.")
        values = _checked(where, change)
        if name in classes:
            result[name] = FaultClass(**{**vars(classes[name]), **values})
        else:
            for key in _NEW_NEEDS:
                if key not in values:
                    raise CatalogueError(f"{where}.{key}: a new class has to have it.")
            result[name] = FaultClass(**{"name": name, **_NEW, **values})
    for name, change in changes.items():
        for key in ("xids", "sxids"):
            for other, row in result.items():
                if other != name and key in change and set(getattr(row, key)) & set(change[key]):
                    if other in changes and key in changes[other]:
                        raise CatalogueError(f"fault_classes.{name}.{key}: {other} claims a code of it as well.")
                    kept = tuple(code for code in getattr(row, key) if code not in change[key])
                    result[other] = FaultClass(**{**vars(row), key: kept})
    for name in changes:
        check_sense(f"fault_classes.{name}", result[name])
    for row in result.values():
        for follower in (row.repeat, row.correlate):
            if follower is not None and follower.becomes not in result:
                raise CatalogueError(f"fault_classes.{row.name}: there is no class {follower.becomes!r} to become.")
    return list(result.values())


def check_sense(where: str, row: FaultClass) -> None:
    """What no single key can say; CatalogueError otherwise."""
    steps = row.workflow
    if len(set(steps)) != len(steps):
        raise CatalogueError(f"{where}.workflow: a step stands there twice.")
    if ("repair" in steps) != bool(row.repairs):
        raise CatalogueError(f"{where}.repairs: the workflow has the step repair exactly if there are repairs.")
    if list(row.repairs) != sorted(row.repairs, key=model.REPAIRS.index):
        raise CatalogueError(f"{where}.repairs: the weakest repair has to come first.")
    if row.removes_node != bool(row.drain):
        raise CatalogueError(f"{where}.drain: it says how the node is emptied, so it goes with the step cordon.")
    if (row.drain == "idle") != ("await_idle" in steps and row.removes_node):
        raise CatalogueError(f"{where}.drain: idle goes with the steps await_idle and cordon.")
    if "resume" in steps and "cordon" not in steps:
        raise CatalogueError(f"{where}.workflow: resume without cordon.")
    if "resume" in steps and ("validate" not in steps or steps.index("validate") > steps.index("resume")):
        raise CatalogueError(f"{where}.workflow: no node returns without a validation before.")
    if "drain" in steps and ("cordon" not in steps or steps.index("cordon") > steps.index("drain")):
        raise CatalogueError(f"{where}.workflow: a drain needs the cordon before it.")
    if ("validate" in steps) != bool(row.validation):
        raise CatalogueError(f"{where}.validation: it goes with the step validate.")
    if row.removes_node and "resume" not in steps and "ticket" not in steps:
        raise CatalogueError(f"{where}.workflow: a node that is taken out gets the step resume or ticket.")
    if row.scope in model.DOMAIN_SCOPES and set(steps) - {"notify", "ticket", "await_clear"}:
        raise CatalogueError(f"{where}.workflow: a {row.scope} can only have notify, ticket and await_clear.")


def beginning(pattern: str) -> str:
    """The characters that every text which the pattern fits begins with; they are how a pattern is found."""
    text, at = "", 0
    while at < len(pattern):
        char, width = pattern[at], 1
        if char == "\\" and at + 1 < len(pattern) and not pattern[at + 1].isalnum():
            char, width = pattern[at + 1], 2
        elif char in "\\.^$*+?{}[]()|":
            break
        if pattern[at + width : at + width + 1] in ("?", "*", "{"):
            break
        text += char
        at += width
    return text


def check_pattern(where: str, pattern: Any) -> None:
    """A pattern compiles, begins with fixed characters and cannot run long; CatalogueError otherwise."""
    if not isinstance(pattern, str) or not pattern or len(pattern) > _MAX_PATTERN:
        raise CatalogueError(f"{where}: a pattern is a text of at most {_MAX_PATTERN} characters.")
    try:
        groups = set(re.compile(pattern).groupindex)
    except (re.error, RecursionError, OverflowError) as error:
        raise CatalogueError(f"{where}: {error}.") from error
    if len(beginning(pattern)) < 3 or "|" in _outer(pattern):
        raise CatalogueError(f"{where}: a pattern has to begin with three or more characters as they are in the line.")
    if _UNBOUNDED.search(_CLASS_OF_CHARACTERS.sub("[]", pattern)):
        raise CatalogueError(f"{where}: no repetition without an upper limit, no reference back.")
    unknown = groups - {"domain", "bus", "slot", "function", "code", "location", *model.DEVICES}
    if unknown:
        raise CatalogueError(f"{where}: unknown groups {', '.join(sorted(unknown))}.")


def _outer(pattern: str) -> str:
    """The pattern without what stands in brackets."""
    depth, text, at = 0, "", 0
    pattern = _CLASS_OF_CHARACTERS.sub("", pattern)
    while at < len(pattern):
        if pattern[at] == "\\":
            at += 2
            continue
        depth += {"(": 1, ")": -1}.get(pattern[at], 0)
        if depth == 0:
            text += pattern[at]
        at += 1
    return text


def _checked(where: str, change: Any) -> dict[str, Any]:
    if not isinstance(change, Mapping):
        raise CatalogueError(f"{where}: has to be a mapping.")
    values: dict[str, Any] = {}
    for key, value in change.items():
        place = f"{where}.{key}"
        if key not in _KEYS:
            raise CatalogueError(f"{place}: unknown; there are {', '.join(_KEYS)}.")
        values[key] = _value(place, key, value)
    return values


def _value(place: str, key: str, value: Any) -> Any:
    if key in _WORDS:
        return _one_of(place, value, _WORDS[key])
    if key in _LISTS:
        return tuple(_one_of(f"{place}[{at}]", item, _LISTS[key]) for at, item in enumerate(_list(place, value)))
    if key in ("xids", "sxids"):
        items = _list(place, value)
        return tuple(_number(f"{place}[{at}]", item, 0, 999999, whole=True) for at, item in enumerate(items))
    if key == "lines":
        for at, item in enumerate(_list(place, value)):
            check_pattern(f"{place}[{at}]", item)
        return tuple(value)
    if key == "sources":
        return tuple(_text(f"{place}[{at}]", item) for at, item in enumerate(_list(place, value)))
    if key == "alerts":
        if not isinstance(value, bool):
            raise CatalogueError(f"{place}: has to be true or false.")
        return value
    if key == "delay_seconds":
        return float(_number(place, value, 0, 86400))
    if key == "repeat":
        return None if value is None else Repeat(**_parts(place, value, "same", model.REPEAT_SAME, "count"))
    if key == "correlate":
        return None if value is None else Correlate(**_parts(place, value, "by", model.CORRELATE_BY, "nodes"))
    if key == "drill":
        if not isinstance(value, Mapping) or value.get("kind") not in model.DRILL_KINDS:
            raise CatalogueError(f"{place}.kind: has to be one of {', '.join(model.DRILL_KINDS)}.")
        return dict(value)
    return _text(place, value)


def _parts(place: str, value: Any, word: str, words: tuple[str, ...], number: str) -> dict[str, Any]:
    wanted = {number, "within_seconds", word, "becomes"}
    if not isinstance(value, Mapping) or set(value) != wanted:
        raise CatalogueError(f"{place}: has to be a mapping with {', '.join(sorted(wanted))}.")
    return {
        number: _number(f"{place}.{number}", value[number], 2, 100000, whole=True),
        "within_seconds": float(_number(f"{place}.within_seconds", value["within_seconds"], 1, 31536000)),
        word: _one_of(f"{place}.{word}", value[word], words),
        "becomes": _text(f"{place}.becomes", value["becomes"]),
    }


def _one_of(place: str, value: Any, words: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in words:
        shown = ", ".join(word or '""' for word in words)
        raise CatalogueError(f"{place}: has to be one of {shown}, not {value!r:.60}.")
    return value


def _list(place: str, value: Any) -> list[Any]:
    if not isinstance(value, (list, tuple)) or len(value) > _MAX_LIST:
        raise CatalogueError(f"{place}: has to be a list of at most {_MAX_LIST} items.")
    return list(value)


def _number(place: str, value: Any, least: int, most: int, whole: bool = False) -> Any:
    kinds = (int,) if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value <= most:
        raise CatalogueError(f"{place}: has to be a {'whole ' if whole else ''}number from {least} to {most}.")
    return value


def _text(place: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > 2000:
        raise CatalogueError(f"{place}: has to be a text of at most 2000 characters.")
    return value
