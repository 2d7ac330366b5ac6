# Tests of parsing the JSON of rocm-smi.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import rocm_smi

RECORDED = Path(__file__).resolve().parents[3] / "fixtures/gpus/rocm_smi"


def card(**facts: Any) -> dict[str, Any]:
    return rocm_smi.parse(json.dumps({"card0": facts}))["cards"][0]


def one(fact: str, key: str, value: Any) -> Any:
    return card(**{key: value})[fact]


@pytest.mark.parametrize(
    ("fact", "key", "value", "expected"),
    [
        ("power_usage_watts", "Current Socket Graphics Package Power (W)", "133.0", 133.0),
        ("power_usage_watts", "Average Graphics Package Power (W)", "89.0", 89.0),
        ("power_usage_watts", "Average Graphics Package Power (W)", "N/A (Secondary die)", None),
        ("power_limit_watts", "Max Graphics Package Power (W)", "560.0", 560.0),
        ("model", "Card series", "Instinct MI210", "Instinct MI210"),
        ("model", "Card Series", "AMD Instinct MI300X", "AMD Instinct MI300X"),
        ("model", "Device Name", "AMD Instinct MI300X OAM", "AMD Instinct MI300X OAM"),
        ("model", "Card series", "0x1002", None),
        ("model", "Card Series", "N/A", None),
        ("vbios_version", "VBIOS version", "113-D65209-073", "113-D65209-073"),
        ("vbios_version", "VBIOS Version", "113-D7020100-100", "113-D7020100-100"),
        ("compute_capability", "GFX Version", "gfx942", "gfx942"),
        ("compute_capability", "GFX Version", "N/A", None),
        ("temperature_celsius", "Temperature (Sensor junction) (C)", "35.0", 35),
        ("temperature_celsius", "Temperature (Sensor edge) (C)", "38.6", 39),
        ("temperature_celsius", "Temperature (Sensor junction) (C)", "N/A", None),
        ("max_graphics_clock_mhz", "Valid sclk range", "500Mhz - 1700Mhz", 1700),
        ("max_graphics_clock_mhz", "Valid sclk range", "unknown", None),
        ("serial", "Serial Number", "692224000227", "692224000227"),
        ("serial", "Serial Number", "0", None),
        ("serial", "Serial Number", "N/A", None),
        ("numa_node", "(Topology) Numa Affinity", "1", 1),
        ("numa_node", "(Topology) Numa Affinity", "-1", None),
        ("numa_node", "(Topology) Numa Affinity", "4294967295", None),
        ("memory_total_bytes", "VRAM Total Memory (B)", "206141652992", 206141652992),
        ("memory_total_bytes", "VRAM Total Memory (B)", 34342961152, 34342961152),
        ("memory_total_bytes", "VRAM Total Memory (B)", None, None),
        ("memory_total_bytes", "VRAM Total Memory (B)", ["1"], None),
        ("memory_total_bytes", "VRAM Total Memory (B)", "1e999", None),
        ("device", "PCI Bus", "0000:C1:00.0", "gpu:0000:c1:00"),
        ("device", "PCI Bus", "{{ lookup('pipe', 'id') }}", None),
        ("device", "PCI Bus", 7, None),
        ("uuid", "Unique ID", "0x719d230578348e8c", "GPU-719d230578348e8c"),
    ],
)
def test_each_fact_in_each_spelling(fact: str, key: str, value: Any, expected: Any) -> None:
    assert one(fact, key, value) == expected


def test_the_link() -> None:
    assert one("pcie", "pcie clock level", "1 (16.0GT/s x8)") == {
        "width": 8, "max_width": None, "generation": 4, "max_generation": None,
    }  # fmt: skip
    assert set(one("pcie", "pcie clock level", "1").values()) == {None}


def test_a_card_that_says_nothing() -> None:
    facts = card()
    assert {key for key, value in facts.items() if value is not None} == {"pcie"}


def test_cards_are_in_the_order_of_their_numbers() -> None:
    text = json.dumps({**{f"card{number}": {"Card Series": f"n{number}"} for number in (10, 2, 0)}, "cardX": {}})
    assert [facts["model"] for facts in rocm_smi.parse(text)["cards"]] == ["n0", "n2", "n10"]


def test_warnings_before_the_document_and_lines_behind_it() -> None:
    text = (
        "WARNING: AMD GPU device(s) is/are in a low-power state.\n\n"
        + '{"card0": {}, "system": {"Driver version": "6.7.0"}}\n'
    )
    assert rocm_smi.parse(text + "ERROR: GPU[0] : sclk {not} found\n")["driver_version"] == "6.7.0"


def test_every_cut_of_a_real_answer_is_refused() -> None:
    whole = (RECORDED / "rx6700xt_rocm612.json").read_text().strip()
    assert len(rocm_smi.parse(whole)["cards"]) == 1
    for length in range(1, len(whole), 41):
        with pytest.raises(rocm_smi.NotReadable, match="not whole"):
            rocm_smi.parse(whole[:length])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "says nothing"),
        ("ERROR:root:Driver not initialized (amdgpu not found in modules)\n", "Driver not initialized"),
        ("WARNING: No AMD GPUs specified\n" * 500, "No AMD GPUs specified"),
        ('{"card0": ["GPU use (%)"]}', "card0 as list"),
        ('{"card0": ' + "[" * 100_000, "not whole|nested"),
        ("{not json}", "not whole"),
    ],
)
def test_what_is_no_answer(text: str, said: str) -> None:
    with pytest.raises(rocm_smi.NotReadable, match=said) as caught:
        rocm_smi.parse(text)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("text", ['{"system": {}}', "{}", '{"system": ["x"]}', '{"card99999": {}}'])
def test_an_answer_without_cards(text: str) -> None:
    assert rocm_smi.parse(text) == {"driver_version": None, "cards": []}


def test_a_huge_answer() -> None:
    text = json.dumps({f"card{number}": {"Card Series": "x" * 1000, "extra": "y" * 1000} for number in range(2000)})
    assert len(rocm_smi.parse(text)["cards"]) == 2000


def test_numbers_that_no_card_has_are_unknown() -> None:
    digits = "9" * 5000
    card = {
        "Valid sclk range": f"500Mhz - {digits}Mhz",
        "pcie clock level": f"1 ({digits}GT/s x{digits})",
        "Temperature (Sensor junction) (C)": digits,
        "VRAM Total Memory (B)": "nan",
    }
    (facts,) = rocm_smi.parse(json.dumps({"card0": card}))["cards"]
    assert {facts[key] for key in ("max_graphics_clock_mhz", "temperature_celsius", "memory_total_bytes")} == {None}
    assert set(facts["pcie"].values()) == {None}


def test_bytes_made_visible_do_not_break_the_answer() -> None:
    r"""The runner writes a byte that is no UTF-8 as \xff, an escape that JSON does not have."""
    (facts,) = rocm_smi.parse(r'{"card0": {"Serial Number": "69\xff\\xaa\u0041\"\n"}}')["cards"]
    assert facts["serial"] == r"69\xff\xaaA" + '"'
