# What the module gpu_config does to simulated GPUs, through nvidia-ml-py: look, set, read back, refuse.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import PIPE
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Node

Configure = Callable[..., list[dict[str, Any]]]
# Instance:slices:first eighth, as the state has it.
LAYOUT = "1:3:4,2:2:0,3:2:2"
COLLECTIONS = Path(__file__).resolve().parents[4] / ".ansible" / "collections"
# Runs the module as Ansible does, for one line of input after the other; Python and Ansible are loaded once.
PROGRAM = """
import contextlib, io, json, os, sys
sys.path.insert(0, sys.argv[1])
from ansible.module_utils.testing import patch_module_args
from ansible_collections.aidc.ops.plugins.module_utils._gpu_config import node
from ansible_collections.aidc.ops.plugins.modules import gpu_config
for line in sys.stdin:
    os.environ["GPUSIM_STATE"], node.RECORD, options = json.loads(line)
    output = io.StringIO()
    with patch_module_args(options), contextlib.redirect_stdout(output), contextlib.suppress(SystemExit):
        gpu_config.main()
    print(output.getvalue().strip(), flush=True)
"""


@pytest.fixture(scope="module")
def runner(library: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", PROGRAM, str(COLLECTIONS)]
    environment = {**os.environ, "LD_LIBRARY_PATH": str(library)}
    with subprocess.Popen(command, env=environment, stdin=PIPE, stdout=PIPE, text=True) as process:
        yield process
        assert process.stdin
        process.stdin.close()


@pytest.fixture
def configure(runner: subprocess.Popen[str], bare_node: Node) -> Configure:
    """Gives the answers of the module to these options, one run after the other."""

    def run(*options: dict[str, Any]) -> list[dict[str, Any]]:
        assert runner.stdin and runner.stdout
        answers = []
        for one in options:
            line = json.dumps([str(bare_node.state), str(bare_node.folder / "clocks.json"), one])
            print(line, file=runner.stdin, flush=True)
            answers.append(json.loads(runner.stdout.readline()))
        return answers

    return run


def check(**options: Any) -> dict[str, Any]:
    return {**options, "_ansible_check_mode": True}


def test_check_run_run_check(node: Node, configure: Configure) -> None:
    """All settings on two of four GPUs: the check touches nothing, the second run changes nothing."""
    wanted = {
        "gpus": ["1", "gpu:0000:61:00"],
        "power_limit_watts": "350",
        "persistence": True,
        "compute_mode": "exclusive_process",
        "locked_clocks_mhz": [1200, 1500],
        "ecc": False,
        "mig_layout": ["2g.20gb", "3G.40GB", "14"],
    }
    before = node.state.read_text()
    (first,) = configure(check(**wanted))
    assert node.state.read_text() == before and not (node.folder / "clocks.json").exists()
    run, again, last = configure(wanted, wanted, check(**wanted))
    assert [one["changed"] for one in (first, run, again, last)] == [True, True, False, False], again
    assert [gpu["index"] for gpu in run["gpus"]] == [1, 3]
    after = {
        "compute_mode": "exclusive_process",
        "ecc": False,
        "locked_clocks_mhz": [1200, 1500],
        "mig": True,
        "mig_layout": ["3g.40gb", "2g.20gb", "2g.20gb"],
        "persistence": True,
        "power_limit_watts": 350.0,
    }
    assert run["gpus"][0]["after"] == after == first["gpus"][0]["after"]
    assert run["diff"]["after"] == {gpu["uuid"]: after for gpu in run["gpus"]}
    assert run["diff"]["before"][run["gpus"][1]["uuid"]]["mig_layout"] == []
    assert again["diff"] == {"before": {}, "after": {}}
    assert run["reset_needed"] and again["reset_needed"] and not run["reboot_needed"], "ECC waits for a reset"
    for key, value in (("power_limit", "350000"), ("locked_graphics_max", "1500"), ("mig_instances", LAYOUT)):
        assert [node.entry(key, slot) == value for slot in range(4)] == [False, True, False, True], key
    node.gpusim("reset", "--gpu", "1")
    (after_reset,) = configure(check(gpus=["1"], ecc=False))
    assert (after_reset["changed"], after_reset["reset_needed"]) == (False, False)


def test_back_to_what_the_gpus_come_with(node: Node, configure: Configure) -> None:
    mine = {"gpus": ["0"], "power_limit_watts": "300.5", "locked_clocks_mhz": [345, 345], "mig_layout": ["7g.80gb"]}
    back = {"gpus": ["all"], "power_limit_watts": "default", "locked_clocks_mhz": [], "mig": False}
    done, undone, again = configure(mine, back, back)
    assert (done["changed"], undone["changed"], again["changed"]) == (True, True, False)
    assert [gpu["changed"] for gpu in undone["gpus"]] == [True, False, False, False]
    assert undone["gpus"][0]["before"] == {
        "locked_clocks_mhz": [345, 345], "mig": True, "mig_layout": ["7g.80gb"], "power_limit_watts": 300.5,
    }  # fmt: skip
    assert undone["gpus"][0]["after"] == undone["gpus"][1]["after"]
    assert (node.entry("power_limit", 0), node.entry("locked_graphics_max", 0)) == ("700000", "0")
    assert json.loads((node.folder / "clocks.json").read_text()) == {}


def test_only_what_differs_is_destroyed(node: Node, configure: Configure) -> None:
    node.gpusim("mig", "--gpu", "0", "1g.10gb", "3g.40gb", "1g.10gb")
    kept = dict(enumerate((node.entry("mig_devices", 0) or "").split(",")))
    (done,) = configure({"gpus": ["0"], "mig_layout": ["3g.40gb", "2g.20gb", "1g.10gb"]})
    devices = (node.entry("mig_devices", 0) or "").split(",")
    assert done["gpus"][0]["after"]["mig_layout"] == ["3g.40gb", "2g.20gb", "1g.10gb"]
    assert kept[1] in devices and (kept[0] in devices) != (kept[2] in devices), "one of the small ones goes"
    node.gpusim("set", "--gpu", "0", "processes=7:1:train")
    same, more = configure(
        {"gpus": ["0"], "mig_layout": ["1g.10gb", "2g.20gb", "3g.40gb"]},
        {"gpus": ["0"], "mig_layout": ["3g.40gb", "2g.20gb"]},
    )
    assert not same["changed"] and "failed" not in same, "what fits may go on"
    assert more["failed"] and [one["pid"] for one in more["gpus"][0]["refused"]] == [7]


def test_a_half_made_layout_is_completed(node: Node, configure: Configure) -> None:
    """What a run leaves that was killed between instance and compute instance."""
    node.ask("n.nvmlDeviceSetMigMode(gpu(0), 1); n.nvmlDeviceCreateGpuInstance(gpu(0), 9); answer = 0")
    wanted = {"gpus": ["0"], "mig_layout": ["3g.40gb"]}
    first, second = configure(wanted, wanted)
    assert first["gpus"][0]["before"]["mig_layout"] == ["3g.40gb without compute instance"]
    assert (first["changed"], second["changed"]) == (True, False)
    assert (node.entry("mig_devices", 0) or "").startswith("1:0:3g.40gb:")


def test_refused_while_processes_run(node: Node, configure: Configure) -> None:
    pid = 1  # of root, on every machine
    node.gpusim("set", "--gpu", "1", f"processes={pid}:5,999999999:5")
    before = node.state.read_text()
    for answer in configure({"mig": True, "persistence": True}, check(mig_layout=["7g.80gb"])):
        assert answer["failed"] and not answer["changed"]
        assert answer["msg"].startswith("nothing was changed: GPU 1 (GPU-")
        assert "1 (" in answer["msg"] and ") of root" in answer["msg"] and "drain the node first" in answer["msg"]
        assert answer["gpus"][1]["refused"][1] == {"pid": 999999999, "name": None, "owner": None}
    assert node.state.read_text() == before, "not even the GPUs without a process"


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"power_limit_watts": "900"}, "900 W is out of range; this GPU allows 200 to 700 W"),
    ({"power_limit_watts": "nan"}, "neither a number above 0 nor 'default'"),
    ({"power_limit_watts": "-1"}, "neither a number"),
    ({"locked_clocks_mhz": [100, 9000]}, "9000 MHz is out of range; this GPU allows 1980 MHz"),
    ({"locked_clocks_mhz": [1500, 1200]}, "is not [lowest, highest]"),
    ({"mig_layout": ["1g.5gb"]}, "no profile '1g.5gb'; it has 1g.10gb (id 19), 2g.20gb (id 14)"),
    ({"mig_layout": ["{{ 7 * 7 }}"]}, "no profile '{{ 7 * 7 }}'"),
    ({"mig_layout": ["7g.80gb"], "mig": False}, "leave one of the two out"),
    ({"gpus": ["7"], "ecc": True}, "the node has no GPU '7'; it has: 0 (GPU-"),
    ({"gpus": ["0"]}, "nothing is asked for"),
    ({"timeout": 0, "ecc": True}, "timeout: must be at least 1 second"),
]


def test_what_cannot_be(node: Node, configure: Configure) -> None:
    before = node.state.read_text()
    for answer, (options, text) in zip(configure(*[options for options, _text in WRONG]), WRONG, strict=True):
        assert answer["failed"] and text in answer["msg"], (options, answer["msg"])
    assert node.state.read_text() == before


def test_a_layout_that_does_not_fit(node: Node, configure: Configure) -> None:
    node.gpusim("mig", "--gpu", "0", "1g.10gb")
    (answer,) = configure({"gpus": ["0"], "mig_layout": ["4g.40gb", "4g.40gb"]})
    assert "4g.40gb, 4g.40gb do not fit into one GPU together" in answer["msg"]
    assert (node.entry("mig_devices", 0) or "").startswith("1:0:1g.10gb:")


def test_not_supported_is_said_for_each_gpu(bare_node: Node, configure: Configure) -> None:
    bare_node.gpusim("init", "--model", "NVIDIA L40S", "--gpus", "2", "--node", "n1")
    mig, model, other = configure(
        {"mig": True, "persistence": True},
        {"model": "nvidia l40s", "persistence": True},
        {"model": "NVIDIA H100 80GB HBM3", "persistence": False},
    )
    assert mig["msg"].count("mig: this GPU or its driver does not support it (Not Supported)") == 2
    assert len(model["gpus"]) == 2 and model["changed"]
    assert (other["gpus"], other["changed"]) == ([], False)


def test_a_lost_gpu_is_left_out_unless_it_is_named(node: Node, configure: Configure) -> None:
    node.gpusim("inject", "xid79", "--gpu", "2")
    everyone, named = configure({"persistence": True}, {"gpus": ["2"], "persistence": True})
    assert [gpu["index"] for gpu in everyone["gpus"]] == [0, 1, 3] and everyone["changed"]
    assert [(one["index"], one["error"]) for one in everyone["left_out"]] == [(2, "GPU is lost")]
    assert named["failed"] and "GPU 2: GPU is lost" in named["msg"]


def test_a_driver_that_refuses(node: Node, configure: Configure) -> None:
    node.gpusim("inject", "no-permission")
    (answer,) = configure({"gpus": ["0"], "persistence": True})
    text = "persistence: the driver does not permit it (Insufficient Permissions); run this task as root"
    assert text in answer["msg"] and answer["gpus"][0]["after"] == {}


def test_a_driver_that_is_too_old_for_names(node: Node, configure: Configure) -> None:
    missing = ("nvmlDeviceGetGpuInstanceProfileInfoV", "nvmlGpuInstanceGetComputeInstanceProfileInfoV")
    node.gpusim("set", "functions_missing=" + ",".join(missing))
    by_id, by_name = configure({"gpus": ["0"], "mig_layout": ["9"]}, {"gpus": ["0"], "mig_layout": ["3g.40gb"]})
    assert by_id["gpus"][0]["after"]["mig_layout"] == ["9"]
    assert "no profile '3g.40gb'; it has 19 (id 19)" in by_name["msg"]
