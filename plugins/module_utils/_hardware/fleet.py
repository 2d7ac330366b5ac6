# The fleet file: one hardware record in each line.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON Lines, sorted by the stable id of the nodes. A file that is not whole is an error and never a smaller fleet."""

from __future__ import annotations

import hashlib
import json
import typing as t

from .record import SCHEMA_VERSION, check, steady

Record = t.Mapping[str, t.Any]

# A node with 16 GPUs, all their links and 64 disks has about 200 KiB.
MAX_LINE_BYTES = 16 * 1024 * 1024
MAX_NODES = 200_000

_SHOWN_FAULTS = 3


class FleetError(ValueError):
    """The fleet file cannot be read, or what is to be written is no fleet; the message says where and why."""


def node_id(record: Record) -> str:
    """Return the stable id of the node of a good record; FleetError if nobody could tell it."""
    identity = record["node"]["id"]
    if not identity:
        raise FleetError(f"the node {record['node']['hostname']!r} has no stable id, so it cannot be in a fleet")
    return t.cast(str, identity)


def by_id(records: t.Iterable[Record]) -> dict[str, Record]:
    """Return the records by the stable ids of their nodes; FleetError if two nodes claim the same."""
    found: dict[str, Record] = {}
    for record in records:
        identity = node_id(record)
        if identity in found:
            names = " and ".join(repr(one["node"]["hostname"]) for one in (found[identity], record))
            raise FleetError(f"two nodes, {names}, have the same stable id {identity!r}: which one is it?")
        found[identity] = record
    return found


def verify(records: t.Sequence[Record]) -> dict[str, Record]:
    """Return the records by the stable ids of their nodes; FleetError if one is no good record, or there is none."""
    if not records:
        raise FleetError("there is no record to write: an empty fleet is never written")
    for number, record in enumerate(records):
        faults = check(record)
        if faults:
            shown = "; ".join(faults[:_SHOWN_FAULTS])
            raise FleetError(f"record {number} of {len(records)} is no hardware record: {shown}")
    return by_id(records)


def render(records: t.Mapping[str, Record]) -> str:
    """Return the text of a fleet file, of verified records."""
    ordered = (record for _id, record in sorted(records.items()))
    return "".join(json.dumps(record, separators=(",", ":"), ensure_ascii=False) + "\n" for record in ordered)


def summary(records: t.Iterable[Record]) -> dict[str, str]:
    """Return one line for each node by its stable id: its name, its GPUs, and a mark that follows its hardware.

    Readings (temperatures, the time …) do not count.
    """
    lines = {}
    for identity, record in sorted(by_id(records).items()):
        still = json.dumps(steady(record), sort_keys=True)
        gpus = record["gpus"]
        count = "unknown GPUs" if gpus is None else f"{len(gpus)} GPUs"
        mark = hashlib.sha256(still.encode("utf-8", "surrogatepass")).hexdigest()[:12]
        lines[identity] = f"{identity} {record['node']['hostname']} {count} {mark}"
    return lines


def _no_constant(text: str) -> t.Any:
    raise ValueError(f"{text} is no JSON")


def _record(line: bytes, where: str, is_last: bool) -> dict[str, t.Any]:
    cut = "; the file was cut off, so nodes may be missing" if is_last else ""
    try:
        record = json.loads(line.decode("utf-8"), parse_constant=_no_constant)
    except UnicodeDecodeError as exc:
        raise FleetError(f"{where} is not UTF-8 ({exc.reason} at byte {exc.start}){cut}") from None
    except (ValueError, RecursionError) as exc:
        raise FleetError(f"{where} is no JSON ({exc}){cut}") from None
    if not isinstance(record, dict):
        raise FleetError(f"{where} is no hardware record but a {type(record).__name__}")
    version = record.get("schema_version")
    if version != SCHEMA_VERSION or isinstance(version, bool):
        raise FleetError(f"{where} has schema version {version!r:.40}; this release reads {SCHEMA_VERSION}")
    node = record.get("node")
    if not isinstance(node, dict) or not isinstance(node.get("id"), str) or not node["id"]:
        raise FleetError(f"{where} is a record without the stable id of its node")
    return record


def parse(handle: t.BinaryIO, name: str, deep: bool = False) -> list[dict[str, t.Any]]:
    """Return the records of an open file that is called C(name) in messages; FleetError unless it is whole.

    With C(deep) every value of every record is checked too, which takes longer than reading.
    """
    records: list[dict[str, t.Any]] = []
    lines: dict[str, int] = {}
    number = 0
    while True:
        line = handle.readline(MAX_LINE_BYTES + 1)
        if not line:
            break
        number += 1
        where = f"{name}: line {number}"
        if len(line) > MAX_LINE_BYTES:
            raise FleetError(f"{where} is longer than {MAX_LINE_BYTES} bytes")
        record = _record(line, where, not line.endswith(b"\n"))
        if not line.endswith(b"\n"):
            raise FleetError(f"{where} has no end; the file was cut off, so nodes may be missing")
        identity = record["node"]["id"]
        if identity in lines:
            raise FleetError(f"{where} has the same stable id as line {lines[identity]}: {identity!r:.100}")
        if number > MAX_NODES:
            raise FleetError(f"{name} has more than {MAX_NODES} lines")
        faults = check(record) if deep else []
        if faults:
            raise FleetError(f"{where} is no hardware record: {'; '.join(faults[:_SHOWN_FAULTS])}")
        lines[identity] = number
        records.append(record)
    if not records:
        raise FleetError(f"{name} is empty")
    return records


def read(path: str, deep: bool = False) -> list[dict[str, t.Any]]:
    """As C(parse), for the file at C(path)."""
    try:
        with open(path, "rb") as handle:
            return parse(handle, path, deep)
    except OSError as exc:
        raise FleetError(f"{path} cannot be read: {exc.strerror}") from exc
