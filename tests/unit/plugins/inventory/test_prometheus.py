# Tests of the inventory plugin prometheus, through Ansible's own loader, manager and templates, against a stand-in.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import time
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleError, AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import inventory_loader
from ansible.template import Templar
from ansible.vars.manager import VariableManager

from ansible_collections.aidc.ops.tests.fakes.prometheus import FakePrometheus, sample, target, vector

HOSTILE = "{{ lookup('pipe', 'false') }}"


@pytest.fixture
def fake() -> t.Iterator[FakePrometheus]:
    with FakePrometheus() as server:
        server.queries = {
            "(up{": vector(
                sample(1, instance="gpu1", job="node_exporter", rack="r1"),
                sample(1, instance="gpu1", job="gpu_exporter", rack="r1"),
                sample(0, instance="gpu2", job="node_exporter", rack="r2"),
            ),
            "count by (instance, model)": vector(sample(8, instance="gpu1", model="NVIDIA H100 80GB HBM3")),
            "count by (instance, problem)": vector(sample(1, instance="gpu1", problem="lost")),
            "ALERTS": vector(sample(1, instance="gpu1", alertname="GpuFellOffBus", alertstate="firing")),
        }
        yield server


class Site:
    """A folder with configuration files, and the inventories that Ansible makes of them."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url

    def write(self, name: str = "prometheus.yml", **options: t.Any) -> str:
        path = self.folder / name
        options = {"plugin": "aidc.ops.prometheus", "url": self.url, **options}
        path.write_text(yaml.safe_dump({key: value for key, value in options.items() if value is not None}))
        return str(path)

    def parse(self, path: str, cache: bool = True) -> InventoryData:
        """The plugin alone, so that its error is not turned into a warning."""
        inventory = InventoryData()
        plugin = inventory_loader.get("aidc.ops.prometheus")
        assert plugin.verify_file(path)
        plugin.parse(inventory, DataLoader(), path, cache=cache)
        if plugin.get_option("cache"):
            plugin.update_cache_if_changed()
        return inventory

    def manager(self, *paths: str) -> InventoryManager:
        return InventoryManager(loader=DataLoader(), sources=list(paths))


@pytest.fixture
def site(tmp_path: Path, fake: FakePrometheus) -> Site:
    return Site(tmp_path, fake.url)


def test_two_lines_are_enough(site: Site) -> None:
    hosts = site.manager(site.write()).hosts
    variables = {name: value for name, value in hosts["gpu1"].vars.items() if name.startswith("aidc_ops_")}
    assert variables == {
        "aidc_ops_node_id": None,
        "aidc_ops_gpu_model": "NVIDIA H100 80GB HBM3",
        "aidc_ops_gpu_models": {"NVIDIA H100 80GB HBM3": 8},
        "aidc_ops_gpu_count": 8,
        "aidc_ops_gpu_problems": {"lost": 1},
        "aidc_ops_state": "up",
        "aidc_ops_alerts": [{"alertname": "GpuFellOffBus"}],
        "aidc_ops_rack": "r1",
    }
    assert hosts["gpu2"].vars["aidc_ops_state"] == "down"


def test_groups_and_filters(site: Site) -> None:
    path = site.write(
        keyed_groups=[{"key": "aidc_ops_gpu_model", "prefix": "gpu"}, {"key": "aidc_ops_rack", "prefix": "rack"}],
        groups={"sick": "aidc_ops_gpu_problems"},
        compose={"ansible_port": "2222"},
        filters=[{"exclude": "aidc_ops_state == 'down'"}],
    )
    manager = site.manager(path)
    assert list(manager.hosts) == ["gpu1"]
    assert {"gpu_NVIDIA_H100_80GB_HBM3", "rack_r1"} <= set(manager.groups)
    assert manager.hosts["gpu1"].vars["ansible_port"] == 2222


def test_hostile_text_stays_text(site: Site, fake: FakePrometheus) -> None:
    fake.queries["(up{"] = vector(sample(1, instance="gpu1", job="node_exporter", rack=HOSTILE))
    fake.queries["count by (instance, model)"] = vector(sample(8, instance="gpu1", model=HOSTILE))
    fake.queries["ALERTS"] = vector(sample(1, instance="gpu1", alertname=HOSTILE, alertstate="firing"))
    path = site.write(keyed_groups=[{"key": "aidc_ops_rack", "prefix": "rack"}], compose={"copied": "aidc_ops_rack"})
    manager = site.manager(path)
    loader = DataLoader()
    variables = VariableManager(loader=loader, inventory=manager).get_vars(host=manager.get_host("gpu1"))
    templar = Templar(loader=loader, variables=variables)
    for name in ("aidc_ops_rack", "aidc_ops_gpu_model", "copied"):
        assert templar.template(variables[name]) == HOSTILE
    assert templar.template(variables["aidc_ops_alerts"]) == [{"alertname": HOSTILE}]
    assert templar.template(variables["aidc_ops_gpu_models"]) == {HOSTILE: 8}
    assert not [name for name in manager.groups if "{" in name]


@pytest.mark.parametrize("name", [HOSTILE, "all", "a,b", "../../etc", "!gpu1"])
def test_hostile_names_are_an_error(site: Site, fake: FakePrometheus, name: str) -> None:
    fake.queries["(up{"] = vector(sample(1, instance="gpu1", job="x"), sample(1, instance=name, job="x"))
    with pytest.raises(AnsibleParserError, match="cannot be the name of a host"):
        site.parse(site.write())


def test_hosts_from_targets(site: Site, fake: FakePrometheus) -> None:
    fake.data["targets"] = {"activeTargets": [target("node_exporter", "gpu9", address="10.0.0.9:9100")]}
    hosts = site.manager(site.write(hosts_from=["targets"])).hosts
    assert list(hosts) == ["gpu9"]
    assert hosts["gpu9"].vars["ansible_host"] == "10.0.0.9"


def test_doubled_hosts_are_one(site: Site, fake: FakePrometheus) -> None:
    up = [sample(1, instance=f"gpu1:{port}", job="node_exporter") for port in range(9100, 9200)]
    fake.queries["(up{"] = vector(*up)
    assert list(site.parse(site.write()).hosts) == ["gpu1"]


def test_many_hosts(site: Site, fake: FakePrometheus) -> None:
    up = [sample(1, instance=f"n{number}", job="node_exporter", rack=f"r{number % 50}") for number in range(3000)]
    fake.queries["(up{"] = vector(*up)
    assert len(site.parse(site.write()).hosts) == 3000


# --- A source that fails ---------------------------------------------------------------------------------------------


def breaks(fake: FakePrometheus, how: str) -> None:
    if how.isdigit():
        fake.status = int(how)
    elif how == "slow":
        fake.delay = 3
    elif how == "cut":
        fake.cut = 60
    elif how == "html":
        fake.body, fake.content_type = b"<html>log in</html>", "text/html"
    elif how == "error":
        fake.envelope = {"status": "error", "error": "query timed out", "errorType": "timeout"}
    elif how == "warning":
        fake.warnings = ["a store is down"]
    elif how == "shape":
        fake.queries["(up{"] = {"resultType": "matrix", "result": []}
    elif how == "one":
        # Only one of the questions is not answered.
        fake.queries["ALERTS"] = {"resultType": "vector", "result": "no list"}
    elif how == "nan":
        fake.queries["count by (instance, model)"] = vector(sample("NaN", instance="gpu1", model="x"))


@pytest.mark.parametrize(
    "how", ["401", "403", "500", "503", "slow", "cut", "html", "error", "warning", "shape", "one", "nan"]
)
def test_no_part_of_a_fleet(site: Site, fake: FakePrometheus, how: str) -> None:
    breaks(fake, how)
    inventory = InventoryData()
    path = site.write(timeout=1)
    plugin = inventory_loader.get("aidc.ops.prometheus")
    with pytest.raises(AnsibleParserError) as caught:
        plugin.parse(inventory, DataLoader(), path)
    assert fake.url in str(caught.value)
    assert path in str(caught.value)
    assert not inventory.hosts


def test_a_server_that_hangs_costs_one_timeout(site: Site, fake: FakePrometheus) -> None:
    fake.delay = 30
    series = [{"variable": f"v{number}", "query": "up"} for number in range(8)]
    began = time.monotonic()
    with pytest.raises(AnsibleParserError, match="within 1 s"):
        site.parse(site.write(timeout=1, series=series))
    assert time.monotonic() - began < 3


def test_an_empty_answer_is_an_error(site: Site, fake: FakePrometheus) -> None:
    fake.queries = {}
    with pytest.raises(AnsibleParserError, match="knows no host"):
        site.parse(site.write())
    assert not site.parse(site.write(allow_empty=True)).hosts


def test_ansible_stops_where_it_is_told_to(site: Site, fake: FakePrometheus, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.status = 500
    monkeypatch.setattr("ansible.constants.INVENTORY_ANY_UNPARSED_IS_FAILED", True)
    with pytest.raises(AnsibleError, match="Completely failed to parse"):
        site.manager(site.write())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"url": None}, "url"),
        ({"url": "nowhere"}, "not the address"),
        ({"hosts_from": ["query"]}, "hosts_query"),
        ({"hosts_from": ["moon"]}, "moon"),
        ({"token": "hunter2", "password": "hunter2"}, "not both"),
        ({"url": "http://kim:hunter2@monitor.example"}, "use username"),
    ],
)
def test_options_that_cannot_be(site: Site, options: dict[str, t.Any], says: str) -> None:
    with pytest.raises(AnsibleError, match=says) as caught:
        site.parse(site.write(**options))
    assert "hunter2" not in str(caught.value)


# --- Cache -----------------------------------------------------------------------------------------------------------


def test_the_cache_of_ansible(site: Site, fake: FakePrometheus, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    path = site.write(
        cache=True, cache_plugin="jsonfile", cache_connection=str(folder), password="hunter2", username="kim"
    )
    first = site.parse(path)
    asked = len(fake.requests)
    fake.status = 500
    second = site.parse(path)
    assert len(fake.requests) == asked
    assert {name: host.vars for name, host in second.hosts.items()} == {
        name: host.vars for name, host in first.hosts.items()
    }
    (file,) = folder.iterdir()
    assert "hunter2" not in file.read_text()
    json.loads(file.read_text())
    with pytest.raises(AnsibleParserError):
        site.parse(path, cache=False)


def test_a_secret_may_be_looked_up(site: Site, fake: FakePrometheus, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t0ken\n")
    site.parse(site.write(token=f"{{{{ lookup('ansible.builtin.file', '{tmp_path}/token') }}}}"))
    assert fake.requests[0][3]["Authorization"] == "Bearer t0ken"


def test_options_may_come_from_the_environment(
    site: Site, fake: FakePrometheus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIDC_OPS_PROMETHEUS_URL", fake.url)
    monkeypatch.setenv("AIDC_OPS_PROMETHEUS_TOKEN", "t0ken")
    assert list(site.parse(site.write(url=None)).hosts) == ["gpu1", "gpu2"]
    assert fake.requests[0][3]["Authorization"] == "Bearer t0ken"
