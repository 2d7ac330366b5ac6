# Tests of molecule/shared/hardware_tree.py: the hardware files of a node, and that our readers understand them.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import hardware_tree
import pytest
from hardware.files import Link
from hardware.machine import describe, parse_state

from ansible_collections.aidc.ops.plugins.module_utils._hardware import pcie, proc_gpus
from ansible_collections.aidc.ops.plugins.module_utils._hardware.nodes import PARTS, read_parts

SHARED = Path(hardware_tree.__file__).parent
H100, A100, L40S = "NVIDIA H100 80GB HBM3", "NVIDIA A100-SXM4-80GB", "NVIDIA L40S"
# What the tree describes; the rest is asked of the running system.
OF_THE_TREE = [part for part in PARTS if part not in ("os", "filesystems")]


@pytest.fixture(scope="module")
def gpusim() -> ModuleType:
    """The program that makes the state of the simulated GPUs."""
    loader = importlib.machinery.SourceFileLoader("gpusim", str(SHARED / "gpusim/bin/gpusim"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    with mock.patch.object(sys, "dont_write_bytecode", new=True):
        loader.exec_module(module)
    return module


class Node:
    """A node of the lab in a folder: its simulator and its tree."""

    def __init__(self, folder: Path, gpusim: ModuleType) -> None:
        self.folder, self.program = folder, gpusim
        self.root = folder / "root"

    def gpusim(self, *arguments: str) -> None:
        with mock.patch.dict(os.environ, {"GPUSIM_STATE": str(self.folder / "state")}):
            assert self.program.main([*arguments]) == 0

    def write(self, name: str = "gpu1") -> str:
        arguments = ["--node", name, "--state", str(self.folder / "state"), "--root", str(self.root)]
        done = subprocess.run(
            [sys.executable, str(SHARED / "hardware_tree.py"), *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout

    def read(self) -> dict[str, Any]:
        return read_parts(str(self.root), 60, OF_THE_TREE)


@pytest.fixture
def node(tmp_path: Path, gpusim: ModuleType) -> Node:
    return Node(tmp_path, gpusim)


def test_same_description_same_tree_other_name_other_numbers() -> None:
    first, again, other = (hardware_tree.hardware_tree(describe(name, None)) for name in ("ctl", "ctl", "store1"))
    assert first == again
    assert sorted(first) == sorted(other)
    differ = [path for path in first if first[path] != other[path]]
    unique = ("product_serial", "product_uuid", "board_serial", "chassis_serial", "DMI", "serial", "address", "guid")
    assert all(any(part in path for part in unique) or path.endswith(("gids/0", "lid")) for path in differ)
    assert {path.rpartition("/")[2] for path in differ} >= {"product_serial", "DMI", "serial", "address", "node_guid"}


def test_node_without_gpus(node: Node) -> None:
    node.write("store1")
    answer = node.read()
    assert answer["problems"] == []
    assert answer["node"]["id"].startswith("dmi:SIM-")
    assert [(cpu["cores"], cpu["threads"], cpu["numa_nodes"]) for cpu in answer["cpus"]] == [
        (16, 32, [0]),
        (16, 32, [1]),
    ]
    assert [link["class_id"] for link in answer["pcie_links"]] == ["0x020000", "0x020000", "0x010802", "0x010802"]
    assert [nic["state"] for nic in answer["nics"]] == ["up", "down"]
    assert answer["nvswitches"] == []
    assert not (node.root / "proc/driver").exists()


@pytest.mark.parametrize(
    ("model", "gpus", "switches", "adapters", "speed"),
    [(H100, 8, 4, 10, 32.0), (A100, 16, 12, 18, 16.0), (L40S, 8, 0, 4, 16.0), (H100, 0, 0, 2, None)],
)
def test_gpu_nodes(node: Node, model: str, gpus: int, switches: int, adapters: int, speed: float | None) -> None:
    node.gpusim("init", "--model", model, "--gpus", str(gpus), "--node", "gpu1")
    node.write()
    answer = node.read()
    assert answer["problems"] == []
    assert len(answer["nvswitches"]) == switches
    assert {switch["driver"] for switch in answer["nvswitches"]} <= {"nvidia-nvswitch"}
    assert len(answer["nics"]) == len(answer["infiniband_ports"]) == adapters
    assert len(answer["disks"]) == 2 + gpus
    assert len(answer["memory"]["dimms"]) == 32
    assert len({dimm["serial"] for dimm in answer["memory"]["dimms"]}) == 32
    found = [link for link in answer["pcie_links"] if link["class_id"] == "0x030200"]
    assert len(found) == len(proc_gpus.read_proc_gpus(str(node.root))) == gpus
    assert {(link["width"], link["max_width"], link["speed_gtps"]) for link in found} <= {(16, 16, speed)}
    assert {link["numa_node"] for link in found} == ({0, 1} if gpus else set())
    addresses = [link["pci_address"] for link in answer["pcie_links"]]
    assert len(set(addresses)) == len(addresses)


def test_firmware_says_what_the_simulator_says(node: Node) -> None:
    """Both write the DMI files, at each boot; the node must not change its identity between the two."""
    node.gpusim("init", "--model", H100, "--gpus", "8", "--node", "gpu7")
    folder = node.root / "sys/class/dmi/id"
    before = {path.name: (path.read_text(), path.stat().st_mode) for path in folder.iterdir()}
    node.write("gpu7")
    after = {path.name: (path.read_text(), path.stat().st_mode) for path in folder.iterdir()}
    assert before.items() <= after.items()
    assert set(after) - set(before) == {"bios_date", "chassis_type", "chassis_vendor"}


def test_gpus_are_those_of_the_simulator(node: Node) -> None:
    node.gpusim("init", "--model", H100, "--gpus", "8", "--node", "gpu1")
    node.write()
    state = parse_state((node.folder / "state").read_text())
    facts = proc_gpus.read_proc_gpus(str(node.root))
    assert facts["0000:1b:00.0"] == {"model": H100, "uuid": state["uuid.0"], "minor_number": 0}
    assert pcie.pci_facts(str(node.root), "0000:1b:00.0") == {
        "vendor_id": "0x10de",
        "device_id": "0x2330",
        "driver": "nvidia",
        "numa_node": 0,
    }


def test_second_run_changes_nothing(node: Node) -> None:
    node.gpusim("init", "--model", H100, "--gpus", "2", "--node", "gpu1")
    assert node.write() != "gpu1: 0 files changed\n"
    assert node.write() == "gpu1: 0 files changed\n"
    node.gpusim("boot")
    assert node.write() == "gpu1: 0 files changed\n"


def test_tree_follows_the_simulator(node: Node) -> None:
    node.gpusim("init", "--model", H100, "--gpus", "4", "--node", "gpu1")
    node.write()
    old = proc_gpus.read_proc_gpus(str(node.root))
    node.gpusim("replace", "--gpu", "0")
    node.gpusim("inject", "xid79", "--gpu", "1", "--permanent")
    node.gpusim("boot")
    node.gpusim("set", "--gpu", "2", "pcie_width=8")
    node.write()
    links = {link["pci_address"]: link for link in node.read()["pcie_links"]}
    now = proc_gpus.read_proc_gpus(str(node.root))
    assert now["0000:1b:00.0"]["uuid"] != old["0000:1b:00.0"]["uuid"]
    # The driver did not start the broken one; on the bus it still is.
    assert "0000:43:00.0" not in now and links["0000:43:00.0"]["driver"] is None
    assert (links["0000:52:00.0"]["width"], links["0000:52:00.0"]["max_width"]) == (8, 16)
    assert links["0000:61:00.0"]["driver"] == "nvidia"


def test_gpu_off_the_bus_and_injected_errors(node: Node) -> None:
    node.gpusim("init", "--model", H100, "--gpus", "2", "--node", "gpu1")
    node.gpusim("inject", "xid79", "--gpu", "1")
    node.gpusim("set", "--gpu", "0", "pcie_width=!3", "minor=N/A")
    node.write()
    links = {link["pci_address"]: link for link in node.read()["pcie_links"]}
    assert (links["0000:43:00.0"]["width"], links["0000:43:00.0"]["speed_gtps"]) == (None, None)
    assert links["0000:1b:00.0"]["width"] == 16


def test_other_files_below_the_root_stay(node: Node) -> None:
    node.write("ctl")
    foreign, stale = node.root / "sys/class/kfd/kfd/topology", node.root / "sys/class/net/old0"
    foreign.mkdir(parents=True)
    stale.mkdir()
    (stale / "address").write_text("x")
    assert node.write("ctl") == "ctl: 1 files changed\n"
    assert foreign.is_dir()
    assert not stale.exists()


def test_what_only_root_may_read(node: Node) -> None:
    node.write("ctl")
    modes = {path.name: path.stat().st_mode & 0o777 for path in (node.root / "sys/class/dmi/id").iterdir()}
    assert [name for name, mode in sorted(modes.items()) if mode == 0o400] == [
        "board_serial",
        "chassis_serial",
        "product_serial",
        "product_uuid",
    ]
    assert (node.root / "sys/firmware/dmi/tables/DMI").stat().st_mode & 0o777 == 0o400


def test_links_are_relative_as_the_kernel_makes_them(node: Node) -> None:
    node.write("ctl")
    link = node.root / "sys/bus/pci/devices/0000:e2:00.0"
    assert os.readlink(link) == "../../../devices/pci0000:e0/0000:e0:02.0/0000:e2:00.0"
    assert all(path.exists() for path in node.root.rglob("*") if path.is_symlink())


def test_tree_holds_only_files_below_sys_and_proc() -> None:
    tree = hardware_tree.hardware_tree(describe("ctl", None))
    assert {path.split("/")[0] for path in tree} == {"sys", "proc"}
    assert all(".." not in path.split("/") for path in tree)
    targets = {content.target for content in tree.values() if isinstance(content, Link)}
    assert all(any(path == target or path.startswith(target + "/") for path in tree) for target in targets)
