# Tests of the module hardware_record as Ansible calls it: what it asks for, what it writes, and when that is a change.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.modules import hardware_record

Call = Callable[..., dict[str, Any]]
NODE: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "fixtures" / "hardware_record" / "node.json").read_text(encoding="utf-8")
)


class Node:
    """Stands in for the hardware: what it is now, and how often it was asked for what."""

    def __init__(self) -> None:
        self.record = copy.deepcopy(NODE)
        self.asked: list[Any] = []

    def collect(self, *arguments: Any) -> Any:
        self.asked.append(arguments)
        return copy.deepcopy(self.record)


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Node:
    node = Node()
    monkeypatch.setattr(hardware_record, "collect", node.collect)
    return node


@pytest.fixture
def paths(tmp_path: Path) -> dict[str, str]:
    return {"json_path": str(tmp_path / "record.json"), "textfile_path": str(tmp_path / "hardware.prom")}


@pytest.mark.parametrize("check", [False, True])
def test_without_files_nothing_is_a_change(call: Call, node: Node, check: bool) -> None:
    answer = call(hardware_record.main, check=check, config=None)
    assert (answer["changed"], answer["record"], answer["diff"]) == (False, NODE, [])


def test_every_option_arrives(call: Call, node: Node) -> None:
    arguments = {"root": "/mnt", "timeout": 7, "bmc_in_band": False, "topology": {"rack": "r7"}}
    call(hardware_record.main, config=None, bmc={"fans": []}, **arguments)
    (asked, topology, bmc, in_band), *rest = node.asked
    assert (asked.root, asked.timeout, bmc, in_band, rest) == ("/mnt", 7, {"fans": []}, False, [])
    assert topology == {"site": None, "rack": "r7", "leaf": None, "feed": None}


def test_four_steps(call: Call, node: Node, paths: dict[str, str], tmp_path: Path) -> None:
    assert call(hardware_record.main, check=True, config=None, **paths)["changed"] is True
    assert list(tmp_path.glob("*record.json")) == []
    first = call(hardware_record.main, config=None, **paths)
    assert first["changed"] is True
    assert json.loads((tmp_path / "record.json").read_text(encoding="utf-8")) == NODE
    assert "aidc_ops_hardware_gpus{" in (tmp_path / "hardware.prom").read_text(encoding="utf-8")
    assert [diff["before"] for diff in first["diff"]] == ["", ""]
    assert "NVIDIA H100" in first["diff"][0]["after"] and "NVIDIA H100" in first["diff"][1]["after"]
    for check in (False, True):
        again = call(hardware_record.main, check=check, config=None, **paths)
        assert (again["changed"], again["diff"]) == (False, [])


def test_new_readings_are_written_and_are_no_change(call: Call, node: Node, paths: dict[str, str]) -> None:
    call(hardware_record.main, config=None, **paths)
    node.record["collected_at"] = "2026-11-22T00:00:00Z"
    node.record["gpus"][0]["temperature_celsius"] = 90
    assert call(hardware_record.main, check=True, config=None, **paths)["changed"] is False
    assert "2026-11-22" not in Path(paths["json_path"]).read_text(encoding="utf-8")
    assert call(hardware_record.main, config=None, **paths)["changed"] is False
    assert json.loads(Path(paths["json_path"]).read_text(encoding="utf-8")) == node.record
    assert "timestamp_seconds 1795305600\n" in Path(paths["textfile_path"]).read_text(encoding="utf-8")


def test_other_hardware_is_a_change_and_the_difference_shows_only_that(
    call: Call, node: Node, paths: dict[str, str]
) -> None:
    call(hardware_record.main, config=None, **paths)
    node.record["collected_at"] = "2026-11-22T00:00:00Z"
    node.record["pcie_links"][0]["width"] = 8
    answer = call(hardware_record.main, config=None, **paths)
    assert answer["changed"] is True
    for diff in answer["diff"]:
        pairs = list(zip(diff["before"].splitlines(), diff["after"].splitlines(), strict=True))
        assert len([1 for before, after in pairs if before != after]) == 1


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b'{"schema_version": 2}', b"x" * 100_000])
def test_anything_else_in_the_file_is_replaced(call: Call, node: Node, paths: dict[str, str], content: bytes) -> None:
    Path(paths["json_path"]).write_bytes(content)
    assert call(hardware_record.main, config=None, json_path=paths["json_path"])["changed"] is True
    assert json.loads(Path(paths["json_path"]).read_text(encoding="utf-8")) == NODE
    assert call(hardware_record.main, config=None, json_path=paths["json_path"])["changed"] is False


@pytest.mark.parametrize(("mode", "expected"), [("0600", 0o600), ("640", 0o640), (0o604, 0o604)])
def test_the_mode_is_kept_too(call: Call, node: Node, paths: dict[str, str], mode: Any, expected: int) -> None:
    path = Path(paths["json_path"])
    call(hardware_record.main, config=None, json_path=str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    answer = call(hardware_record.main, config=None, json_path=str(path), json_mode=mode)
    assert answer["changed"] is True and "(mode 0644)" in answer["diff"][0]["before_header"]
    assert stat.S_IMODE(path.stat().st_mode) == expected
    assert call(hardware_record.main, config=None, json_path=str(path), json_mode=mode)["changed"] is False


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"timeout": 0}, "timeout must be at least 1 second, not 0"),
        ({"json_path": "record.json"}, "json_path has to be an absolute path"),
        ({"textfile_path": "/tmp/hardware.txt"}, "textfile_path has to end in .prom"),
        ({"json_path": "/none/record.json"}, "there is no directory /none; create it first"),
        ({"json_path": "/dev"}, "/dev is there and is no regular file"),
        ({"json_path": "/tmp/x", "json_mode": "u=rw"}, "json_mode has to be an octal number"),
        ({"json_path": "/tmp/x", "json_mode": "7777"}, "json_mode has to be an octal number"),
        ({"json_path": "/tmp/x", "json_mode": [6]}, "json_mode has to be an octal number"),
        ({"topology": {"row": "1"}}, "Unsupported parameters"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_read(
    call: Call, node: Node, arguments: dict[str, Any], message: str
) -> None:
    answer = call(hardware_record.main, config=None, **arguments)
    assert answer["failed"] and message in answer["msg"]
    assert node.asked == []


def test_a_directory_that_an_earlier_task_makes_is_fine_in_check_mode(call: Call, node: Node, tmp_path: Path) -> None:
    path = str(tmp_path / "new" / "record.json")
    assert call(hardware_record.main, check=True, config=None, json_path=path)["changed"] is True
    assert not (tmp_path / "new").exists()
