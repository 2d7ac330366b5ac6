# The settings file of the controller, parsed into frozen dataclasses; every wrong value is named.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.aidc.ops.plugins.module_utils._cases import readers as read
from ansible_collections.aidc.ops.plugins.module_utils._cases.policy import (
    ACTIONS,
    MODES,
    Deadlines,
    GatePolicy,
    Modes,
)
from ansible_collections.aidc.ops.plugins.module_utils._errors import AidcOpsError, SettingsError
from ansible_collections.aidc.ops.plugins.module_utils._faults import DEFAULT, Catalogue

SCHEMA_VERSION = 1
DEFAULT_PATH = "/etc/aidc_ops/controller.json"
PATH_VARIABLE = "AIDC_OPS_CONFIG"


@dataclass(frozen=True)
class NodeSettings:
    """What the controller knows of a node beforehand.

    None is unknown; all nodes without a rack share one domain of the limits. ``engine`` None: the one of the key
    ``engine``. ``spare``: the node is kept in reserve and may take the place of one that stays out.
    """

    node_id: str | None = None
    address: str | None = None
    rack: str | None = None
    leaf: str | None = None
    feed: str | None = None
    pool: str = "default"
    expected_gpus: int | None = None
    engine: str | None = None
    spare: bool = False


@dataclass(frozen=True)
class EngineSettings:
    """How a scheduler is reached. ``kubeconfig`` and ``context`` None: what kubectl would take."""

    kind: str = "slurm"
    scontrol: str = "/usr/bin/scontrol"
    squeue: str = "/usr/bin/squeue"
    sinfo: str = "/usr/bin/sinfo"
    kubeconfig: str | None = None
    context: str | None = None
    timeout_seconds: float = 10.0


@dataclass(frozen=True)
class KernelLogSettings:
    """Where the forwarded kernel lines arrive and how often that file is looked at."""

    spool: str = "/var/spool/aidc_ops/kernel.jsonl"
    poll_seconds: float = 0.05


@dataclass(frozen=True)
class AlertmanagerSettings:
    """Which Alertmanagers are polled. ``watchdog_alert`` None: no heartbeat is expected, and none can be missed.

    ``ca_file``: who signed their certificates; None: the authorities of the machine. ``client_cert`` and ``client_key``
    are shown to them, and ``username`` with the password in ``password_file``, where they are given.
    """

    urls: tuple[str, ...] = ()
    poll_seconds: float = 5.0
    timeout_seconds: float = 5.0
    watchdog_alert: str | None = "Watchdog"
    blind_after_seconds: float = 60.0
    ca_file: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    username: str | None = None
    password_file: str | None = None


@dataclass(frozen=True)
class WebhookSettings:
    """Where other systems may post to. ``token_file`` None: nothing listens. ``client_ca``: who signs the clients.

    ``mappings``: for zabbix, nagios and redfish, what of their words is which fault class.
    """

    address: str = "127.0.0.1"
    port: int = 5055
    token_file: str | None = None
    certificate: str | None = None
    key: str | None = None
    client_ca: str | None = None
    max_bytes: int = 1048576
    mappings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class TicketSettings:
    """Where tickets go: to files in ``ticket_dir`` alone, or to a web service as well."""

    backend: str = "file"
    url: str | None = None
    token_file: str | None = None
    timeout_seconds: float = 10.0


@dataclass(frozen=True)
class NotifySettings:
    """Who is told, by a web service and by mail; None: nobody by that way."""

    webhook_url: str | None = None
    token_file: str | None = None
    mail_to: tuple[str, ...] = ()
    mail_from: str | None = None
    mail_host: str | None = None


@dataclass(frozen=True)
class Settings:
    """The whole file.

    ``ledger``: path of a file, or ``postgresql://user@host:port/database`` whose password stands in
    ``ledger_password_file``. ``containment``: in_process (the event source drains) or playbook. ``engines``: further
    schedulers by name. ``fault_classes``: what the site changes in the fault catalogue. ``retention_days``: how long
    closed cases keep their signals and history.
    """

    ledger: str
    evidence_dir: str
    ticket_dir: str
    ledger_password_file: str | None = None
    metrics_file: str | None = None
    engine: EngineSettings = field(default_factory=EngineSettings)
    engines: Mapping[str, EngineSettings] = field(default_factory=dict)
    containment: str = "in_process"
    kernel_log: KernelLogSettings = field(default_factory=KernelLogSettings)
    alertmanager: AlertmanagerSettings = field(default_factory=AlertmanagerSettings)
    webhook: WebhookSettings = field(default_factory=WebhookSettings)
    ticket: TicketSettings = field(default_factory=TicketSettings)
    notify: NotifySettings = field(default_factory=NotifySettings)
    tick_seconds: float = 2.0
    retention_days: int = 400
    nodes: Mapping[str, NodeSettings] = field(default_factory=dict)
    gate: GatePolicy = field(default_factory=GatePolicy)
    deadlines_seconds: Deadlines = field(default_factory=Deadlines)
    fault_classes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @cached_property
    def catalogue(self) -> Catalogue:
        """The fault catalogue with what this site changes in it."""
        return DEFAULT.with_overrides(self.fault_classes) if self.fault_classes else DEFAULT

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
    whole = read.mapping(data, "the settings")
    version = whole.get("schema_version")
    if version != SCHEMA_VERSION:
        raise SettingsError(f"schema_version has to be {SCHEMA_VERSION}, not {version!r}")
    read.known_keys(whole, ["schema_version", *read.names(Settings)], "")
    for key in ("ledger", "evidence_dir", "ticket_dir"):
        if key not in whole:
            raise SettingsError(f"{key} is missing")
    text = read.or_null(read.text)
    engines = read.mapping(whole.get("engines", {}), "engines")
    nodes = read.mapping(whole.get("nodes", {}), "nodes")
    settings = Settings(
        ledger=_ledger(whole["ledger"]),
        evidence_dir=read.text(whole["evidence_dir"], "evidence_dir"),
        ticket_dir=read.text(whole["ticket_dir"], "ticket_dir"),
        ledger_password_file=text(whole.get("ledger_password_file"), "ledger_password_file"),
        metrics_file=text(whole.get("metrics_file"), "metrics_file"),
        engine=_engine(whole.get("engine", {}), "engine"),
        engines={
            read.text(name, "the name of an engine"): _engine(raw, f"engines.{name}") for name, raw in engines.items()
        },
        containment=read.choice(("in_process", "playbook"))(whole.get("containment", "in_process"), "containment"),
        kernel_log=read.fill(KernelLogSettings, whole.get("kernel_log", {}), "kernel_log", {}),
        alertmanager=_alertmanager(whole.get("alertmanager", {})),
        webhook=_webhook(whole.get("webhook", {})),
        ticket=_ticket(whole.get("ticket", {})),
        notify=_notify(whole.get("notify", {})),
        tick_seconds=read.positive(whole.get("tick_seconds", Settings.tick_seconds), "tick_seconds"),
        retention_days=read.from_one(whole.get("retention_days", Settings.retention_days), "retention_days"),
        nodes={read.node_name(name): _node(name, raw) for name, raw in nodes.items()},
        gate=_gate(whole.get("gate", {})),
        deadlines_seconds=read.fill(Deadlines, whole.get("deadlines_seconds", {}), "deadlines_seconds", {}),
        fault_classes=_fault_classes(whole.get("fault_classes", {})),
    )
    _check_names(settings)
    return settings


def _ledger(raw: Any) -> str:
    location = read.text(raw, "ledger")
    if "://" not in location:
        return location
    try:
        parts = urlsplit(location)
    except ValueError as error:
        raise SettingsError(f"ledger is not a URL that can be read: {error}") from error
    # The value itself is not repeated here: it may hold the password that has no business in it.
    if parts.scheme not in ("postgresql", "postgres") or not parts.path.strip("/"):
        raise SettingsError("ledger has to be a path or postgresql://user@host:port/database")
    if parts.password is not None or "password" in parts.query:
        raise SettingsError("ledger must hold no password; put it into a file and name that in ledger_password_file")
    return location


def _engine(raw: Any, where: str) -> EngineSettings:
    text = read.or_null(read.text)
    kind = read.choice(("slurm", "kubernetes"))
    return read.fill(EngineSettings, raw, where, {"kind": kind, "kubeconfig": text, "context": text})


def _alertmanager(raw: Any) -> AlertmanagerSettings:
    access = ("ca_file", "client_cert", "client_key", "username", "password_file")
    readers = {"urls": read.texts, **dict.fromkeys(("watchdog_alert", *access), read.or_null(read.text))}
    made = read.fill(AlertmanagerSettings, raw, "alertmanager", readers)
    for part, whole in (("client_key", "client_cert"), ("password_file", "username")):
        if getattr(made, part) and not getattr(made, whole):
            raise SettingsError(f"alertmanager.{part} is given without alertmanager.{whole}")
    return made


def _webhook(raw: Any) -> WebhookSettings:
    text = read.or_null(read.text)
    files = dict.fromkeys(("token_file", "certificate", "key", "client_ca"), text)
    others = {"port": read.port, "max_bytes": read.from_one, "mappings": _mappings}
    return read.fill(WebhookSettings, raw, "webhook", {**files, **others})


def _mappings(raw: Any, where: str) -> Mapping[str, Mapping[str, str]]:
    given = read.mapping(raw, where)
    read.known_keys(given, ("zabbix", "nagios", "redfish"), f"{where}.")
    return {
        system: {
            word: read.text(name, f"{where}.{system}.{word}")
            for word, name in read.mapping(words, f"{where}.{system}").items()
        }
        for system, words in given.items()
    }


def _ticket(raw: Any) -> TicketSettings:
    text = read.or_null(read.text)
    readers = {"backend": read.choice(("file", "webhook")), "url": text, "token_file": text}
    ticket = read.fill(TicketSettings, raw, "ticket", readers)
    if ticket.backend == "webhook" and ticket.url is None:
        raise SettingsError("ticket.url is missing; ticket.backend is webhook")
    return ticket


def _notify(raw: Any) -> NotifySettings:
    text = read.or_null(read.text)
    readers = {**dict.fromkeys(("webhook_url", "token_file", "mail_from", "mail_host"), text), "mail_to": read.texts}
    return read.fill(NotifySettings, raw, "notify", readers)


def _gate(raw: Any) -> GatePolicy:
    gate = dict(read.mapping(raw, "gate"))
    mode = read.choice(MODES)
    modes = read.fill(Modes, gate.pop("modes", {}), "gate.modes", dict.fromkeys(ACTIONS, mode))
    of_class = read.mapping(gate.pop("class_modes", {}), "gate.class_modes")
    return read.fill(
        GatePolicy,
        gate,
        "gate",
        {
            "out_percent": read.percent,
            "per_leaf": read.or_null(read.count),
            "breaker_rearm_seconds": read.or_null(read.positive),
            "lemon_cases": read.from_one,
            "flap_failures": read.from_one,
        },
        modes=modes,
        class_modes={name: mode(value, f"gate.class_modes.{name}") for name, value in of_class.items()},
    )


def _node(name: str, raw: Any) -> NodeSettings:
    readers = dict.fromkeys(("node_id", "address", "rack", "leaf", "feed", "engine"), read.or_null(read.text))
    return read.fill(NodeSettings, raw, f"nodes.{name}", {**readers, "expected_gpus": read.or_null(read.count)})


def _fault_classes(raw: Any) -> Mapping[str, Mapping[str, Any]]:
    given = read.mapping(raw, "fault_classes")
    return {name: read.mapping(value, f"fault_classes.{name}") for name, value in given.items()}


def _check_names(settings: Settings) -> None:
    """What one part of the settings names in another part has to be there."""
    try:
        known = settings.catalogue.classes
    except AidcOpsError as error:
        raise SettingsError(f"fault_classes: {error}") from error
    for name in settings.gate.class_modes:
        if name not in known:
            raise SettingsError(f"gate.class_modes.{name} is not a fault class of the catalogue")
    for system, words in settings.webhook.mappings.items():
        for word, name in words.items():
            # A message of a BMC may also take back what another one said.
            fault = known.get(name[len("clear:") :] if system == "redfish" and name.startswith("clear:") else name)
            if fault is None or not fault.alerts:
                raise SettingsError(f"webhook.mappings.{system}.{word} is no fault class that may be reported: {name}")
    for name, node in settings.nodes.items():
        if node.engine is not None and node.engine not in settings.engines:
            raise SettingsError(f"nodes.{name}.engine names {node.engine!r:.60}, which is not one of engines")
