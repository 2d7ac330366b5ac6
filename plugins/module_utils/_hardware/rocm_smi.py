# Reads what rocm-smi --json prints about AMD GPUs.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: the text of the program in, facts out. Its keys changed between releases; each fact knows all its spellings."""

from __future__ import annotations

import json
import re
import typing as t

from .amd_smi import named, number, whole
from .amd_sysfs import gpu_uuid, graphics_version, pcie_generation
from .pci import device_from_address, nvml_address_from_device

# What the record needs. Printing all of it (the second way, for releases that lack an option) takes far longer.
QUESTIONS = (
    (
        "--showid",
        "--showproductname",
        "--showserial",
        "--showuniqueid",
        "--showbus",
        "--showvbios",
        "--showdriverversion",
        "--showtemp",
        "--showpower",
        "--showmaxpower",
        "--showclocks",
        "--showsclkrange",
        "--showmeminfo",
        "vram",
        "--showtoponuma",
        "--json",
    ),
    ("--showallinfo", "--showmeminfo", "vram", "--showtoponuma", "--json"),
)

_CARD = re.compile(r"card([0-9]{1,4})\Z")
_HEXADECIMAL = re.compile(r"0x[0-9a-f]+\Z", re.IGNORECASE)
_LINK = re.compile(r"\(([0-9.]{1,9})GT/s x([0-9]{1,3})\)")
_RANGE = re.compile(r"[0-9]{1,9}\s*Mhz\s*-\s*([0-9]{1,9})\s*Mhz", re.IGNORECASE)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_SHOWN = 200


class NotReadable(ValueError):
    """The text is no answer of rocm-smi; the message says what it is instead."""


Card = t.Mapping[str, t.Any]


def _first(card: Card, *keys: str) -> str | None:
    """Return the first of the spellings that has a value."""
    return next((value for value in (named(card.get(key)) for key in keys) if value is not None), None)


def _model(card: Card) -> str | None:
    # Releases that do not know a card's name print its number in the place of it.
    for key in ("Card Series", "Card series", "Device Name"):
        name = named(card.get(key))
        if name is not None and not _HEXADECIMAL.match(name):
            return name
    return None


def _serial(card: Card) -> str | None:
    serial = _first(card, "Serial Number")
    return None if serial is None or not serial.strip("0") else serial


def _numa_node(card: Card) -> int | None:
    node = number(card.get("(Topology) Numa Affinity"))
    # -1, also as a number without a sign: the card belongs to no node.
    return int(node) if node is not None and 0 <= node < 0x7FFFFFFF else None


def _pcie(card: Card) -> dict[str, int | None]:
    match = _LINK.search(str(card.get("pcie clock level", "")))
    speed = number(match.group(1)) if match else None
    return {
        "width": int(match.group(2)) if match else None,
        "max_width": None,
        "generation": pcie_generation(speed),
        "max_generation": None,
    }


def _facts(card: Card) -> dict[str, t.Any]:
    temperature = number(_first(card, "Temperature (Sensor junction) (C)", "Temperature (Sensor edge) (C)"))
    clocks = _RANGE.search(str(card.get("Valid sclk range", "")))
    try:
        device: str | None = device_from_address(str(card.get("PCI Bus")))
    except ValueError:
        device = None
    return {
        "device": device,
        "pci_bus_id": None if device is None else nvml_address_from_device(device),
        "uuid": gpu_uuid(_first(card, "Unique ID")),
        "serial": _serial(card),
        "model": _model(card),
        "numa_node": _numa_node(card),
        "compute_capability": graphics_version(_first(card, "GFX Version")),
        "vbios_version": _first(card, "VBIOS version", "VBIOS Version"),
        "memory_total_bytes": whole(card.get("VRAM Total Memory (B)")),
        "temperature_celsius": None if temperature is None else round(temperature),
        "power_usage_watts": number(
            _first(card, "Current Socket Graphics Package Power (W)", "Average Graphics Package Power (W)")
        ),
        "power_limit_watts": number(_first(card, "Max Graphics Package Power (W)")),
        "max_graphics_clock_mhz": int(clocks.group(1)) if clocks else None,
        "pcie": _pcie(card),
    }


def _without_raw_bytes(text: str) -> str:
    """Return the text with the escapes of the runner for bytes that are no UTF-8, which JSON does not have, as text."""
    return _ESCAPE.sub(lambda match: "\\\\x" if match.group(1) == "x" else match.group(0), text)


def _document(text: str) -> dict[str, t.Any]:
    """Return the JSON object in the text; warnings may stand before it."""
    begin = text.find("{")
    if begin < 0:
        said = " ".join(text.split())[:_SHOWN]
        raise NotReadable(f"rocm-smi says: {said}" if said else "rocm-smi says nothing")
    try:
        document, _end = json.JSONDecoder().raw_decode(_without_raw_bytes(text[begin:]))
    except ValueError as exc:
        raise NotReadable(f"the answer of rocm-smi is not whole: {exc}") from exc
    except RecursionError as exc:
        raise NotReadable("the answer of rocm-smi is nested too deeply") from exc
    return dict(document)


def parse(text: str) -> dict[str, t.Any]:
    """Return C({"driver_version", "cards"}) with the facts of each card in the order of their numbers."""
    document = _document(text)
    system = document.get("system")
    cards = []
    for key, card in document.items():
        match = _CARD.match(key)
        if match is None:
            continue
        if not isinstance(card, t.Mapping):
            raise NotReadable(f"the answer of rocm-smi has {key} as {type(card).__name__}")
        cards.append((int(match.group(1)), _facts(card)))
    return {
        "driver_version": named(system.get("Driver version")) if isinstance(system, t.Mapping) else None,
        "cards": [facts for _number, facts in sorted(cards, key=lambda each: each[0])],
    }
