# Runs the playbook discover over nodes that are trees of hardware files, with one that cannot be reached.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
LINK = "0000:18:00.0"


class Site:
    """Two nodes on this machine, and a third without any way to it, which is not part of a run unless told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        hosts: dict[str, Any] = {"far": {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_connection": "ssh"}}
        for name in ("n1", "n2"):
            hosts[name] = {"aidc_ops_hardware_root": str(folder / name), "aidc_ops_rack": "r1"}
            self.write(name, "sys/class/dmi/id/product_serial", f"SERIAL-{name}")
            self.write(name, "proc/cpuinfo", "processor\t: 0\nphysical id\t: 0\ncore id\t: 0\nmodel name\t: Example\n")
            self.write(name, "proc/meminfo", "MemTotal:       65536000 kB")
            for folder_of in ("block", "class/net"):
                (folder / name / "sys" / folder_of).mkdir(parents=True)
            for file, text in {
                "class": "0x020000",
                "vendor": "0x15b3",
                "device": "0x1021",
                "current_link_width": "16",
                "max_link_width": "16",
                "current_link_speed": "32.0 GT/s PCIe",
                "max_link_speed": "32.0 GT/s PCIe",
            }.items():
                self.write(name, f"sys/bus/pci/devices/{LINK}/{file}", text)
        common = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "ansible_become": False,
            "aidc_ops_baseline_dir": str(folder / "baselines"),
            "aidc_ops_fleet_dir": str(folder / "fleet"),
            "aidc_ops_node_python": "/no/such/interpreter",
        }
        (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts, "vars": common}}))

    def write(self, node: str, path: str, text: str) -> None:
        file = self.folder / node / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")

    def run(self, *arguments: str, target: str = "n1,n2", **variables: Any) -> tuple[int, str]:
        """Status and output; each run has its own second, and with it its own fleet file."""
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(self.folder / "hosts.yml")]
        command += ["aidc.ops.discover", "-e", json.dumps({"target": target, **variables}), *arguments]
        environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_LOCAL_TEMP": str(self.folder / "tmp"),
            "ANSIBLE_REMOTE_TEMP": str(self.folder / "tmp"),
            "ANSIBLE_SSH_TIMEOUT": "5",
        }
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300
        )
        return done.returncode, done.stdout + done.stderr

    def latest(self) -> list[str]:
        lines = (self.folder / "fleet" / "latest.jsonl").read_text().splitlines()
        return sorted(json.loads(line)["node"]["id"] for line in lines)

    def files(self) -> int:
        return len(list((self.folder / "fleet").glob("2*.jsonl")))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def shown(output: str) -> list[str]:
    """The lines of the report, without what JSON puts around them."""
    block = re.search(r"TASK \[Show what was found\].*?\"msg\": \[(.*?)\]\n}", output, re.DOTALL)
    assert block, output
    return [str(json.loads(line.strip().rstrip(","))) for line in block.group(1).strip().splitlines()]


def changed(output: str, task: str) -> set[str]:
    block = output.partition(f"TASK [{task}]")[2].partition("\n\n")[0]
    return set(re.findall(r"^changed: \[(\S+)\]", block, re.MULTILINE))


def test_from_nothing_to_a_broken_link(site: Site) -> None:
    status, output = site.run("--check")
    assert status == 0, output
    assert not (site.folder / "fleet").exists() and not (site.folder / "baselines").exists()

    status, output = site.run()
    assert status == 0, output
    assert [line.split(",")[0] for line in shown(output)[-2:]] == ["n1  no baseline", "n2  no baseline"]
    assert site.latest() == ["dmi:SERIAL-n1", "dmi:SERIAL-n2"]
    assert not (site.folder / "baselines").exists(), "nothing becomes a baseline by itself"

    status, output = site.run(aidc_ops_baseline_accept=True)
    assert status == 0, output
    assert changed(output, "Compare it with the baseline") == {"n1", "n2"}, shown(output)
    assert sorted(path.name for path in (site.folder / "baselines").iterdir()) == ["n1.json", "n2.json"]

    site.write("n2", f"sys/bus/pci/devices/{LINK}/current_link_width", "8")
    shutil.rmtree(site.folder / "n1" / "sys" / "bus" / "pci" / "devices" / LINK)
    files = site.files()
    status, output = site.run(aidc_ops_baseline_accept=True, aidc_ops_discover_fail_on=["missing"])
    assert status != 0, output
    lines = shown(output)
    assert any(re.match(rf"n1 +missing +pcie_links +{LINK} is missing", line) for line in lines), lines
    assert any(re.match(rf"n2 +degraded +pcie_links +{LINK}: width is 8, was 16", line) for line in lines), lines
    assert '{\\"missing\\": [\\"n1\\"]}' in output, "what it fails on, and not the other finding"
    assert site.files() == files + 1, "the fleet is written before the run fails"
    assert changed(output, "Compare it with the baseline") == set(), "accepting replaces nothing"

    status, output = site.run("--limit", "n2", aidc_ops_baseline_replace=True)
    assert status == 0, output
    assert changed(output, "Compare it with the baseline") == {"n2"}
    assert "latest.jsonl stays where it leads" in output and "Nodes that are not in this run: n1" not in output
    assert site.latest() == ["dmi:SERIAL-n1", "dmi:SERIAL-n2"], "a run over one node does not make a fleet of one"


def test_a_host_that_is_not_reached_stops_nothing_and_is_told(site: Site) -> None:
    status, output = site.run(target="all")
    assert status == 0, output
    lines = shown(output)
    assert any(re.match(r"far +no result +node +.*Connection refused", line) for line in lines), lines
    assert [line.split(",")[0] for line in lines[-3:]] == ["far  no result", "n1   no baseline", "n2   no baseline"]
    assert "Hosts without a record or a stable id: far" in output
    assert not (site.folder / "fleet" / "latest.jsonl").exists(), "a fleet with a hole is not the valid one"
    assert site.files() == 1

    status, output = site.run(
        target="all", aidc_ops_fleet_if_smaller="carry_over", aidc_ops_discover_fail_on=["no_result"]
    )
    assert status != 0, output
    assert site.latest() == ["dmi:SERIAL-n1", "dmi:SERIAL-n2"]


def test_a_broken_baseline_and_a_silent_bmc_are_told_and_the_node_stays_in_the_fleet(site: Site) -> None:
    (site.folder / "baselines").mkdir()
    (site.folder / "baselines" / "n1.json").write_text("{")
    silent_bmc = {"aidc_ops_bmc_address": "127.0.0.1", "aidc_ops_bmc_port": 1, "aidc_ops_bmc_protocol": "redfish"}
    status, output = site.run(**silent_bmc)
    assert status == 0, output
    lines = shown(output)
    assert any(re.match(r"n1 +no result +node +.*is no JSON", line) for line in lines), lines
    assert any(re.match(r"n2 +problem +bmc +.*127\.0\.0\.1", line) for line in lines), lines
    assert site.latest() == ["dmi:SERIAL-n1", "dmi:SERIAL-n2"]


def test_no_host_at_all_is_told(site: Site) -> None:
    status, output = site.run(target="far")
    assert status == 0, output
    assert shown(output)[-1] == "far  no result"
    assert not (site.folder / "fleet").exists()
