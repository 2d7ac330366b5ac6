# bmc_info and the inventory plugin redfish as a person runs them, against simulated BMCs.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from bmcsim.model import Bmc, Fault
from sites import ADDRESSES, ROOT, Site

PLAYBOOK = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - aidc.ops.bmc_info:
        address: "{{ bmc_address }}"
        port: "{{ bmc_port }}"
        username: admin
        password: "{{ bmc_password }}"
        ca_path: "{{ bmc_ca }}"
        timeout: 15
      register: bmc
    - ansible.builtin.assert:
        that:
          - bmc is not changed
          - bmc.problems | length == 0
          - bmc.power_supplies | rejectattr('state', 'eq', 'ok') | length == 0
          - bmc.system.gpus | length == 8
          - bmc.system.hostname == hostile
      vars:
        hostile: "{{ '{{' }} 7 * 7 {{ '}}' }}"
"""


def ansible(folder: Path, program: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ansible" / "collections"),
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "1",
        "ANSIBLE_INVENTORY_ENABLED": "aidc.ops.redfish,host_list,yaml",
        **more,
    }
    command = [str(Path(sys.executable).parent / program), *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_module_in_a_play(site: Site, tmp_path: Path) -> None:
    bmc = Bmc("gpu1")
    # Its operating system may call itself anything.
    bmc.name = "{{ 7 * 7 }}"
    site.start(bmc)
    (tmp_path / "play.yml").write_text(PLAYBOOK)
    values = {
        "bmc_address": ADDRESSES[0],
        "bmc_port": site.port,
        "bmc_password": "secret",
        "bmc_ca": site.certificate[0],
        "ansible_python_interpreter": sys.executable,
    }
    done = ansible(tmp_path, "ansible-playbook", "-i", "localhost,", "play.yml", "-vvv", "-e", json.dumps(values))
    assert done.returncode == 0, done.stdout + done.stderr
    assert bmc.sessions == {}
    modules = [line for line in done.stdout.splitlines() if '"password"' in line]
    assert modules and all("VALUE_SPECIFIED_IN_NO_LOG_PARAMETER" in line for line in modules)


class Fleet:
    """BMCs with an inventory configuration."""

    def __init__(self, site: Site, folder: Path, number: int) -> None:
        self.bmcs = [
            Bmc(f"gpu{index}", serial=f"SN{index:04}", address=ADDRESSES[index], mac=f"02:00:00:00:00:{index:02x}")
            for index in range(number)
        ]
        site.start(*self.bmcs)
        self._site, self._folder = site, folder

    def list(self, **more: Any) -> subprocess.CompletedProcess[str]:
        options = {
            "plugin": "aidc.ops.redfish",
            "addresses": [ADDRESSES[index] for index in range(len(self.bmcs))],
            "port": self._site.port,
            "username": "admin",
            "password": "{{ 'sec' ~ 'ret' }}",
            "ca_path": self._site.certificate[0],
            "timeout": 6,
            "keyed_groups": [{"key": "aidc_ops_gpu_model", "prefix": "gpu"}],
            **more,
        }
        path = self._folder / "fleet.redfish.yml"
        path.write_text(yaml.safe_dump(options))
        return ansible(self._folder, "ansible-inventory", "-i", str(path), "--list")

    def hosts(self, **more: Any) -> dict[str, dict[str, Any]]:
        done = self.list(**more)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)["_meta"]["hostvars"]
        return {name: {key: _plain(value) for key, value in values.items()} for name, values in found.items()}


def _plain(value: Any) -> Any:
    return value["__ansible_unsafe"] if isinstance(value, dict) and "__ansible_unsafe" in value else value


@pytest.fixture
def fleet(site: Site, tmp_path: Path) -> Fleet:
    return Fleet(site, tmp_path, 14)


def test_the_inventory_of_a_range(fleet: Fleet) -> None:
    fleet.bmcs[3].gpus = 0
    fleet.bmcs[4].reset("ForceOff")
    hosts = fleet.hosts(addresses=["127.83.0.0/28"])
    assert len(hosts) == 14
    assert hosts["127.83.0.1"] == {
        "aidc_ops_node_id": "dmi:SN0000",
        "aidc_ops_manufacturer": "Example Systems",
        "aidc_ops_product": "GPU Server 8",
        "aidc_ops_serial": "SN0000",
        "aidc_ops_uuid": hosts["127.83.0.1"]["aidc_ops_uuid"],
        "aidc_ops_hostname": "gpu0",
        "aidc_ops_power_state": "on",
        "aidc_ops_health": "ok",
        "aidc_ops_bios_version": "1.6.7",
        "aidc_ops_memory_total_bytes": 2 << 40,
        "aidc_ops_cpu_model": "Example CPU 8480C",
        "aidc_ops_cpu_count": 2,
        "aidc_ops_gpu_model": "NVIDIA H100 80GB HBM3",
        "aidc_ops_gpu_count": 8,
        "aidc_ops_bmc_address": "127.83.0.1",
        "aidc_ops_bmc_mac": "02:00:00:00:00:00",
        "aidc_ops_bmc_firmware": "24.10.17",
    }
    assert (hosts["127.83.0.4"]["aidc_ops_gpu_count"], hosts["127.83.0.4"]["aidc_ops_gpu_model"]) == (0, None)
    assert hosts["127.83.0.5"]["aidc_ops_power_state"] == "off"
    assert all(bmc.sessions == {} and bmc.most_sessions == 1 for bmc in fleet.bmcs)


def test_dead_bmcs_cost_one_timeout_and_are_all_named(fleet: Fleet) -> None:
    for bmc in fleet.bmcs[:6]:
        bmc.faults = [Fault("dead")]
    began = time.monotonic()
    done = fleet.list(concurrency=8)
    took = time.monotonic() - began
    assert done.returncode != 0
    assert "6 of 14 BMCs cannot be read" in done.stderr
    assert all(address in done.stderr for address in ADDRESSES[:6])
    # Two seconds for the dead, the rest is Ansible itself on a busy machine.
    assert took < 20


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault("status", "/Systems", 403), "access denied (HTTP status 403)"),
        (Fault("status", "", 500), "no usable Redfish service root"),
        (Fault("truncated", "/Systems"), "not JSON, or is cut off"),
        (Fault("short", "HGX_Baseboard_0/Processors$", 3), "announces 8 members and gives 5"),
    ],
)
def test_one_bmc_that_is_not_well_stops_the_inventory(fleet: Fleet, fault: Fault, message: str) -> None:
    fleet.bmcs[5].faults = [fault]
    done = fleet.list()
    assert done.returncode != 0
    assert "1 of 14 BMCs" in done.stderr and ADDRESSES[5] in done.stderr
    assert message in " ".join(done.stderr.split())
    assert not done.stdout.strip()


def test_warn_goes_on_without_the_dead(fleet: Fleet) -> None:
    fleet.bmcs[5].faults = [Fault("dead")]
    done = fleet.list(on_unreachable="warn")
    assert done.returncode == 0
    assert len(json.loads(done.stdout)["_meta"]["hostvars"]) == 13
    assert f"1 of 14 BMCs cannot be read: {ADDRESSES[5]}: no answer within 2 s" in " ".join(done.stderr.split())


def test_a_wrong_password_costs_each_bmc_one_failed_login(fleet: Fleet) -> None:
    done = fleet.list(password="open sesame")
    assert "14 of 14 BMCs cannot be read" in done.stderr and "access denied for user admin" in done.stderr
    assert [bmc.failed_logins for bmc in fleet.bmcs] == [1] * 14
    assert "sesame" not in done.stderr
