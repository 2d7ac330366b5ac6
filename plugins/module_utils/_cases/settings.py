# The settings file of the controller, parsed into frozen dataclasses; every wrong value is named.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypeVar

from ansible_collections.aidc.ops.plugins.module_utils._errors import SettingsError

SCHEMA_VERSION = 1
DEFAULT_PATH = "/etc/aidc_ops/controller.json"
PATH_VARIABLE = "AIDC_OPS_CONFIG"
ACTIONS = ("contain", "reset", "reboot", "restart_service", "resume")
MODES = ("observe", "approve", "act")


@dataclass(frozen=True)
class NodeSettings:
    """What the controller knows of a node beforehand. None is unknown; all nodes without a rack share one domain."""

    node_id: str | None = None
    address: str | None = None
    rack: str | None = None
    leaf: str | None = None
    pool: str = "default"
    expected_gpus: int | None = None


@dataclass(frozen=True)
class EngineSettings:
    """How the scheduler is reached."""

    kind: str = "slurm"
    scontrol: str = "/usr/bin/scontrol"
    squeue: str = "/usr/bin/squeue"
    sinfo: str = "/usr/bin/sinfo"
    timeout_seconds: float = 10.0


@dataclass(frozen=True)
class KernelLogSettings:
    """Where the forwarded kernel lines arrive and how often that file is looked at."""

    spool: str = "/var/spool/aidc_ops/kernel.jsonl"
    poll_seconds: float = 0.05


@dataclass(frozen=True)
class AlertmanagerSettings:
    """Which Alertmanagers are polled. ``watchdog_alert`` None: no heartbeat is expected, and none can be missed."""

    urls: tuple[str, ...] = ()
    poll_seconds: float = 5.0
    timeout_seconds: float = 5.0
    watchdog_alert: str | None = "Watchdog"
    blind_after_seconds: float = 60.0


@dataclass(frozen=True)
class Modes:
    """What each class of action may do: observe (decide and record only), approve (a person says yes), act."""

    contain: str = "observe"
    reset: str = "observe"
    reboot: str = "observe"
    restart_service: str = "observe"
    resume: str = "observe"

    def of(self, action: str) -> str:
        """The mode of one action class."""
        return str(getattr(self, action))


@dataclass(frozen=True)
class GatePolicy:
    """The limits of the gate. ``per_leaf`` None: leaves are not limited."""

    out_percent: float = 10.0
    out_max: int = 20
    per_rack: int = 2
    per_leaf: int | None = None
    per_job: int = 1
    parallel_repairs: int = 4
    resets_per_gpu_per_day: int = 2
    reboots_per_node_per_day: int = 2
    power_cycles_per_node_per_day: int = 1
    event_max_age_seconds: float = 900.0
    drain_deadline_seconds: float = 3600.0
    force_after_deadline: bool = False
    settle_seconds: float = 300.0
    storm_nodes: int = 10
    storm_seconds: float = 300.0
    breaker_failures: int = 3
    breaker_window_seconds: float = 3600.0
    modes: Modes = field(default_factory=Modes)


@dataclass(frozen=True)
class Deadlines:
    """Seconds from the first begin of a step until waiting for it counts as failed."""

    evidence: float = 600.0
    reset: float = 600.0
    reboot: float = 900.0
    validate: float = 900.0
    resume: float = 120.0
    restart_service: float = 300.0
    ticket: float = 120.0
    cordon: float = 120.0
    await_clear: float = 86400.0


@dataclass(frozen=True)
class Settings:
    """The whole file. ``containment``: in_process (the event source drains) or playbook."""

    ledger: str
    evidence_dir: str
    ticket_dir: str
    metrics_file: str | None = None
    engine: EngineSettings = field(default_factory=EngineSettings)
    containment: str = "in_process"
    kernel_log: KernelLogSettings = field(default_factory=KernelLogSettings)
    alertmanager: AlertmanagerSettings = field(default_factory=AlertmanagerSettings)
    tick_seconds: float = 2.0
    nodes: Mapping[str, NodeSettings] = field(default_factory=dict)
    gate: GatePolicy = field(default_factory=GatePolicy)
    deadlines_seconds: Deadlines = field(default_factory=Deadlines)

    def deadline_seconds(self, step: str) -> float:
        """Seconds that a step may take; the drain's belongs to the gate's limits."""
        if step == "drain":
            return self.gate.drain_deadline_seconds
        return float(getattr(self.deadlines_seconds, step))

    def node_id(self, node: str) -> str:
        """The stable id of a node; its name where nothing better is known."""
        known = self.nodes.get(node)
        return known.node_id if known is not None and known.node_id else f"name:{node}"


def load_settings(path: str) -> Settings:
    """Reads and checks the file at ``path``; SettingsError says which key is wrong and why."""
    try:
        with open(path, encoding="utf-8") as stream:
            data = json.load(stream)
    except OSError as error:
        raise SettingsError(
            f"The settings file {path} cannot be read: {error.strerror}. The role remediation_controller writes it."
        ) from error
    except ValueError as error:
        raise SettingsError(f"The settings file {path} is not valid JSON: {error}") from error
    try:
        return parse_settings(data)
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from error


def parse_settings(data: Any) -> Settings:
    """Checks already decoded JSON; see load_settings."""
    whole = _object(data, "the settings")
    version = whole.get("schema_version")
    if version != SCHEMA_VERSION:
        raise SettingsError(f"schema_version has to be {SCHEMA_VERSION}, not {version!r}")
    _known_keys(whole, ["schema_version", *_names(Settings)], "")
    for key in ("ledger", "evidence_dir", "ticket_dir"):
        if key not in whole:
            raise SettingsError(f"{key} is missing")
    gate = dict(_object(whole.get("gate", {}), "gate"))
    modes = _fill(Modes, gate.pop("modes", {}), "gate.modes", {name: _choice(MODES) for name in ACTIONS})
    nodes = _object(whole.get("nodes", {}), "nodes")
    return Settings(
        ledger=_text(whole["ledger"], "ledger"),
        evidence_dir=_text(whole["evidence_dir"], "evidence_dir"),
        ticket_dir=_text(whole["ticket_dir"], "ticket_dir"),
        metrics_file=_or_null(_text)(whole.get("metrics_file"), "metrics_file"),
        engine=_fill(EngineSettings, whole.get("engine", {}), "engine", {"kind": _choice(("slurm",))}),
        containment=_choice(("in_process", "playbook"))(whole.get("containment", "in_process"), "containment"),
        kernel_log=_fill(KernelLogSettings, whole.get("kernel_log", {}), "kernel_log", {}),
        alertmanager=_fill(
            AlertmanagerSettings,
            whole.get("alertmanager", {}),
            "alertmanager",
            {"urls": _texts, "watchdog_alert": _or_null(_text)},
        ),
        tick_seconds=_positive(whole.get("tick_seconds", Settings.tick_seconds), "tick_seconds"),
        nodes={_node_name(name): _node(name, raw) for name, raw in nodes.items()},
        gate=_fill(
            GatePolicy,
            gate,
            "gate",
            {"out_percent": _percent, "per_leaf": _or_null(_count), "force_after_deadline": _flag},
            modes=modes,
        ),
        deadlines_seconds=_fill(Deadlines, whole.get("deadlines_seconds", {}), "deadlines_seconds", {}),
    )


if TYPE_CHECKING:
    # A reader checks one value and returns it in its final type; SettingsError names the key.
    _Reader = Callable[[Any, str], Any]
_Made = TypeVar("_Made")


def _fill(kind: type[_Made], raw: Any, where: str, readers: Mapping[str, _Reader], **ready: Any) -> _Made:
    """One dataclass from one JSON object; a field without a reader of its own is read by the type of its default."""
    given = _object(raw, where)
    names = [name for name in _names(kind) if name not in ready]
    _known_keys(given, names, where + ".")
    values = dict(ready)
    for name in names:
        if name in given:
            default = getattr(kind, name, None)
            reader = readers.get(name) or (_text if isinstance(default, str) else _BY_TYPE[type(default)])
            values[name] = reader(given[name], f"{where}.{name}")
    return kind(**values)


def _names(kind: type) -> list[str]:
    return [item.name for item in fields(kind)]


def _known_keys(given: Mapping[str, Any], names: Sequence[str], prefix: str) -> None:
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise SettingsError(f"{prefix}{unknown[0]} is not a known key; known are {', '.join(sorted(names))}")


def _object(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise SettingsError(f"{where} has to be an object, not {_kind(value)}")
    return value


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise SettingsError(f"{where} has to be a text that is not empty, not {_kind(value)}")
    return value


def _texts(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise SettingsError(f"{where} has to be a list of texts, not {_kind(value)}")
    return tuple(_text(item, f"{where}[{at}]") for at, item in enumerate(value))


def _flag(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise SettingsError(f"{where} has to be true or false, not {_kind(value)}")
    return value


def _count(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise SettingsError(f"{where} has to be a whole number from 0 on, not {value!r:.60}")
    return value


def _positive(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
        raise SettingsError(f"{where} has to be a number above 0, not {value!r:.60}")
    return float(value)


def _percent(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 100:
        raise SettingsError(f"{where} has to be a number from 0 to 100, not {value!r:.60}")
    return float(value)


def _choice(allowed: Sequence[str]) -> _Reader:
    def read(value: Any, where: str) -> str:
        if value not in allowed:
            raise SettingsError(f"{where} has to be one of {', '.join(allowed)}, not {value!r:.60}")
        return str(value)

    return read


def _or_null(reader: _Reader) -> _Reader:
    def read(value: Any, where: str) -> Any:
        return None if value is None else reader(value, where)

    return read


_BY_TYPE: Mapping[type, _Reader] = {int: _count, float: _positive}
_NODE_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,252})")


def _node_name(name: str) -> str:
    if not _NODE_NAME.fullmatch(name):
        raise SettingsError(f"nodes: {name!r:.80} is not the name of a host (letters, digits, dot, dash, underscore)")
    return name


def _node(name: str, raw: Any) -> NodeSettings:
    text = _or_null(_text)
    readers = dict.fromkeys(("node_id", "address", "rack", "leaf"), text)
    return _fill(NodeSettings, raw, f"nodes.{name}", {**readers, "expected_gpus": _or_null(_count)})


def _kind(value: Any) -> str:
    return {dict: "an object", list: "a list", str: f"{value!r:.60}", type(None): "null"}.get(
        type(value), f"{value!r:.60}"
    )
