# Readers of single values of the settings: each returns the value in its final type, or names what is wrong.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

from ansible_collections.aidc.ops.plugins.module_utils._errors import SettingsError

if TYPE_CHECKING:
    # A reader checks one value and returns it in its final type; SettingsError names the key.
    Reader = Callable[[Any, str], Any]
_Made = TypeVar("_Made")


def fill(kind: type[_Made], raw: Any, where: str, readers: Mapping[str, Reader], **ready: Any) -> _Made:
    """One dataclass from one JSON object; a field without a reader of its own is read by the type of its default."""
    given = mapping(raw, where)
    allowed = [name for name in names(kind) if name not in ready]
    known_keys(given, allowed, where + ".")
    values = dict(ready)
    for name in allowed:
        if name in given:
            default = getattr(kind, name, None)
            reader = readers.get(name) or (text if isinstance(default, str) else _BY_TYPE[type(default)])
            values[name] = reader(given[name], f"{where}.{name}")
    return kind(**values)


def names(kind: type) -> list[str]:
    """The fields of a dataclass."""
    return [item.name for item in fields(kind)]


def known_keys(given: Mapping[str, Any], allowed: Sequence[str], prefix: str) -> None:
    """SettingsError for the first key that is none of the allowed ones."""
    unknown = sorted(set(given) - set(allowed))
    if unknown:
        raise SettingsError(f"{prefix}{unknown[0]} is not a known key; known are {', '.join(sorted(allowed))}")


def mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise SettingsError(f"{where} has to be an object, not {_kind(value)}")
    return value


def text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise SettingsError(f"{where} has to be a text that is not empty, not {_kind(value)}")
    return value


def texts(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise SettingsError(f"{where} has to be a list of texts, not {_kind(value)}")
    return tuple(text(item, f"{where}[{at}]") for at, item in enumerate(value))


def flag(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise SettingsError(f"{where} has to be true or false, not {_kind(value)}")
    return value


def count(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise SettingsError(f"{where} has to be a whole number from 0 on, not {value!r:.60}")
    return value


def from_one(value: Any, where: str) -> int:
    if count(value, where) < 1:
        raise SettingsError(f"{where} has to be a whole number from 1 on, not 0")
    return int(value)


def port(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 65535:
        raise SettingsError(f"{where} has to be a port from 1 to 65535, not {value!r:.60}")
    return value


def positive(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
        raise SettingsError(f"{where} has to be a number above 0, not {value!r:.60}")
    return float(value)


def percent(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 100:
        raise SettingsError(f"{where} has to be a number from 0 to 100, not {value!r:.60}")
    return float(value)


def choice(allowed: Sequence[str]) -> Reader:
    def read(value: Any, where: str) -> str:
        if value not in allowed:
            raise SettingsError(f"{where} has to be one of {', '.join(allowed)}, not {value!r:.60}")
        return str(value)

    return read


def or_null(reader: Reader) -> Reader:
    def read(value: Any, where: str) -> Any:
        return None if value is None else reader(value, where)

    return read


_NODE_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,252})")


def node_name(name: str) -> str:
    if not _NODE_NAME.fullmatch(name):
        raise SettingsError(f"nodes: {name!r:.80} is not the name of a host (letters, digits, dot, dash, underscore)")
    return name


_BY_TYPE: Mapping[type, Reader] = {int: count, float: positive, bool: flag}


def _kind(value: Any) -> str:
    return {dict: "an object", list: "a list", str: f"{value!r:.60}", type(None): "null"}.get(
        type(value), f"{value!r:.60}"
    )
