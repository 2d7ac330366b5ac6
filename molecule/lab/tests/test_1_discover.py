# The fleet of the lab is discovered, compared with its baselines, and becomes an inventory.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from demo_lab import PKI

FOLDER = "/srv/aidc/test_discover"
FLEET = f"{FOLDER}/fleet/latest.jsonl"
GPU_NODES = ["gpu1", "gpu2", "gpu3", "gpu4"]


class Discovery:
    """The play discover on the controller, with files of its own."""

    def __init__(self, loop: Any) -> None:
        self.lab = loop.lab

    def run(self, **variables: Any) -> tuple[int, str]:
        """Run the play; its exit status and its output."""
        own = {"aidc_ops_baseline_dir": f"{FOLDER}/baselines", "aidc_ops_fleet_dir": f"{FOLDER}/fleet"}
        rc, log = self.lab.playbook("aidc.ops.discover", "-e", json.dumps({**own, **variables}), log="discover")
        return rc, log.read_text()

    def records(self) -> dict[str, dict[str, Any]]:
        """The records of the fleet file by host name."""
        lines = self.lab.exec("ctl", "cat", FLEET).splitlines()
        return {record["node"]["hostname"]: record for record in map(json.loads, lines)}

    def list_inventory(self, name: str, text: str) -> str:
        """What ansible-inventory says to a configuration file, its errors included; an exit status if it fails."""
        path = f"{FOLDER}/lab.{name}.yml"
        self.lab.exec("ctl", "tee", path, stdin=text)
        settings = "ANSIBLE_CONFIG=/srv/aidc/ansible.cfg ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED=true"
        command = f"{settings} /opt/aidc_ops/venv/bin/ansible-inventory -i {path} --list 2>{FOLDER}/errors"
        return str(self.lab.exec("ctl", "sh", "-c", f"{command} || {{ echo status $?; cat {FOLDER}/errors; }}"))

    def inventory(self, name: str, text: str) -> dict[str, Any]:
        """The inventory of a configuration file."""
        # Ansible marks text from outside in this output.
        plain = self.list_inventory(name, text)
        return dict(json.loads(plain, object_hook=lambda found: found.get("__ansible_unsafe", found)))


@pytest.fixture(scope="module")
def discovery(healthy: Any) -> Iterator[Discovery]:
    made = Discovery(healthy)
    made.lab.exec("ctl", "rm", "-rf", FOLDER)
    made.lab.exec("ctl", "mkdir", "-p", FOLDER)
    yield made
    made.lab.exec("ctl", "rm", "-rf", FOLDER)


@pytest.fixture(scope="module")
def accepted(discovery: Discovery) -> Discovery:
    rc, output = discovery.run(aidc_ops_baseline_accept=True)
    assert rc == 0, output
    return discovery


def test_every_node_has_a_record_with_all_of_its_gpus(accepted: Discovery) -> None:
    records = accepted.records()
    assert sorted(records) == sorted(accepted.lab.plan.names)
    assert len({record["node"]["id"] for record in records.values()}) == len(records)
    assert {record["node"]["id_source"] for record in records.values()} == {"dmi"}
    for name in GPU_NODES:
        gpus = records[name]["gpus"]
        assert [gpu["model"] for gpu in gpus] == [accepted.lab.plan.model(name)] * 8
        assert [gpu["vendor"] for gpu in gpus] == ["nvidia"] * 8
        assert records[name]["topology"]["rack"] in ("r1", "r2")
        assert not [problem for problem in records[name]["problems"] if problem["part"] == "gpus"]
    assert records["store1"]["gpus"] == []


def test_a_second_run_finds_what_was_accepted(accepted: Discovery) -> None:
    rc, output = accepted.run(aidc_ops_discover_fail_on=["missing", "added", "changed", "degraded", "no_baseline"])
    assert rc == 0, output


def test_a_narrow_link_and_a_lost_gpu_are_told_and_fail_where_asked(accepted: Discovery, paused: Any) -> None:
    lab = accepted.lab
    try:
        lab.exec("gpu1", "gpusim", "inject", "pcie-width", "--gpu", "3", "--no-log")
        lab.exec("gpu2", "gpusim", "inject", "xid79", "--gpu", "5", "--no-log")
        rc, output = accepted.run()
        assert rc == 0, output
        rc, failed = accepted.run(aidc_ops_discover_fail_on=["missing", "degraded"])
        assert rc != 0
    finally:
        lab.exec("gpu1", "gpusim", "boot")
        lab.exec("gpu2", "gpusim", "boot")
    # The loop may have seen the lost GPU too.
    paused.until("its alerts are over", 60, lambda: not paused.story.fault_alerts())
    for text in (output, failed):
        findings = [line.strip(' ",') for line in text.splitlines() if "gpu" in line]
        assert any(line.startswith("gpu1") and "degraded" in line and "width" in line for line in findings), text
        assert any(line.startswith("gpu2") and "missing" in line for line in findings), text
    assert len(accepted.records()["gpu2"]["gpus"]) == 8, "a lost GPU keeps its place"


def test_the_fleet_becomes_an_inventory_by_model_and_rack(accepted: Discovery) -> None:
    text = f"plugin: aidc.ops.fleet\npath: {FLEET}\ngroup_by: [model, rack]\n"
    found = accepted.inventory("fleet", text)
    assert sorted(found["rack_r1"]["hosts"] + found["rack_r2"]["hosts"]) == GPU_NODES
    models = [name for name in found if name.startswith("model_")]
    assert len(models) == len({accepted.lab.plan.model(name) for name in GPU_NODES})
    assert found["_meta"]["hostvars"]["gpu1"]["aidc_ops_gpu_count"] == 8


def test_prometheus_knows_the_same_hosts(accepted: Discovery) -> None:
    url = f"https://{accepted.lab.addresses['ctl']}:9090"
    access = f"ca_path: {PKI}/ca.crt\nclient_cert: {PKI}/ctl.crt\nclient_key: {PKI}/ctl.key\n"
    found = accepted.inventory("prometheus", f"plugin: aidc.ops.prometheus\nurl: {url}\n{access}")
    variables = found["_meta"]["hostvars"]
    assert sorted(variables) == sorted(accepted.lab.plan.names)
    for name in GPU_NODES:
        assert (variables[name]["aidc_ops_gpu_count"], variables[name]["aidc_ops_state"]) == (8, "up")
        assert variables[name]["aidc_ops_gpu_model"] == accepted.lab.plan.model(name)


def test_slurm_knows_the_gpu_nodes(accepted: Discovery) -> None:
    found = accepted.inventory("slurm", "plugin: aidc.ops.slurm\n")
    assert sorted(found["_meta"]["hostvars"]) == GPU_NODES


def test_a_source_that_is_down_is_an_error_that_names_it(accepted: Discovery) -> None:
    output = accepted.list_inventory("prometheus", "plugin: aidc.ops.prometheus\nurl: http://127.0.0.1:1\n")
    assert output.startswith("status ")
    assert "http://127.0.0.1:1" in output
    assert "_meta" not in output
