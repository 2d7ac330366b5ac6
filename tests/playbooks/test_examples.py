# Runs the examples that the documentation of the hardware modules, filters, lookup and inventory plugins shows.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text is that of the documentation; only paths and addresses lead to stand-ins.

The node is the lab's tree of hardware files and an NVML of eight healthy GPUs. bmc_info and the inventory redfish run
theirs in their own unit tests, on simulated BMCs.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.aidc.ops.tests.fakes.prometheus import FakePrometheus, sample, target, vector
from ansible_collections.aidc.ops.tests.fakes.slurmrestd import TOKEN, FakeSlurmrestd

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "molecule" / "shared"))

import hardware_tree
from bmcsim.certificates import make_certificate
from hardware.files import write
from hardware.machine import describe

FIXTURES = ROOT / "tests" / "unit" / "fixtures"
BIN = Path(sys.executable).parent
PYNVML = """
from types import SimpleNamespace


class NVMLError(Exception):
    def __init__(self, value):
        super().__init__(f"NVML error {value}")
        self.value = value


def __getattr__(name):
    if not name.startswith("nvml"):
        raise AttributeError(name)

    def not_supported(*arguments):
        raise NVMLError(3)

    return not_supported


def nvmlInit():
    pass


nvmlShutdown = nvmlInit


def nvmlDeviceGetCount():
    return 8


def nvmlDeviceGetHandleByIndex(index):
    return index


def nvmlDeviceGetPciInfo(handle):
    return SimpleNamespace(busId=f"00000000:{0x1B + handle:02X}:00.0")


def nvmlDeviceGetName(handle):
    return "NVIDIA H100 80GB HBM3"


def nvmlDeviceGetUUID(handle):
    return f"GPU-{handle}"


def nvmlDeviceGetMinorNumber(handle):
    return handle
"""
RECORD = json.loads((FIXTURES / "hardware_record" / "node.json").read_text(encoding="utf-8"))


def examples(kind: str, name: str) -> str:
    """The text of the examples of a module or plugin."""
    sidecar = ROOT / "plugins" / kind / f"{name}.yml"
    if sidecar.exists():
        return str(yaml.safe_load(sidecar.read_text(encoding="utf-8"))["EXAMPLES"])
    return str(importlib.import_module(f"ansible_collections.aidc.ops.plugins.{kind}.{name}").EXAMPLES)


class Node:
    """A node of hardware files on this machine, and what its examples lead to in place of a site."""

    def __init__(self, folder: Path, prometheus: FakePrometheus) -> None:
        self.folder, self.prometheus = folder, prometheus
        write(hardware_tree.hardware_tree(describe("gpu1", None)), str(folder / "root"))
        (folder / "python").mkdir()
        (folder / "python" / "pynvml.py").write_text(PYNVML)
        (folder / "lib").mkdir()
        # The reader wants a library that loads; what it says comes from the stand-in.
        maps = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
        library = next(line.split()[-1] for line in maps if "/libc.so" in line or "/libc-" in line)
        (folder / "lib" / "libnvidia-ml.so.1").symlink_to(library)
        self.certificate = make_certificate(folder, ["127.0.0.1"])[0]
        self.places = {
            "/opt/aidc_ops/node/bin/python": sys.executable,
            "/var/lib/aidc_ops": str(folder / "site"),
            "/var/lib/prometheus": str(folder / "site"),
            "http://127.0.0.1:9090": prometheus.url,
            "https://monitor.example:9090": prometheus.url,
            "http://victoria.example:8428": prometheus.url,
            "/etc/ssl/site/ca.pem": str(self.certificate),
            "~/.config/monitor.token": str(folder / "token"),
            "/run/secrets/slurm_token": str(folder / "token"),
            "~/.cache/aidc_ops": str(folder / "cache"),
        }
        (folder / "token").write_text(TOKEN)
        (folder / "site" / "node-exporter").mkdir(parents=True)
        (folder / "hosts.yml").write_text(
            yaml.safe_dump(
                {
                    "all": {
                        "hosts": {"gpu1": {"ansible_host": "192.0.2.1", "hardware": {"record": RECORD}}},
                        "vars": {
                            "ansible_connection": "local",
                            "ansible_become": False,
                            "ansible_python_interpreter": sys.executable,
                        },
                    }
                }
            )
        )

    def placed(self, text: str) -> str:
        for place, here in self.places.items():
            text = text.replace(place, here)
        return text

    def play(self, *plays: tuple[str, str, dict[str, Any]]) -> subprocess.CompletedProcess[str]:
        """Run plays on the node, each of a name, the text of its tasks, and variables."""
        root = {"root": str(self.folder / "root")}
        whole = [
            {
                "name": name,
                "hosts": "gpu1",
                "gather_facts": False,
                "vars": variables,
                "environment": {
                    "PYTHONPATH": str(self.folder / "python"),
                    "LD_LIBRARY_PATH": str(self.folder / "lib"),
                },
                "module_defaults": {
                    f"aidc.ops.{one}": dict(root) for one in ("gpu_info", "hardware_record", "node_info")
                },
                "tasks": yaml.safe_load(self.placed(tasks)),
            }
            for name, tasks, variables in plays
        ]
        (self.folder / "play.yml").write_text(yaml.safe_dump(whole, sort_keys=False))
        return self.run("ansible-playbook", "-i", str(self.folder / "hosts.yml"), str(self.folder / "play.yml"))

    def inventory(self, name: str, text: str) -> list[str]:
        """The hosts of one configuration of an inventory plugin."""
        path = self.folder / f"example.{name}.yml"
        path.write_text(self.placed(text))
        done = self.run("ansible-inventory", "-i", str(path), "--list")
        assert done.returncode == 0, done.stderr
        return sorted(json.loads(done.stdout)["_meta"]["hostvars"])

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of Ansible's programs, with the settings of the checkout and of nobody else."""
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "AIDC_OPS_"))},
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_LOCAL_TEMP": str(self.folder / "tmp"),
            "ANSIBLE_REMOTE_TEMP": str(self.folder / "tmp"),
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
        }
        command = [str(BIN / program), *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=600
        )


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with FakePrometheus() as prometheus:
        prometheus.queries = {
            "up == 0": vector(),
            "ALERTS{alertstate": vector(),
            "sum(aidc_gpu_count)": vector(sample(16)),
            "max by (instance) (DCGM": {
                "resultType": "matrix",
                "result": [{"metric": {"instance": "gpu1"}, "values": [[1_700_000_000, "40"], [1_700_000_300, "41"]]}],
            },
            "max(max_over_time": vector(sample(81)),
            "(up{": vector(sample(1, instance="gpu1", job="node_exporter", rack="r1")),
            "count by (instance, model)": vector(sample(8, instance="gpu1", model="NVIDIA H100 80GB HBM3")),
            "kube_node_info": vector(sample(1, node="gpu1", kernel_version="6.1.0")),
        }
        prometheus.data["targets"]["activeTargets"] = [target("node_exporter", "gpu1")]
        yield Node(tmp_path, prometheus)


def documents(name: str) -> list[str]:
    """The examples of an inventory plugin, one configuration each."""
    return [text for text in examples("inventory", name).split("\n---\n") if yaml.safe_load(text)]


MODULES = (
    "fleet_file",
    "gpu_info",
    "hardware_baseline",
    "hardware_record",
    "node_info",
    "node_usage_info",
    "prometheus_query",
)
FILTERS = ("gpu_problems", "hardware_diff", "hardware_report", "slurm_gres_lines", "slurm_node_lines", "slurm_record")
# What a play has before it comes to the example.
BEFORE = {
    "gpu_problems": "- aidc.ops.gpu_info:\n  register: gpus\n",
    "hardware_baseline": """\
- aidc.ops.hardware_baseline:
    {record: "{{ hardware.record }}", dir: /var/lib/aidc_ops/baselines, name: "{{ inventory_hostname }}", accept: true}
  register: compared
""",
    "hardware_diff": "- aidc.ops.hardware_record: {json_path: '{{ playbook_dir }}/yesterday.json'}\n",
    "hardware_report": "- aidc.ops.hardware_baseline:\n"
    '    {record: "{{ hardware.record }}", dir: /var/lib/aidc_ops/baselines, name: gpu1}\n'
    "  register: compared\n",
}
RECORDS = "{{ [hardware.record | aidc.ops.slurm_record('gpu1', '192.0.2.1')] }}"
VARIABLES: dict[str, Any] = {
    "hardware_report": {"results": "{{ [compared] }}"},
    "prometheus_query": {"prometheus_token": "token"},
    "slurm_gres_lines": {"records": RECORDS},
    "slurm_node_lines": {"records": RECORDS},
}


def test_the_examples_of_modules_filters_and_the_lookup_run(node: Node) -> None:
    kinds = {**dict.fromkeys(MODULES, "modules"), **dict.fromkeys(FILTERS, "filter"), "promql": "lookup"}
    # Ten seconds of waiting would show no more.
    node.places["interval: 2\n"] = "interval: 0.2\n"
    done = node.play(
        *((name, BEFORE.get(name, "") + examples(kind, name), VARIABLES.get(name, {})) for name, kind in kinds.items())
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    for text in ("NodeName=gpu1", "Weight=10", "Name=gpu", "gpu7", "81"):
        assert text in output.partition("PLAY [gpu_problems]")[2], text
    site = node.folder / "site"
    assert len(json.loads((site / "hardware_record.json").read_text(encoding="utf-8"))["gpus"]) == 8
    assert (site / "node-exporter" / "aidc_ops_hardware.prom").stat().st_size
    latest = (site / "fleet" / "latest.jsonl").read_text(encoding="utf-8")
    assert json.loads(latest)["node"]["id"] == RECORD["node"]["id"]


def test_an_example_that_does_not_run_is_noticed(node: Node) -> None:
    done = node.play(("wrong", "- aidc.ops.gpu_info: {no_such_option: 1}\n", {}))
    assert done.returncode != 0
    assert "no_such_option" in done.stdout + done.stderr


@pytest.mark.parametrize("number", range(4))
def test_the_examples_of_the_inventory_prometheus_run(node: Node, number: int) -> None:
    assert len(documents("prometheus")) == 4
    assert node.inventory("prometheus", documents("prometheus")[number]) == ["gpu1"]


@pytest.mark.parametrize("number", range(2))
def test_the_examples_of_the_inventory_fleet_run(node: Node, number: int) -> None:
    assert len(documents("fleet")) == 2
    (node.folder / "site" / "fleet").mkdir()
    (node.folder / "site" / "fleet" / "latest.jsonl").write_text(json.dumps(RECORD) + "\n")
    plan = {"nodes": {RECORD["node"]["id"]: {"pool": "train"}}}
    (node.folder / "site" / "plan.yml").write_text(yaml.safe_dump(plan))
    assert node.inventory("fleet", documents("fleet")[number]) == ["gpu1"]


@pytest.mark.parametrize("number", range(2))
def test_the_examples_of_the_inventory_slurm_run(node: Node, number: int) -> None:
    assert len(documents("slurm")) == 2
    program = node.folder / "bin" / "scontrol"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncat {FIXTURES}/slurm/scontrol_nodes_24.11.json\n")
    program.chmod(0o755)
    with FakeSlurmrestd((FIXTURES / "slurm" / "rest_nodes_v0.0.42.json").read_text(encoding="utf-8")) as rest:
        node.places["https://slurm.example.com:6820"] = rest.url
        assert "gpu1" in node.inventory("slurm", documents("slurm")[number])
