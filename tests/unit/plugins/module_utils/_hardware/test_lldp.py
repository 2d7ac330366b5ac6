# Tests of the reader of lldpctl's answers.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware.lldp import (
    NEIGHBOUR_KEYS,
    LldpError,
    leaf,
    parse_lldpctl,
)

FIXTURES = Path(__file__).parents[3] / "fixtures" / "lldp"


def recorded(name: str) -> list[dict[str, Any]]:
    return parse_lldpctl((FIXTURES / f"{name}.txt").read_text(encoding="utf-8"))


def neighbour(interface: str, port_id: str, description: str, **more: Any) -> dict[str, Any]:
    return {
        "interface": interface,
        "chassis_id": "02:00:5e:20:00:01",
        "chassis_name": "leaf1",
        "port_id": port_id,
        "port_description": description,
    } | more


@pytest.mark.parametrize("shape", ["json", "json0"])
def test_both_shapes_say_the_same(shape: str) -> None:
    assert recorded(f"none.{shape}") == []
    assert recorded(f"one.{shape}") == [neighbour("eth1", "02:00:5e:20:00:01", "swp1")]
    assert recorded(f"three.{shape}") == [
        neighbour("eth1", "02:00:5e:20:00:01", "swp1"),
        neighbour("eth2", "Ethernet1/2", "swp2"),
        neighbour("eth3", "02:00:5e:20:00:03", "to {{ node }}"),
    ]


def test_a_switch_without_a_name_is_a_neighbour_too() -> None:
    port = {"id": {"type": "ifname", "value": "Ethernet1"}}
    named = {"lldp": {"interface": {"eth0": {"chassis": {"id": {"type": "mac", "value": "a"}}, "port": port}}}}
    assert parse_lldpctl(json.dumps(named)) == [
        dict(zip(NEIGHBOUR_KEYS, ("eth0", "a", None, "Ethernet1", None), strict=True))
    ]


def test_two_neighbours_of_one_interface() -> None:
    entry = {"chassis": {"leaf1": {"id": {"value": "a"}}}, "port": {"id": {"value": "1"}}}
    for interface in ([{"eth0": entry}, {"eth0": entry}], {"eth0": [entry, entry]}):
        found = parse_lldpctl(json.dumps({"lldp": {"interface": interface}}))
        assert [one["interface"] for one in found] == ["eth0", "eth0"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        '"lldp"',
        '{"lldp": "x"}',
        '{"lldp": {"interface": "eth0"}}',
        '{"lldp": {"interface": ["eth0"]}}',
        '{"lldp": {"interface": {"eth0": {"chassis": "leaf1"}}}}',
        '{"lldp": {"interface": {"eth0": {"port": {"id": 7}}}}}',
        '{"lldp": {"interface": {"eth0": {"chassis": {"leaf1": 5}}}}}',
        '{"lldp": {"interface":',
        "lldpctl: unable to connect",
        "[" * 100_000,
    ],
)
def test_what_is_no_answer_is_an_error(text: str) -> None:
    with pytest.raises(LldpError):
        parse_lldpctl(text)


def test_every_cut_of_an_answer_is_an_error() -> None:
    text = (FIXTURES / "one.json0.txt").read_text(encoding="utf-8").strip()
    for end in range(1, len(text), 7):
        with pytest.raises(LldpError):
            parse_lldpctl(text[:end])


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (None, None),
        ([], None),
        (["leaf1"], "leaf1"),
        (["leaf1", "leaf1"], "leaf1"),
        (["leaf1", "leaf2"], None),
        (["leaf1", None], None),
        ([None], None),
    ],
)
def test_only_a_single_switch_is_the_leaf(names: list[str | None] | None, expected: str | None) -> None:
    neighbours = None if names is None else [{"chassis_name": name} for name in names]
    assert leaf(neighbours) == expected
