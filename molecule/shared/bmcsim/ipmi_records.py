# The bytes of IPMI sensor records and of FRU data, as a BMC stores them.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""IPMI specification 2.0, sections 43.1 (full sensor record) and 42 (codes), and Platform Management FRU 1.0.

ipmi_sim drops the rest of its command file without a word when one record has a wrong length, so records are computed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

TEMPERATURE, FAN, POWER_SUPPLY, POWER_UNIT = 0x01, 0x04, 0x08, 0x0B
CELSIUS, RPM, WATTS = 1, 18, 6
THRESHOLD, SENSOR_SPECIFIC = 0x01, 0x6F
BOARD, PROCESSOR, FAN_ENTITY, SUPPLY_ENTITY = 7, 3, 29, 10


@dataclass(frozen=True)
class Sensor:
    """One sensor: its number, its kind, and how a raw byte becomes a value (raw x factor)."""

    number: int
    name: str
    kind: int
    unit: int = 0
    entity: int = BOARD
    instance: int = 1
    factor: int = 1
    upper_critical: int | None = None
    lower_critical: int | None = None

    @property
    def discrete(self) -> bool:
        return self.unit == 0


def full_sensor_record(sensor: Sensor, record_id: int) -> bytes:
    """The full sensor record (type 01h) of a sensor."""
    reading_type = SENSOR_SPECIFIC if sensor.discrete else THRESHOLD
    readable = (8 if sensor.upper_critical is not None else 0) | (2 if sensor.lower_critical is not None else 0)
    name = sensor.name.encode("ascii")[:16]
    body = bytes(
        [0x20, 0, sensor.number, sensor.entity, sensor.instance, 0x7F, 0x48 if sensor.discrete else 0x68]
        + [sensor.kind, reading_type]
        # Event masks; for a threshold sensor their upper bytes say which thresholds can be read.
        + ([0x0F, 0, 0x0F, 0, 0x0F, 0] if sensor.discrete else [0, 0, 0, 0, readable, 0])
        + [0xC0 if sensor.discrete else 0, sensor.unit, 0, 0]
        + [sensor.factor & 0xFF, (sensor.factor >> 8) << 6, 0, 0, 0, 0]
        + [0, 0, 0, 0, 0xFF, 0]
        + [0, (sensor.upper_critical or 0) // sensor.factor, 0, 0, (sensor.lower_critical or 0) // sensor.factor, 0]
        + [0, 0, 0, 0, 0, 0xC0 | len(name)]
    )
    body += name
    return record_id.to_bytes(2, "little") + bytes([0x51, 0x01, len(body)]) + body


def fru(chassis: Mapping[str, str], board: Mapping[str, str], product: Mapping[str, str]) -> bytes:
    """FRU data with a chassis, a board and a product area."""
    areas = [
        _area(b"\x17", [chassis.get("part", ""), chassis.get("serial", "")]),
        # Minutes since 1996-01-01 00:00 UTC: none given.
        _area(
            b"\x19\x00\x00\x00", [board.get(key, "") for key in ("manufacturer", "product", "serial", "part", "file")]
        ),
        _area(
            b"\x19",
            [
                product.get(key, "")
                for key in ("manufacturer", "name", "part", "version", "serial", "asset_tag", "file")
            ],
        ),
    ]
    offsets, position = [], 1
    for area in areas:
        offsets.append(position)
        position += len(area) // 8
    header = bytes([1, 0, *offsets, 0, 0])
    return header + _checksum(header) + b"".join(areas)


def _area(head: bytes, texts: Sequence[str]) -> bytes:
    """One FRU area: version, length in 8-byte units, head, texts (8-bit ASCII), end mark, padding, checksum."""
    fields = b"".join(bytes([0xC0 | len(text)]) + text.encode("latin-1") for text in texts) + b"\xc1"
    units = math.ceil((2 + len(head) + len(fields) + 1) / 8)
    area = (bytes([1, units]) + head + fields).ljust(units * 8 - 1, b"\0")
    return area + _checksum(area)


def _checksum(data: bytes) -> bytes:
    return bytes([-sum(data) & 0xFF])
