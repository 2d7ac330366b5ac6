# Tests of the inventory plugin slurm, through Ansible's own loader, manager and templates.
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

from ansible_collections.aidc.ops.tests.fakes.slurmrestd import TOKEN, FakeSlurmrestd

FIXTURES = Path(__file__).parents[2] / "fixtures" / "slurm"
REASON = '{{ lookup("pipe","id") }} disk'


class Site:
    """A folder with Slurm's commands, of which the first knows no JSON, and configuration files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.command("scontrol", "echo \"scontrol: unrecognized option '--json'\" >&2; exit 1")
        self.command("sinfo", f"cat {FIXTURES}/sinfo_22.05.json")

    def command(self, name: str, body: str) -> None:
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def write(self, name: str = "slurm.yml", **options: t.Any) -> str:
        path = self.folder / name
        given = {"scontrol": str(self.folder / "scontrol"), "sinfo": str(self.folder / "sinfo"), **options}
        path.write_text(yaml.safe_dump({"plugin": "aidc.ops.slurm", **given}))
        return str(path)

    def parse(self, **options: t.Any) -> InventoryData:
        """The plugin alone, so that its error is not turned into a warning."""
        path = self.write(**options)
        inventory = InventoryData()
        plugin = inventory_loader.get("aidc.ops.slurm")
        assert plugin.verify_file(path)
        plugin.parse(inventory, DataLoader(), path)
        if plugin.get_option("cache"):
            plugin.update_cache_if_changed()
        return inventory

    def error(self, **options: t.Any) -> str:
        with pytest.raises(AnsibleParserError) as caught:
            self.parse(**options)
        text = str(caught.value)
        assert text.startswith("aidc.ops.slurm: ") and "Nothing of this source is in the inventory" in text
        return text

    def manager(self, *paths: str) -> InventoryManager:
        return InventoryManager(loader=DataLoader(), sources=list(paths))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
def fake() -> t.Iterator[FakeSlurmrestd]:
    with FakeSlurmrestd((FIXTURES / "rest_nodes_v0.0.42.json").read_text(encoding="utf-8")) as server:
        yield server


def variables(inventory: t.Any, name: str) -> dict[str, t.Any]:
    return {key: value for key, value in inventory.hosts[name].vars.items() if key.startswith("aidc_ops_")}


def test_one_line_is_enough_where_slurm_is_installed(site: Site) -> None:
    inventory = site.parse()
    assert list(inventory.hosts) == ["cpu1", "gpu1", "gpu2", "gpu3"]
    assert variables(inventory, "gpu2") == {
        "aidc_ops_slurm_state": "idle",
        "aidc_ops_slurm_states": ["idle", "drain"],
        "aidc_ops_slurm_out": True,
        "aidc_ops_slurm_partitions": ["gpu", "night"],
        "aidc_ops_slurm_features": ["hbm3", "ib"],
        "aidc_ops_slurm_reason": "aidc.ops:7 gpu_fell_off_bus",
        "aidc_ops_slurm_reason_by": "root",
        "aidc_ops_slurm_reason_at": 1795265637,
        "aidc_ops_slurm_gpus": {"h100": 4},
        "aidc_ops_slurm_cpus": 16,
        "aidc_ops_slurm_memory_mib": 64000,
        "aidc_ops_slurm_address": "127.0.0.1",
        "aidc_ops_slurm_hostname": "localhost",
    }


def test_the_rest_service_and_the_commands_say_the_same(site: Site, fake: FakeSlurmrestd) -> None:
    rest, commands = site.parse(url=fake.url, token=TOKEN), site.parse()
    for name in ("cpu1", "gpu1", "gpu3"):
        one, other = variables(rest, name), variables(commands, name)
        # They were recorded at different times.
        times = [each.pop("aidc_ops_slurm_reason_at") is None for each in (one, other)]
        assert times[0] == times[1]
        assert one == other


def test_the_token_may_come_from_a_file_or_the_environment(
    site: Site, fake: FakeSlurmrestd, monkeypatch: pytest.MonkeyPatch
) -> None:
    (site.folder / "token").write_text(f"{TOKEN}\n")
    lookup = f"{{{{ lookup('ansible.builtin.file', '{site.folder}/token') }}}}"
    assert len(site.parse(url=fake.url, token=lookup).hosts) == 4
    monkeypatch.setenv("SLURM_JWT", TOKEN)
    assert len(site.parse(url=fake.url).hosts) == 4


def test_groups_and_filters(site: Site) -> None:
    path = site.write(
        keyed_groups=[
            {"key": "aidc_ops_slurm_partitions", "prefix": "partition"},
            {"key": "aidc_ops_slurm_state", "prefix": "slurm"},
        ],
        groups={"drained": "'drain' in aidc_ops_slurm_states"},
        compose={"ansible_host": "aidc_ops_slurm_address"},
        filters=[{"exclude": "'cpu' in aidc_ops_slurm_partitions"}],
    )
    manager = site.manager(path)
    found = {name: sorted(host.name for host in group.hosts) for name, group in manager.groups.items()}
    assert found["partition_gpu"] == ["gpu1", "gpu2", "gpu3"]
    assert found["partition_night"] == found["drained"] == ["gpu2"]
    assert found["slurm_idle"] == ["gpu1", "gpu2"]
    assert "cpu1" not in manager.hosts
    assert manager.hosts["gpu1"].vars["ansible_host"] == "127.0.0.1"


def test_reasons_of_other_people_stay_text(site: Site) -> None:
    manager = site.manager(site.write(compose={"copied": "aidc_ops_slurm_reason"}))
    loader = DataLoader()
    found = VariableManager(loader=loader, inventory=manager).get_vars(host=manager.get_host("cpu1"))
    templar = Templar(loader=loader, variables=found)
    for name in ("aidc_ops_slurm_reason", "copied"):
        assert templar.template(found[name]) == REASON


@pytest.mark.parametrize("name", [REASON, "all", "gpu[1-4]", "../../etc"])
def test_hostile_names_are_an_error(site: Site, fake: FakeSlurmrestd, name: str) -> None:
    answer = json.loads(fake.nodes)
    answer["nodes"][0]["name"] = name
    fake.nodes = json.dumps(answer)
    assert "cannot be the name of a host" in site.error(url=fake.url, token=TOKEN)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (f"cat {FIXTURES}/no_controller_22.05.json", "Slurm could not answer"),
        (f"head -c 3000 {FIXTURES}/sinfo_22.05.json", "is no JSON"),
        ("echo no >&2; exit 1", "Slurm refused"),
        ("exec sleep 20", "did not answer within"),
        ('echo \'{"errors": [], "nodes": []}\'', "knows no host"),
    ],
)
def test_commands_that_fail_add_no_host(site: Site, body: str, message: str) -> None:
    site.command("sinfo", body)
    text = site.error(timeout=1)
    assert message in text and "Slurm's command" in text


def test_a_service_that_fails_adds_no_host(site: Site, fake: FakeSlurmrestd) -> None:
    assert "HTTP 401" in site.error(url=fake.url, token="expired")
    assert "needs a token" in site.error(url=fake.url)
    fake.cut = 500
    assert "is no JSON" in site.error(url=fake.url, token=TOKEN, api_version="v0.0.42")
    text = site.error(url="http://127.0.0.1:1", token=TOKEN)
    assert "slurmrestd at http://127.0.0.1:1" in text and TOKEN not in text


def test_a_timeout_below_a_second_is_refused(site: Site) -> None:
    assert "at least 1 second" in site.error(timeout=0)


def test_slurm_meets_other_sources_by_name(site: Site) -> None:
    static = site.folder / "static.yml"
    static.write_text("all:\n  hosts:\n    gpu1:\n      aidc_ops_node_id: dmi:gpu1\n      mine: 1\n")
    host = site.manager(str(static), site.write()).hosts["gpu1"]
    assert (host.vars["mine"], host.vars["aidc_ops_slurm_state"]) == (1, "idle")


def test_the_cache_holds_no_token(site: Site, fake: FakeSlurmrestd) -> None:
    options = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(site.folder / "c")}
    site.parse(url=fake.url, token=TOKEN, **options)
    fake.status = 500
    assert len(site.parse(url=fake.url, token=TOKEN, **options).hosts) == 4
    contents = [path.read_text() for path in (site.folder / "c").iterdir()]
    assert contents and not any(TOKEN in content for content in contents)


@pytest.mark.parametrize("name", ["hosts.yml", "myslurm.yml", "slurm.json"])
def test_other_files_are_not_ours(site: Site, name: str) -> None:
    assert not inventory_loader.get("aidc.ops.slurm").verify_file(site.write(name))
