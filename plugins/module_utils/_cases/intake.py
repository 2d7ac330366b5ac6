# What the controller receives, turned into signals: pure, bounded, and refusing with a reason.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._cases.boots import MAX_BOOT
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import FiringAlert, Signal
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import Settings

MAX_NODE = 253
MAX_TEXT = 4096
MAX_ALERTS = 10000
MAX_LINE_BYTES = 65536
# Evidence that was pushed to us has keys with this prefix: no poll of an Alertmanager can miss it.
PUSHED = "pushed:"
# The labels by which an alert names the part that is broken, one or two of them for each kind of device.
DEVICE_LABELS = ("pci_bus_id", "device", "port", "mountpoint", "name", "sensor")
# No signal is from before this collection existed, nor from far ahead: such a time is a broken clock or a forgery.
_EARLIEST = 1577836800.0
_LATEST = 4102444800.0

_TIME = re.compile(
    r"(?P<seconds>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.(?P<fraction>[0-9]{1,12}))?"
    r"(?P<zone>Z|[+-][0-9]{2}:[0-9]{2})"
)


class RefusedError(Exception):
    """One entry is not taken; ``reason`` is a code, the text a short detail for people."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def lines_to_signals(raw: bytes, settings: Settings) -> tuple[list[Signal], list[tuple[str, str]]]:
    """Whole lines of the spool (the caller cuts at the last newline) as signals and refusals.

    Lines that are sound but no fault give a signal with ``recognition`` None: they tell the node's newest boot.
    A refusal is (reason code, detail); codes: too_long, bad_encoding, bad_json, bad_shape, no_node, unknown_node,
    address_mismatch, bad_time.
    """
    signals, refused = [], []
    for line in raw.split(b"\n"):
        if line.strip():
            try:
                signals.append(_line(line, settings))
            except RefusedError as error:
                refused.append((error.reason, str(error)))
    return signals, refused


def alerts_to_signals(alerts: Any, settings: Settings, now: float) -> tuple[list[Signal], list[tuple[str, str]]]:
    """The decoded answer of Alertmanager's /api/v2/alerts (a list of objects) as signals and refusals.

    Alerts without a ``fault_class`` label are none of the loop's business and give neither (the Watchdog among them;
    see ``watchdog_seen``). An alert whose endsAt has passed gives a cleared signal. Refusal codes: bad_shape,
    too_many, no_node, unknown_node, too_long, bad_encoding, bad_time, unrecognised.
    """
    if not isinstance(alerts, list):
        return [], [("bad_shape", "The answer is not a list of alerts.")]
    signals, refused = [], []
    if len(alerts) > MAX_ALERTS:
        refused.append(("too_many", f"{len(alerts)} alerts in one answer; the first {MAX_ALERTS} are taken."))
    for alert in alerts[:MAX_ALERTS]:
        try:
            signal = _alert(alert, settings, now)
        except RefusedError as error:
            refused.append((error.reason, str(error)))
        else:
            if signal is not None:
                signals.append(signal)
    return signals, refused


def cleared_alerts(firing: Sequence[FiringAlert], signals: Sequence[Signal], now: float) -> list[Signal]:
    """A cleared signal for each alert of ``Ledger.firing_alerts()`` that a *complete* poll no longer shows.

    Call it only when every configured Alertmanager answered in full: no data is not health. An alert that is silenced
    counts as gone: a person who silences it wants nothing done about it. What other systems pushed is not theirs to
    clear, and is passed over.
    """
    present = {signal.dedup_key for signal in signals}
    return [
        Signal(
            lane="alert",
            node=alert.node,
            boot=None,
            observed_at=now,
            dedup_key=alert.dedup_key,
            text=alert.text,
            recognition=alert.recognition,
            cleared=True,
        )
        for alert in firing
        if alert.dedup_key not in present and not alert.dedup_key.startswith(PUSHED)
    ]


def watchdog_seen(alerts: Any, settings: Settings) -> bool:
    """Whether the heartbeat alert is among them (True as well when none is configured)."""
    name = settings.alertmanager.watchdog_alert
    if name is None:
        return True
    if not isinstance(alerts, list):
        return False
    for alert in alerts:
        labels = alert.get("labels") if isinstance(alert, dict) else None
        if isinstance(labels, dict) and labels.get("alertname") == name:
            return True
    return False


def _line(line: bytes, settings: Settings) -> Signal:
    if len(line) > MAX_LINE_BYTES:
        raise RefusedError("too_long", f"{len(line)} bytes in one line of the spool.")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RefusedError("bad_encoding", f"Not UTF-8: {error}.") from error
    try:
        entry = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RefusedError("bad_json", f"{error}: {text[:200]}") from error
    if not isinstance(entry, dict):
        raise RefusedError("bad_shape", f"Not an object: {text[:200]}")
    node = known_node(entry.get("node"), settings)
    expected = settings.nodes[node].address
    if expected is not None and entry.get("from") != expected:
        raise RefusedError("address_mismatch", f"{node} spoke from {entry.get('from')!r:.80}, not from {expected}.")
    boot = entry.get("boot")
    if boot is not None and not isinstance(boot, str):
        raise RefusedError("bad_shape", f"{node}: boot is no text.")
    message = bounded_text(entry.get("line"), f"{node}: line", MAX_TEXT)
    stamp = bounded_text(entry.get("time"), f"{node}: time", 64)
    boot = bounded_text(boot, f"{node}: boot", MAX_BOOT) if boot else None
    key = hashlib.sha256("\0".join(("kernel", node, boot or "", stamp, message)).encode("utf-8")).hexdigest()
    return Signal(
        lane="kernel",
        node=node,
        boot=boot,
        observed_at=moment(stamp, node),
        dedup_key=key,
        text=message,
        recognition=settings.catalogue.recognise_line(message),
    )


def _alert(alert: Any, settings: Settings, now: float) -> Signal | None:
    labels = alert.get("labels") if isinstance(alert, dict) else None
    if not isinstance(labels, dict):
        raise RefusedError("bad_shape", f"An alert without labels: {alert!r:.200}")
    if "fault_class" not in labels:
        return None
    node = known_node(labels.get("instance"), settings)
    for name, value in labels.items():
        bounded_text(value, f"{node}: label {name!r:.80}", MAX_TEXT)
    seen = settings.catalogue.recognise_alert(labels)
    if seen is None:
        wrong = {name: labels[name] for name in ("alertname", "fault_class", *DEVICE_LABELS) if name in labels}
        raise RefusedError("unrecognised", f"{node}: no fault class or no device: {wrong!r:.400}")
    began = moment(bounded_text(alert.get("startsAt"), f"{node}: startsAt", 64), node)
    ends = alert.get("endsAt")
    over = ends is not None and moment(bounded_text(ends, f"{node}: endsAt", 64), node, unset=True) <= now
    # Not Alertmanager's fingerprint: it covers labels that say nothing about the fault, and differs between replicas.
    identity = json.dumps([labels, alert["startsAt"]], sort_keys=True)
    return Signal(
        lane="alert",
        node=node,
        boot=None,
        observed_at=began,
        dedup_key=hashlib.sha256(f"alert\0{identity}".encode()).hexdigest(),
        text=_summary(alert, labels, node),
        recognition=seen,
        cleared=over,
    )


def _summary(alert: Mapping[str, Any], labels: Mapping[str, str], node: str) -> str:
    annotations = alert.get("annotations")
    summary = annotations.get("summary") if isinstance(annotations, dict) else None
    text = bounded_text(summary, f"{node}: annotation summary", MAX_TEXT) if summary else ""
    return text or labels.get("alertname", "")


def known_node(name: Any, settings: Settings) -> str:
    """The name, when it is exactly that of a node; RefusedError (no_node, too_long, unknown_node) else."""
    if not isinstance(name, str) or not name:
        raise RefusedError("no_node", f"No node is named, but {name!r:.80}.")
    if len(name) > MAX_NODE:
        raise RefusedError("too_long", f"A node name of {len(name)} characters.")
    # Exact names only: a pattern, a group or an unknown host is nobody.
    if name not in settings.nodes:
        raise RefusedError("unknown_node", f"{name!r} is not a node of the settings file.")
    return name


def bounded_text(value: Any, where: str, limit: int) -> str:
    """The value, when it is a text of at most ``limit`` characters; RefusedError (bad_shape, too_long, bad_encoding)"""
    if not isinstance(value, str):
        raise RefusedError("bad_shape", f"{where} is no text.")
    if len(value) > limit:
        raise RefusedError("too_long", f"{where} has {len(value)} characters, {limit} may be.")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise RefusedError("bad_encoding", f"{where} has half a character.") from error
    return value


def moment(text: str, node: str, unset: bool = False) -> float:
    """Seconds since the epoch of an RFC 3339 time; ``unset``: the year 1 stands for "never". RefusedError: bad_time."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise RefusedError("bad_time", f"{node}: {text!r} is no RFC 3339 time with a zone.")
    try:
        zone = "+00:00" if found.group("zone") == "Z" else found.group("zone")
        whole = datetime.fromisoformat(found.group("seconds") + zone)
        seconds = whole.timestamp() + float(f"0.{found.group('fraction') or 0}")
    except (ValueError, OverflowError) as error:
        raise RefusedError("bad_time", f"{node}: {text!r}: {error}.") from error
    if unset and seconds < _EARLIEST:
        return float("inf")
    return possible_moment(seconds, node)


def possible_moment(seconds: float, node: str) -> float:
    """The seconds since the epoch, when something may have been observed then; RefusedError (bad_time) else."""
    if not _EARLIEST <= seconds <= _LATEST:
        raise RefusedError("bad_time", f"{node}: {seconds!r:.40} cannot be.")
    return seconds
