# Reads what Zabbix, Nagios and BMCs post: bodies in, reports and refusals out.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure, bounded, and refusing with a reason. All text stays data, and a node is named exactly or not at all.

A report says that something of one identity is wrong or is over. Only the memory of what is open (see hook_memory)
makes signals of reports, for what says that it is over rarely says what it was.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json
import typing as t

from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils.redfish_messages import MESSAGES, message_key
from ansible_collections.aidc.ops.plugins.module_utils._cases.intake import (
    DEVICE_LABELS,
    MAX_TEXT,
    RefusedError,
    bounded_text,
    known_node,
    moment,
    possible_moment,
)
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import Settings
from ansible_collections.aidc.ops.plugins.module_utils._faults import Recognition

MAX_LEVELS = 32
MAX_ENTRIES = 1000
MAX_TAGS = 100
UNMAPPED = "unmapped"
"""Refused because nobody asked for it: a monitoring system may send us everything it has."""

Refusals = list[tuple[str, str]]
Mapping = t.Mapping[str, str]


class BadBodyError(Exception):
    """The body as a whole is not taken; the text is the reason code."""


class NotAllowedError(Exception):
    """The sender did not prove that it may speak for the node that it names."""


@dataclasses.dataclass(frozen=True)
class Report:
    """What one entry of a body says.

    *identity* is what is wrong (an event of Zabbix, a service of Nagios, a part that a BMC watches), *occurrence* tells
    one time that it is wrong from the next. *node* and *recognition* are None where the entry only says that it is
    *over*. *at* is in seconds since the epoch, by the sender's clock.
    """

    lane: str
    identity: str
    occurrence: str
    at: float
    over: bool
    node: str | None = None
    text: str = ""
    recognition: Recognition | None = None


def read_zabbix(body: bytes, settings: Settings, mapping: Mapping, now: float) -> tuple[list[Report], Refusals]:
    """Read trigger events in the form in which Zabbix streams them: one JSON object a line, or one alone.

    *mapping* leads from the name of an event, or from ``tag:value``, to a fault class.
    """
    del now
    return _each(_decode_lines(body), lambda entry: _zabbix(entry, settings, mapping))


def read_nagios(body: bytes, settings: Settings, mapping: Mapping, now: float) -> tuple[list[Report], Refusals]:
    """Read notifications (an object, or a list of them) with the values of Nagios' macros.

    Keys: type, host, service, problem_id, time, output, and labels, which names the part that is broken.
    *mapping* leads from the description of a service to a fault class.
    """
    value = _decode(body)
    return _each(value if isinstance(value, list) else [value], lambda entry: _nagios(entry, settings, mapping, now))


def read_redfish(
    body: bytes, settings: Settings, mapping: Mapping, now: float, secret: bytes
) -> tuple[list[Report], Refusals]:
    """Read an event of a BMC's subscription. NotAllowedError when its context is not the one of a node of ours.

    *mapping* leads from messages that the built-in table does not have ("Registry.Key", without the version) to a
    fault class; ``clear:`` before the class says that the message takes it back.
    """
    value = _decode(body)
    if not isinstance(value, dict) or not isinstance(value.get("Events"), list):
        raise BadBodyError("bad_shape")
    events = value["Events"]
    context = value.get("Context")
    if context is None and events and isinstance(events[0], dict):
        # Where it stood before it moved to the top.
        context = events[0].get("Context")
    node = _node_of_context(context, secret, settings)
    return _each(events, lambda entry: _redfish(entry, node, settings, mapping, now))


def context_of(node: str, secret: bytes) -> str:
    """Return what a BMC's subscription is given as its context: proof that an event is about *node*.

    It is made from the listener's *secret*, so that nothing has to be kept, and says nothing about other nodes.
    """
    return f"{node}:{hmac.new(secret, b'redfish:' + node.encode(), hashlib.sha256).hexdigest()}"


# --- bodies ----------------------------------------------------------------------------------------------------------


def _decode_lines(body: bytes) -> list[t.Any]:
    try:
        return [_decode(body)]
    except BadBodyError:
        lines = [line for line in body.split(b"\n") if line.strip()]
        if len(lines) < 2:
            raise
    if len(lines) > MAX_ENTRIES:
        raise BadBodyError("too_many")
    return [_decode(line) for line in lines]


def _decode(body: bytes) -> t.Any:
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise BadBodyError("bad_encoding") from None
    except (ValueError, RecursionError):
        raise BadBodyError("bad_json") from None
    if not _is_shallow(value):
        raise BadBodyError("too_deep")
    return value


def _no_constant(name: str) -> t.NoReturn:
    raise ValueError(name)


def _is_shallow(value: t.Any) -> bool:
    level = [value]
    for _depth in range(MAX_LEVELS):
        level = [
            item
            for holder in level
            if isinstance(holder, (dict, list))
            for item in (holder.values() if isinstance(holder, dict) else holder)
        ]
        if not level:
            return True
    return not any(isinstance(item, (dict, list)) for item in level)


def _each(entries: t.Sequence[t.Any], read: t.Callable[[dict[str, t.Any]], Report]) -> tuple[list[Report], Refusals]:
    if len(entries) > MAX_ENTRIES:
        raise BadBodyError("too_many")
    reports, refused = [], []
    for entry in entries:
        try:
            if not isinstance(entry, dict):
                raise RefusedError("bad_shape", f"Not an object: {entry!r:.200}")
            reports.append(read(entry))
        except RefusedError as error:
            refused.append((error.reason, str(error)))
    return reports, refused


# --- entries ---------------------------------------------------------------------------------------------------------


def _zabbix(entry: dict[str, t.Any], settings: Settings, mapping: Mapping) -> Report:
    value = entry.get("value")
    if isinstance(value, bool) or value not in (0, 1):
        raise RefusedError("bad_shape", f"The value of an event is 0 or 1, not {value!r:.40}.")
    number = entry.get("eventid" if value else "p_eventid")
    if isinstance(number, bool) or not isinstance(number, int) or not 0 < number < 2**64:
        raise RefusedError("bad_shape", f"An event without a number: {number!r:.40}")
    identity, at = f"zabbix:{number}", _clock(entry.get("clock"), "an event of Zabbix")
    if not value:
        return Report("alert", identity, str(number), at, over=True)
    name = bounded_text(entry.get("name"), "the name of an event", MAX_TEXT)
    tags = _tags(entry.get("tags", []))
    fault_class = mapping.get(name) or next(
        (mapping[f"{tag}:{value}"] for tag, value in tags if f"{tag}:{value}" in mapping), None
    )
    if fault_class is None:
        raise RefusedError(UNMAPPED, f"No fault class is given for {name!r:.200}.")
    hosts = entry.get("hosts")
    if not isinstance(hosts, list) or len(hosts) != 1 or not isinstance(hosts[0], dict):
        raise RefusedError("no_node", f"{name!r:.200} is about no single host.")
    node = known_node(hosts[0].get("host"), settings)
    labels = {tag: value for tag, value in tags if tag in DEVICE_LABELS}
    return Report(
        "alert", identity, str(number), at, False, node, name, _recognise(fault_class, node, labels, settings)
    )


def _tags(raw: t.Any) -> list[tuple[str, str]]:
    if not isinstance(raw, list) or len(raw) > MAX_TAGS:
        raise RefusedError("bad_shape", "The tags of an event are no list, or a long one.")
    tags = []
    for item in raw:
        if not isinstance(item, dict):
            raise RefusedError("bad_shape", f"A tag is no object: {item!r:.80}")
        pair = (bounded_text(item.get(key, ""), f"{key} of a tag", MAX_TEXT) for key in ("tag", "value"))
        tags.append(t.cast("tuple[str, str]", tuple(pair)))
    return tags


def _nagios(entry: dict[str, t.Any], settings: Settings, mapping: Mapping, now: float) -> Report:
    kind = entry.get("type")
    if kind not in ("PROBLEM", "RECOVERY"):
        # Acknowledgements, downtimes and flapping say nothing about a fault.
        raise RefusedError(UNMAPPED, f"A notification of type {kind!r:.40}.")
    service = bounded_text(entry.get("service"), "a service", MAX_TEXT)
    fault_class = mapping.get(service)
    if fault_class is None:
        raise RefusedError(UNMAPPED, f"No fault class is given for {service!r:.200}.")
    node = known_node(entry.get("host"), settings)
    identity, at = f"nagios:{node}:{service}", _clock(entry.get("time", now), f"{node}: {service!r:.200}")
    if kind == "RECOVERY":
        return Report("alert", identity, "", at, True, node)
    problem = bounded_text(entry.get("problem_id"), f"{node}: problem_id", 64)
    text = bounded_text(entry.get("output", service), f"{node}: output", MAX_TEXT)
    labels = entry.get("labels", {})
    if not isinstance(labels, dict):
        raise RefusedError("bad_shape", f"{node}: labels is no object.")
    named = {key: bounded_text(labels[key], f"{node}: label {key}", MAX_TEXT) for key in DEVICE_LABELS if key in labels}
    seen = _recognise(fault_class, node, named, settings)
    return Report("alert", identity, problem, at, False, node, text, seen)


def _redfish(entry: dict[str, t.Any], node: str, settings: Settings, mapping: Mapping, now: float) -> Report:
    message_id = bounded_text(entry.get("MessageId"), f"{node}: MessageId", 256)
    key, origin = message_key(message_id), _origin(entry)
    meaning = mapping.get(key) or MESSAGES.get(key)
    if isinstance(meaning, dict):
        # What a status is about stands only in the address of the part.
        meaning = next((meaning[part] for part in origin if part in meaning), None)
    over, fault_class = (meaning or "").startswith("clear:"), (meaning or "").removeprefix("clear:")
    fine = entry.get("MessageSeverity", entry.get("Severity")) == "OK"
    if not fault_class or (fine and not over):
        raise RefusedError(UNMAPPED, f"{node}: message {message_id!r:.80} is none of those that are acted on.")
    arguments = entry.get("MessageArgs")
    first = arguments[0] if isinstance(arguments, list) and arguments and isinstance(arguments[0], str) else ""
    sensor = bounded_text((origin[-1] if origin else "") or first, f"{node}: the part", 256)
    seen = _recognise(fault_class, node, {"sensor": sensor} if sensor else {}, settings)
    at = _bmc_time(entry, node, now)
    event = "\0".join(str(entry.get(name)) for name in ("EventId", "EventTimestamp"))
    text = bounded_text(entry.get("Message") or message_id, f"{node}: message", MAX_TEXT)
    identity = f"redfish:{node}:{seen.fault_class}:{seen.device}"
    return Report("bmc", identity, event, at, over, node, text, seen)


def _origin(entry: dict[str, t.Any]) -> list[str]:
    """The parts of the address of what an event is about."""
    origin = entry.get("OriginOfCondition")
    address = origin.get("@odata.id") if isinstance(origin, dict) else origin
    return [part for part in address.split("/") if part] if isinstance(address, str) and len(address) < 1024 else []


def _bmc_time(entry: dict[str, t.Any], node: str, now: float) -> float:
    """When it happened; now where the BMC does not know: many have no clock that runs on without power."""
    stamp = entry.get("EventTimestamp")
    try:
        return min(now, moment(bounded_text(stamp, f"{node}: EventTimestamp", 64), node))
    except RefusedError:
        return now


def _node_of_context(context: t.Any, secret: bytes, settings: Settings) -> str:
    if not isinstance(context, str):
        raise NotAllowedError
    node = context.rpartition(":")[0]
    # Compared also when there is no such node, so that the time of an answer tells nothing.
    right = hmac.compare_digest(context_of(node, secret).encode(), context.encode("utf-8", "replace"))
    if not right or node not in settings.nodes:
        raise NotAllowedError
    return node


def _recognise(fault_class: str, node: str, labels: dict[str, str], settings: Settings) -> Recognition:
    seen = settings.catalogue.recognise_alert({**labels, "fault_class": fault_class, "instance": node})
    if seen is None:
        raise RefusedError("unrecognised", f"{node}: {fault_class} is no class that may be reported, or has no device.")
    return seen


def _clock(value: t.Any, where: str) -> float:
    """Seconds since the epoch, as a number or as its digits."""
    if isinstance(value, str) and value.isdecimal() and len(value) < 16:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise RefusedError("bad_time", f"{where}: {value!r:.40} is no time.")
    try:
        return possible_moment(float(value), where)
    except OverflowError:
        raise RefusedError("bad_time", f"{where}: a number of {len(str(value))} digits is no time.") from None
