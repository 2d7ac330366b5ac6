# Loads inventories/discovered as it is, with the addresses of stand-ins in place of those of the example site.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.aidc.ops.tests.fakes.prometheus import FakePrometheus, sample, vector

ROOT = Path(__file__).resolve().parents[4]
sys.path.insert(0, str(ROOT / "molecule" / "shared"))

from bmcsim.certificates import make_certificate
from bmcsim.model import Bmc
from bmcsim.server import Place, Simulator

FIXTURES = ROOT / "tests" / "unit" / "fixtures"
# gpu1 is known to all four, gpu2 to Slurm and Prometheus only, and new to its BMC only.
BMCS = {"127.91.0.1": "GPU1", "127.91.0.2": "NEW1"}


def plain(thing: dict[str, Any]) -> Any:
    """Text that is no template is marked as such in the output."""
    return thing["__ansible_unsafe"] if set(thing) == {"__ansible_unsafe"} else thing


class Site:
    """A copy of the folder whose sources are stand-ins, which tests change or break."""

    def __init__(self, folder: Path, prometheus: FakePrometheus, bmcs: Simulator, certificate: Path) -> None:
        self.folder = folder
        self.inventory = folder / "inventory"
        self.prometheus = prometheus
        self.bmcs = bmcs
        shutil.copytree(ROOT / "inventories" / "discovered", self.inventory)
        self.environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "AIDC_OPS_BMC_USERNAME": "admin",
            "AIDC_OPS_BMC_PASSWORD": "secret",
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "HOME": str(folder),
        }
        self.change("2-health.prometheus.yml", url=prometheus.url, ca_path=None, client_cert=None, client_key=None)
        self.change("3-hardware.fleet.yml", path=str(folder / "fleet.jsonl"))
        port = bmcs.places[0].port
        self.change("4-servers.redfish.yml", addresses=list(BMCS), port=port, ca_path=str(certificate))
        self.fleet()
        self.scontrol(f"cat {FIXTURES}/slurm/scontrol_nodes_24.11.json")

    def change(self, name: str, **options: Any) -> None:
        path = self.inventory / name
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | options))

    def fleet(self) -> None:
        record = json.loads((FIXTURES / "hardware_record" / "node.json").read_text())
        record["node"].update(hostname="gpu1", id="dmi:GPU1", serial="GPU1")
        (self.folder / "fleet.jsonl").write_text(json.dumps(record) + "\n")

    def scontrol(self, body: str) -> None:
        path = self.folder / "bin" / "scontrol"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def list(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        program = Path(sys.executable).parent / "ansible-inventory"
        command = [str(program), "-i", str(self.inventory), "--list", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=ROOT, env=self.environment, timeout=120
        )


@pytest.fixture(scope="module")
def bmcs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Simulator, Path]]:
    certificate, key = make_certificate(tmp_path_factory.mktemp("tls"), list(BMCS))
    first, *others = BMCS.items()
    started = Simulator([Place(Bmc("b0", serial=first[1]), first[0], 0)], str(certificate), str(key))
    with started:
        port = started.places[0].port
        rest = [Place(Bmc(f"b{at}", serial=one[1]), one[0], port) for at, one in enumerate(others, 1)]
        with Simulator(rest, str(certificate), str(key)):
            yield started, certificate


@pytest.fixture
def site(tmp_path: Path, bmcs: tuple[Simulator, Path]) -> Iterator[Site]:
    with FakePrometheus() as prometheus:
        prometheus.queries = {
            "(up{": vector(
                sample(1, instance="gpu1", job="node_exporter", rack="old"),
                sample(0, instance="gpu2", job="gpu_exporter"),
            ),
            "ALERTS": vector(sample(1, instance="gpu2", alertname="GpuFellOffBus", alertstate="firing")),
        }
        yield Site(tmp_path, prometheus, *bmcs)


def test_four_sources_make_one_fleet(site: Site) -> None:
    done = site.list()
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout, object_hook=plain)
    groups = {name: sorted(group["hosts"]) for name, group in data.items() if "hosts" in group}
    assert {"controller", "gpu", "monitoring", "slurm_controller", "storage"} <= set(data) | set(
        data["all"]["children"]
    )
    assert groups["gpu"] == groups["model_h100"] == groups["rack_r07"] == ["gpu1"]
    assert groups["partition_night"] == ["gpu2"]
    assert groups["slurm_drained"] == groups["alerting"] == ["gpu2"]
    assert groups["bare_metal"] == ["NEW1"]
    assert groups["power_on"] == ["NEW1", "gpu1"]
    everywhere = data["_meta"]["hostvars"]["gpu1"]
    assert everywhere["aidc_ops_node_id"] == "dmi:GPU1"
    assert everywhere["aidc_ops_rack"] == "r07", "the later source wins"
    assert everywhere["aidc_ops_bmc_address"] == "127.91.0.1"
    assert everywhere["aidc_ops_slurm_state"] == "idle"
    assert everywhere["aidc_ops_alerts"] == []
    assert everywhere["aidc_ops_hardware"]["node"]["serial"] == "GPU1"
    assert everywhere["ansible_user"] == "ansible"
    assert sorted(data["_meta"]["hostvars"]) == ["NEW1", "cpu1", "gpu1", "gpu2", "gpu3", "mon1", "ops1"]


@pytest.mark.parametrize("source", ["prometheus", "fleet", "redfish", "slurm"])
def test_a_source_that_fails_fails_all_of_it(site: Site, source: str) -> None:
    if source == "prometheus":
        site.prometheus.status = 503
    elif source == "fleet":
        (site.folder / "fleet.jsonl").write_text("")
    elif source == "redfish":
        site.change("4-servers.redfish.yml", addresses=[*BMCS, "127.91.0.3"], timeout=3)
    else:
        site.scontrol("echo no controller >&2; exit 1")
    done = site.list()
    assert done.returncode != 0
    assert f"aidc.ops.{source}: " in done.stderr


def test_the_folder_sets_what_ansible_and_the_collection_know() -> None:
    for path in sorted((ROOT / "inventories/discovered/group_vars").glob("*.yml")):
        assert all(key.startswith(("ansible_", "aidc_ops_")) for key in yaml.safe_load(path.read_text()))


def test_every_source_of_the_collection_has_an_example() -> None:
    plugins = {f"aidc.ops.{path.stem}" for path in (ROOT / "plugins" / "inventory").glob("[a-z]*.py")}
    configured = {
        yaml.safe_load(path.read_text()).get("plugin") for path in (ROOT / "inventories/discovered").glob("*.yml")
    }
    assert plugins == configured - {None}
