# Tests of the inventory plugin fleet, through Ansible's own loader, manager and templates.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import inventory_loader
from ansible.template import Templar
from ansible.vars.manager import VariableManager

HOSTILE = "{{ lookup('pipe', 'false') }}"
FIXTURE = Path(__file__).parents[2] / "fixtures" / "hardware_record" / "node.json"


def record(name: str, rack: str | None = "r1", **changes: t.Any) -> dict[str, t.Any]:
    one = json.loads(FIXTURE.read_text(encoding="utf-8"))
    one["node"].update(hostname=name, id=f"dmi:{name}", serial=name.upper())
    one["topology"].update(site=None, rack=rack, leaf=None, feed=None)
    return dict(one | changes)


class Site:
    """A folder with a fleet file, configuration files and plans."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fleet(record("gpu1"), record("gpu2", "r2"), record("cpu1", None, gpus=[]))

    def fleet(self, *records: t.Any) -> None:
        (self.folder / "latest.jsonl").write_text("".join(json.dumps(one) + "\n" for one in records))

    def plan(self, nodes: t.Any) -> str:
        (self.folder / "plan.yml").write_text(yaml.safe_dump({"nodes": nodes}))
        return "plan.yml"

    def write(self, name: str = "fleet.yml", **options: t.Any) -> str:
        path = self.folder / name
        path.write_text(yaml.safe_dump({"plugin": "aidc.ops.fleet", "path": "latest.jsonl", **options}))
        return str(path)

    def parse(self, path: str | None = None, **options: t.Any) -> InventoryData:
        """The plugin alone, so that its error is not turned into a warning."""
        path = path or self.write(**options)
        inventory = InventoryData()
        plugin = inventory_loader.get("aidc.ops.fleet")
        assert plugin.verify_file(path)
        plugin.parse(inventory, DataLoader(), path)
        if plugin.get_option("cache"):
            plugin.update_cache_if_changed()
        return inventory

    def error(self, **options: t.Any) -> str:
        with pytest.raises(AnsibleParserError) as caught:
            self.parse(**options)
        text = str(caught.value)
        assert "aidc.ops.fleet: fleet file" in text and "Nothing of this source is in the inventory" in text
        return text

    def manager(self, *paths: str) -> InventoryManager:
        return InventoryManager(loader=DataLoader(), sources=list(paths))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def groups(inventory: t.Any) -> dict[str, list[str]]:
    found = {name: sorted(host.name for host in group.hosts) for name, group in inventory.groups.items()}
    return {name: hosts for name, hosts in found.items() if hosts and name not in ("all", "ungrouped")}


def test_two_lines_are_enough(site: Site) -> None:
    manager = site.manager(site.write())
    assert groups(manager) == {"model_h100": ["gpu1", "gpu2"], "rack_r1": ["gpu1"], "rack_r2": ["gpu2"]}
    variables = {name: value for name, value in manager.hosts["gpu1"].vars.items() if name.startswith("aidc_ops_")}
    assert variables.pop("aidc_ops_hardware") == record("gpu1")
    assert variables == {
        "aidc_ops_node_id": "dmi:gpu1",
        "aidc_ops_gpu_model": "NVIDIA H100 80GB HBM3",
        "aidc_ops_gpu_models": {"NVIDIA H100 80GB HBM3": 2},
        "aidc_ops_gpu_count": 2,
        "aidc_ops_manufacturer": "Example",
        "aidc_ops_product": "AI-8000",
        "aidc_ops_serial": "GPU1",
        "aidc_ops_collected_at": "2026-11-21T12:00:00Z",
        "aidc_ops_rack": "r1",
        "aidc_ops_leaf": "leaf3",
    }


def test_none_and_unknown_are_told_apart(site: Site) -> None:
    site.fleet(record("none", gpus=[]), record("unknown", gpus=None))
    hosts = site.parse().hosts
    assert (hosts["none"].vars["aidc_ops_gpu_count"], hosts["none"].vars["aidc_ops_gpu_models"]) == (0, {})
    assert hosts["unknown"].vars["aidc_ops_gpu_count"] is None
    assert hosts["unknown"].vars["aidc_ops_gpu_models"] is None
    assert hosts["none"].vars["aidc_ops_gpu_model"] is hosts["unknown"].vars["aidc_ops_gpu_model"] is None


def test_what_is_not_known_leaves_room_for_group_variables(site: Site) -> None:
    assert "aidc_ops_rack" not in site.parse().hosts["cpu1"].vars


def test_what_somebody_entered_wins_over_lldp(site: Site) -> None:
    entered = record("gpu1")
    entered["topology"]["leaf"] = "leaf9"
    rails = record("gpu2")
    rails["topology"]["lldp_neighbors"] *= 2
    rails["topology"]["lldp_neighbors"][1] = {**rails["topology"]["lldp_neighbors"][0], "chassis_name": "leaf4"}
    site.fleet(entered, rails)
    hosts = site.parse().hosts
    assert hosts["gpu1"].vars["aidc_ops_leaf"] == "leaf9"
    assert "aidc_ops_leaf" not in hosts["gpu2"].vars, "a node on two switches depends on neither"


def test_records_may_be_left_out(site: Site) -> None:
    hosts = site.parse(hardware=False).hosts
    assert "aidc_ops_hardware" not in hosts["gpu1"].vars
    assert hosts["gpu1"].vars["aidc_ops_gpu_count"] == 2


def test_groups_are_those_that_are_asked_for(site: Site) -> None:
    assert groups(site.parse(group_by=["rack"])) == {"rack_r1": ["gpu1"], "rack_r2": ["gpu2"]}
    assert groups(site.parse(group_by=[])) == {}


def test_constructed_groups_and_filters(site: Site) -> None:
    path = site.write(
        compose={"ansible_host": "inventory_hostname ~ '.example.com'"},
        groups={"big": "aidc_ops_gpu_count >= 2"},
        keyed_groups=[{"key": "aidc_ops_product", "prefix": "product"}],
        filters=[{"exclude": "not aidc_ops_gpu_count"}],
    )
    manager = site.manager(path)
    assert sorted(manager.hosts) == ["gpu1", "gpu2"]
    assert {"big", "product_AI_8000"} <= set(manager.groups)
    assert manager.hosts["gpu1"].vars["ansible_host"] == "gpu1.example.com"


def test_the_plan_says_pool_role_and_state(site: Site) -> None:
    plan = site.plan({"dmi:gpu1": {"pool": "train", "role": "gpu", "state": "active", "more": [1]}, "dmi:gpu2": {}})
    inventory = site.parse(plan=plan)
    assert {"pool_train": ["gpu1"], "role_gpu": ["gpu1"], "state_active": ["gpu1"]}.items() <= groups(inventory).items()
    assert inventory.hosts["gpu1"].vars["aidc_ops_pool"] == "train"
    assert "aidc_ops_pool" not in inventory.hosts["gpu2"].vars


def test_a_node_of_the_plan_that_fell_out_of_the_fleet_is_an_error(site: Site) -> None:
    plan = site.plan({f"dmi:gone{number}": {"pool": "train"} for number in range(9)})
    text = site.error(plan=plan)
    assert "the plan knows nodes that the fleet has not: dmi:gone0, dmi:gone1" in text and "and 4 more" in text
    assert len(site.parse(plan=plan, plan_only="warn").hosts) == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "has no dictionary 'nodes'"),
        ("[]", "has no dictionary 'nodes'"),
        ("nodes: [dmi:gpu1]", "has no dictionary 'nodes'"),
        ("nodes: {1: {}}", "whose id is no text"),
        ("nodes: {'dmi:gpu1': train}", "node dmi:gpu1 is no dictionary"),
        ("nodes: {'dmi:gpu1': {pool: [train]}}", "pool of node dmi:gpu1 is no text"),
        ("nodes: {'dmi:gpu1': {state: ''}}", "state of node dmi:gpu1 is no text"),
        ("nodes: {'dmi:gpu1': {pool: a}, 'dmi:gpu1': {pool: b}}", "'dmi:gpu1' stands twice in one dictionary"),
        ("nodes: {'dmi:gpu1': {pool: a", "is no YAML"),
        ("nodes: !!python/object/apply:os.system ['false']", "is no YAML"),
        ("\x00", "is no YAML"),
        (None, "cannot be read"),
    ],
)
def test_a_plan_that_is_none_is_an_error(site: Site, content: str | None, message: str) -> None:
    if content is not None:
        (site.folder / "plan.yml").write_text(content)
    assert message in site.error(plan="plan.yml")


def test_a_plan_may_be_json(site: Site) -> None:
    (site.folder / "plan.json").write_text(json.dumps({"nodes": {"dmi:gpu1": {"pool": "a"}}}, indent="\t"))
    assert groups(site.parse(plan="plan.json"))["pool_a"] == ["gpu1"]


def test_hosts_may_be_called_by_their_serial_numbers(site: Site) -> None:
    assert sorted(site.parse(host_name=["serial"]).hosts) == ["CPU1", "GPU1", "GPU2"]
    nameless = record("gpu1")
    nameless["node"]["hostname"] = None
    site.fleet(nameless)
    assert sorted(site.parse().hosts) == ["GPU1"]
    assert "node dmi:gpu1 has none of hostname" in site.error(host_name=["hostname"])


def test_two_nodes_with_one_name_are_an_error(site: Site) -> None:
    other = record("gpu2")
    other["node"]["hostname"] = "gpu1"
    site.fleet(record("gpu1"), other)
    assert "dmi:gpu1 and dmi:gpu2 are both called 'gpu1'" in site.error()


@pytest.mark.parametrize("name", [HOSTILE, "all", "a,b", "../../etc", "!gpu1", "localhost\n"])
def test_hostile_names_are_an_error(site: Site, name: str) -> None:
    hostile = record("gpu1")
    hostile["node"]["hostname"] = name
    site.fleet(hostile)
    assert "cannot be the name of a host" in site.error()


def test_hostile_text_stays_text(site: Site) -> None:
    hostile = record("gpu1", HOSTILE)
    hostile["node"]["product"] = HOSTILE
    hostile["gpus"][0]["model"] = hostile["gpus"][1]["model"] = HOSTILE
    site.fleet(hostile)
    plan = site.plan({"dmi:gpu1": {"pool": HOSTILE}})
    manager = site.manager(site.write(plan=plan, compose={"copied": "aidc_ops_product"}))
    loader = DataLoader()
    variables = VariableManager(loader=loader, inventory=manager).get_vars(host=manager.get_host("gpu1"))
    templar = Templar(loader=loader, variables=variables)
    for name in ("aidc_ops_rack", "aidc_ops_product", "aidc_ops_gpu_model", "aidc_ops_pool", "copied"):
        assert templar.template(variables[name]) == HOSTILE
    assert not [name for name in manager.groups if "{" in name]


def test_a_host_and_a_group_of_one_name_are_an_error(site: Site) -> None:
    site.fleet(record("rack_r1"))
    with pytest.raises(AnsibleParserError, match="a host is called 'rack_r1', like a group of rack_r1"):
        site.parse()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (json.dumps(record("gpu1")).encode(), "line 1 has no end; the file was cut off"),
        (json.dumps(record("gpu1")).encode() + b"\n{", "line 2 is no JSON"),
        (b'{"schema_version": 9}\n', "schema version 9"),
        (b'{"schema_version": 1, "node": {"id": "a", "hostname": "a"}, "gpus": 8}\n', "the record of a is malformed"),
        (b'{"schema_version": 1, "node": {"id": "a", "hostname": "a"}, "gpus": [8]}\n', "the record of a is malformed"),
        (b'{"schema_version": 1, "node": {"id": "a", "hostname": "a"}, "topology": 8}\n', "is malformed"),
        (b'{"schema_version": 1, "node": {"id": "a", "hostname": 5}}\n', "cannot be the name of a host"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_fleet_that_is_not_whole_adds_no_host(site: Site, content: bytes | None, message: str) -> None:
    path = site.folder / "latest.jsonl"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert message in site.error()


def test_a_record_of_an_older_release_may_lack_fields(site: Site) -> None:
    site.fleet({"schema_version": 1, "node": {"id": "dmi:a", "hostname": "old"}})
    assert site.parse().hosts["old"].vars["aidc_ops_gpu_count"] is None


def test_two_sources_make_one_host_of_a_node(site: Site) -> None:
    static = site.folder / "static.yml"
    static.write_text("all:\n  hosts:\n    known:\n      aidc_ops_node_id: dmi:gpu1\n      mine: 1\n")
    manager = site.manager(str(static), site.write())
    assert sorted(manager.hosts) == ["cpu1", "gpu2", "known"]
    assert manager.hosts["known"].vars["mine"] == 1
    assert manager.hosts["known"].vars["aidc_ops_gpu_count"] == 2
    assert groups(manager)["rack_r1"] == ["known"]


def test_the_cache_answers_until_it_is_told_not_to(site: Site) -> None:
    options = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(site.folder / "c")}
    assert len(site.parse(**options).hosts) == 3
    site.fleet(record("gpu1"))
    assert len(site.parse(**options).hosts) == 3


@pytest.mark.parametrize("name", ["fleet.yml", "fleet.yaml", "lab.fleet.yml"])
def test_names_of_configuration_files(site: Site, name: str) -> None:
    assert len(site.parse(site.write(name)).hosts) == 3


@pytest.mark.parametrize("name", ["hosts.yml", "myfleet.yml", "fleet.json"])
def test_other_files_are_not_ours(site: Site, name: str) -> None:
    assert not inventory_loader.get("aidc.ops.fleet").verify_file(site.write(name))
