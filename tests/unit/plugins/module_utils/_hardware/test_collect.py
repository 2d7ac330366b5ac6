# Tests of collecting a record: sources that answer, fail, die or hang, and what becomes of their parts.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import collect as collecting
from ansible_collections.aidc.ops.plugins.module_utils._hardware import ipmi_client
from ansible_collections.aidc.ops.plugins.module_utils._hardware.collect import Asked, Sources, collect
from ansible_collections.aidc.ops.plugins.module_utils._hardware.record import check

NODE: dict[str, Any] = json.loads(
    (Path(__file__).parents[3] / "fixtures" / "hardware_record" / "node.json").read_text(encoding="utf-8")
)
NODE_PARTS = ["node", "os", "cpus", "numa_nodes", "memory", "nvswitches", "nics", "infiniband_ports", "disks"]
NODE_PARTS += ["filesystems", "pcie_links", "clock", "problems"]
ASKED = Asked("/", 5, lambda *_arguments: None)


def node(_asked: Any, _progress: Any) -> Any:
    return {part: NODE[part] for part in NODE_PARTS}


def gpus(_asked: Any, _progress: Any) -> Any:
    extra = {"available": True, "reason": None, "driver_version": "1", "nvml_version": "1"}
    return {**extra, "gpus": NODE["gpus"], "gpu_drivers": NODE["gpu_drivers"], "problems": []}


def bmc(_asked: Any, _progress: Any) -> Any:
    return {
        **{part: NODE[part] for part in ("bmc", "fans", "power_supplies")},
        "system": None,
        "problems": [{"part": "thermal", "device": None, "message": "half of the sensors"}],
    }


def neighbors(_asked: Any, _progress: Any) -> Any:
    return {"lldp_neighbors": NODE["topology"]["lldp_neighbors"]}


def nothing(_asked: Any, _progress: Any) -> Any:
    return {}


def fails(_asked: Any, _progress: Any) -> Any:
    raise ValueError("what is this {{ 7 * 7 }}")


def dies(_asked: Any, _progress: Any) -> Any:
    os._exit(3)


def hangs(_asked: Any, progress: Any) -> Any:
    progress("asking a device that is gone")
    time.sleep(60)


GOOD = Sources(node, gpus, bmc, neighbors)
PLACE = {name: NODE["topology"][name] for name in ("site", "rack", "leaf", "feed")}


def messages(record: Any) -> list[tuple[str, str]]:
    return [(problem["part"], problem["message"]) for problem in record["problems"]]


def test_everything_comes_together() -> None:
    record: Any = collect(ASKED, PLACE, sources=GOOD)
    assert check(record, exact=True) == []
    assert re.match(r"20[0-9]{2}-.*Z\Z", record["collected_at"])
    same = {part for part in NODE if record[part] == NODE[part]}
    assert set(NODE) - same == {"collected_at", "problems"}
    assert messages(record) == [
        ("filesystems", "no answer within 2 s"),
        ("fans", "half of the sensors"),
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "message"),
    [
        (fails, "cannot be read: ValueError: what is this {{ 7 * 7 }}"),
        (dies, "the reading process died"),
        (hangs, "no answer within 2 seconds while asking a device that is gone"),
    ],
)
@pytest.mark.parametrize("part", Sources._fields)
def test_one_source_that_fails_costs_its_own_parts(
    part: str, source: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Long enough for a busy machine to start the children.
    monkeypatch.setattr(collecting, "_GRACE_SECONDS", 1.9)
    started = time.monotonic()
    record: Any = collect(Asked("/", 0.1, print), PLACE, sources=GOOD._replace(**{part: source}))
    assert time.monotonic() - started < 10
    assert check(record, exact=True) == []
    assert (part, message) in messages(record)
    assert (record["gpus"] is None) == (part == "gpus")
    assert (record["bmc"] is None) == (part == "bmc")
    assert (record["nics"] is None) == (part == "node")
    assert (record["topology"]["lldp_neighbors"] is None) == (part == "topology")
    assert record["topology"]["rack"] == "r07"


@pytest.mark.slow
def test_all_sources_hang_together_and_cost_one_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "_GRACE_SECONDS", 2)
    started = time.monotonic()
    record: Any = collect(Asked("/", 1, print), {}, sources=Sources(hangs, hangs, hangs, hangs))
    assert time.monotonic() - started < 10
    assert check(record) == []
    assert [part for part, _message in messages(record)] == ["node", "gpus", "bmc", "topology"]


@pytest.mark.parametrize("given", [{}, {"fans": NODE["fans"]}, {"failed": True, "msg": "bmc1: no answer"}])
def test_a_bmc_that_was_asked_already_is_not_asked_again(given: Any) -> None:
    record: Any = collect(ASKED, PLACE, bmc=given, sources=GOOD._replace(bmc=fails))
    assert record["fans"] == given.get("fans")
    assert [part for part, _message in messages(record)] == ["filesystems"] + ["bmc"] * ("failed" in given)


def test_a_bmc_that_nobody_may_ask_is_not_asked() -> None:
    record: Any = collect(ASKED, PLACE, bmc_in_band=False, sources=GOOD._replace(bmc=fails))
    assert record["bmc"] is None and messages(record) == [("filesystems", "no answer within 2 s")]


@pytest.mark.parametrize("value", [{"gpus": "none"}, {"gpus": [5]}, {"problems": "x"}, {"problems": [None]}])
def test_a_source_that_tells_nonsense_is_a_problem(value: Any) -> None:
    record: Any = collect(ASKED, PLACE, sources=GOOD._replace(gpus=lambda _asked, _progress: value))
    assert check(record) == []
    assert len(record["problems"]) > 2


def test_no_gpu_is_unknown_where_the_bus_has_one() -> None:
    absent = {"available": False, "reason": "the driver library is not installed", "gpus": [], "problems": []}
    sources = GOOD._replace(gpus=lambda _asked, _progress: absent)
    record: Any = collect(ASKED, PLACE, sources=sources)
    assert record["gpus"] is None and check(record) == []
    expected = "no driver answers for the GPUs on the bus (0000:1b:00.0): the driver library is not installed"
    assert ("gpus", expected) in messages(record)
    links = [{**link, "vendor_id": "0x1a03"} for link in NODE["pcie_links"]]
    sources = sources._replace(node=lambda _asked, _progress: {"pcie_links": links})
    assert collect(ASKED, PLACE, sources=sources)["gpus"] == []


# --- the sources themselves


def test_no_bmc_device_no_question(tmp_path: Path) -> None:
    asked = Asked(str(tmp_path), 5, lambda *_arguments: pytest.fail("was asked"))
    assert collecting.read_bmc(asked, lambda _step: None) == {}


def test_lldpd_that_is_not_installed_is_no_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting.shutil, "which", lambda _name, path: None)
    assert collecting.read_neighbors(ASKED, lambda _step: None) == {}


def test_lldpctl_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting.shutil, "which", lambda _name, path: "/usr/sbin/lldpctl")
    answer = SimpleNamespace(rc=1, stdout="", stderr="unable to get information\n")
    asked = Asked("/", 5, lambda _argv, _timeout: answer)
    with pytest.raises(collecting.NoAnswer, match="lldpctl failed: unable to get information"):
        collecting.read_neighbors(asked, lambda _step: None)


def test_what_lldpd_heard_is_told_and_names_the_leaf(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting.shutil, "which", lambda _name, path: "/usr/sbin/lldpctl")
    heard = {
        "interface": [{"name": "eno1", "chassis": [{"id": [{"value": "c"}], "name": [{"value": "leaf3"}]}], "port": []}]
    }
    answer = SimpleNamespace(rc=0, stdout=json.dumps({"lldp": [heard]}), stderr="")
    asked = Asked("/", 5, lambda _argv, _timeout: answer)
    found = collecting.read_neighbors(asked, lambda _step: None)
    assert found["lldp_neighbors"][0]["interface"] == "eno1" and found["leaf"] == "leaf3"


@pytest.mark.parametrize(("given", "leaf"), [({}, "leaf3"), ({"leaf": None}, "leaf3"), ({"leaf": "leaf9"}, "leaf9")])
def test_a_given_leaf_goes_before_the_one_that_was_heard(given: Any, leaf: str) -> None:
    heard = {"lldp_neighbors": [], "leaf": "leaf3"}
    record: Any = collect(ASKED, given, sources=GOOD._replace(topology=lambda _asked, _progress: heard))
    assert record["topology"]["leaf"] == leaf


IPMITOOL = {
    "mc info": "Firmware Revision         : 1.14\nManufacturer Name         : Example\n",
    "lan print": "IP Address              : 192.0.2.17\nMAC Address             : 02:00:5e:10:00:99\n",
    "fru print": "FRU Device Description : Builtin FRU Device (ID 0)\n Product Serial        : SN0042\n",
    "chassis status": "System Power         : on\n",
    "sdr elist": "FAN1             | 30h | ok  | 29.1 | 9800 RPM\n",
}


@pytest.fixture
def in_band(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "ipmi0").touch()
    monkeypatch.setattr(ipmi_client, "find_program", lambda: "ipmitool")
    return tmp_path


def test_the_bmc_of_this_machine_is_asked_in_band(in_band: Path) -> None:
    def run(argv: list[str], _timeout: float, _environment: Any) -> Any:
        assert argv[:3] == ["ipmitool", "-I", "open"]
        return SimpleNamespace(rc=0, stdout=IPMITOOL[" ".join(argv[3:])], stderr="")

    record: Any = collect(Asked(str(in_band), 5, run), {}, sources=Sources(nothing, nothing, topology=nothing))
    assert check(record, exact=True) == [] and record["problems"] == []
    assert record["bmc"]["address"] == "192.0.2.17" and record["bmc"]["protocol"] == "ipmi"
    assert [(fan["name"], fan["rpm"], fan["state"]) for fan in record["fans"]] == [("FAN1", 9800, "ok")]
    assert record["node"]["serial"] == "SN0042" and record["node"]["id"] == "dmi:SN0042"


def test_a_bmc_that_does_not_answer_in_band_is_told(in_band: Path) -> None:
    def run(_argv: list[str], _timeout: float, _environment: Any) -> Any:
        return SimpleNamespace(rc=1, stdout="", stderr="Could not open device at /dev/ipmi0\n")

    record: Any = collect(Asked(str(in_band), 5, run), {}, sources=Sources(nothing, nothing, topology=nothing))
    assert (record["bmc"], record["fans"]) == (None, None)
    (problem,) = record["problems"]
    assert problem["part"] == "bmc" and "Could not open device at /dev/ipmi0" in problem["message"]
