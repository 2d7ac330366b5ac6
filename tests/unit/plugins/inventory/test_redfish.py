# Tests of the inventory plugin redfish, through Ansible's own loader and templates, with canned answers of BMCs.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import inventory_loader

from ansible_collections.aidc.ops.plugins.inventory import redfish
from ansible_collections.aidc.ops.plugins.module_utils._hardware.bmc_errors import BmcError, Refused, Silent
from ansible_collections.aidc.ops.plugins.module_utils._hardware.redfish_client import Access
from ansible_collections.aidc.ops.plugins.plugin_utils._redfish_fleet import Facts

HOSTILE = "{{ lookup('pipe', 'false') }}"
GPUS = [{"model": "NVIDIA H100 80GB HBM3", "state": "ok"}] * 8


def facts(number: int, **system: t.Any) -> Facts:
    found = {"node_id": f"dmi:SN{number}", "serial": f"SN{number}", "hostname": f"gpu{number}", "gpus": GPUS, **system}
    return Facts(found, {"firmware": "24.10"}, [], [])


class Site:
    """A folder with a configuration, and the answers of its BMCs."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.monkeypatch = monkeypatch
        self.answers: dict[str, Facts | BmcError] = {"192.0.2.1": facts(1), "192.0.2.2": facts(2)}
        self.asked: list[tuple[Access, float]] = []
        self.warnings: list[str] = []
        monkeypatch.setattr(redfish, "read_facts", self.read)

    def read(self, access: Access, timeout: float) -> Facts:
        self.asked.append((access, timeout))
        answer = self.answers[access.address]
        if isinstance(answer, BmcError):
            raise answer
        return answer

    def write(self, name: str = "redfish.yml", **options: t.Any) -> str:
        path = self.folder / name
        given = {
            "plugin": "aidc.ops.redfish",
            "addresses": list(self.answers),
            "username": "admin",
            "password": "secret",
            **options,
        }
        path.write_text(yaml.safe_dump({key: value for key, value in given.items() if value is not None}))
        return str(path)

    def parse(self, path: str, inventory: InventoryData | None = None) -> InventoryData:
        inventory = inventory or InventoryData()
        plugin = inventory_loader.get("aidc.ops.redfish")
        assert plugin.verify_file(path)
        # All plugins share one display.
        self.monkeypatch.setattr(plugin.display, "warning", lambda text, **_more: self.warnings.append(str(text)))
        plugin.parse(inventory, DataLoader(), path)
        if plugin.get_option("cache"):
            plugin.update_cache_if_changed()
        return inventory

    def hosts(self, **options: t.Any) -> dict[str, dict[str, t.Any]]:
        inventory = self.parse(self.write(**options))
        return {name: dict(host.vars) for name, host in inventory.hosts.items()}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(tmp_path, monkeypatch)


def test_each_bmc_is_a_host(site: Site) -> None:
    hosts = site.hosts()
    assert sorted(hosts) == ["192.0.2.1", "192.0.2.2"]
    assert hosts["192.0.2.1"]["aidc_ops_node_id"] == "dmi:SN1"
    assert hosts["192.0.2.1"]["aidc_ops_gpu_count"] == 8
    assert hosts["192.0.2.1"]["aidc_ops_bmc_firmware"] == "24.10"
    assert hosts["192.0.2.1"]["aidc_ops_bios_version"] is None


def test_options_reach_the_client(site: Site) -> None:
    site.hosts(port=8443, validate_certs=False, ca_path="/etc/ssl/bmc.pem", timeout=7)
    access, timeout = site.asked[0]
    assert (access.port, access.validate_certs, access.ca_path, timeout) == (8443, False, "/etc/ssl/bmc.pem", 7)
    assert (access.username, access.password) == ("admin", "secret")


def test_credentials_may_be_templates(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SITE_BMC_USER", "operator")
    site.hosts(username="{{ lookup('ansible.builtin.env', 'SITE_BMC_USER') }}", password="{{ 'top' ~ 'secret' }}")
    assert (site.asked[0][0].username, site.asked[0][0].password) == ("operator", "topsecret")


def test_credentials_may_come_from_the_environment(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIDC_OPS_BMC_USERNAME", "env-user")
    monkeypatch.setenv("AIDC_OPS_BMC_PASSWORD", "{{ not a template }}")
    site.hosts(username=None, password=None)
    assert (site.asked[0][0].username, site.asked[0][0].password) == ("env-user", "{{ not a template }}")


def test_ranges_and_the_other_name_of_the_option(site: Site) -> None:
    assert sorted(site.hosts(addresses=None, hosts=["192.0.2.0/30"])) == ["192.0.2.1", "192.0.2.2"]


@pytest.mark.parametrize(
    "error",
    [Silent("https://192.0.2.2: no answer within 10 s"), Refused("https://192.0.2.2: access denied for user admin")],
)
def test_a_bmc_that_fails_is_an_error_that_names_it_and_adds_no_host(site: Site, error: BmcError) -> None:
    site.answers["192.0.2.2"] = error
    inventory = InventoryData()
    with pytest.raises(
        AnsibleParserError, match=r"1 of 2 BMCs cannot be read: 192\.0\.2\.2: (no answer|access denied)"
    ):
        site.parse(site.write(), inventory)
    assert inventory.hosts == {}


def test_every_bmc_that_failed_is_named(site: Site) -> None:
    site.answers = {f"192.0.2.{number}": Silent(f"https://192.0.2.{number}: no answer") for number in range(1, 60)}
    with pytest.raises(AnsibleParserError) as caught:
        site.hosts()
    assert all(f"192.0.2.{number}" in str(caught.value) for number in range(1, 60))


def test_a_bmc_that_answers_in_part_is_an_error_too(site: Site) -> None:
    problem = {"part": "system", "device": "/redfish/v1/Systems", "message": "announces 3 members and gives 1"}
    site.answers["192.0.2.2"] = facts(2)._replace(problems=[problem, problem])
    with pytest.raises(AnsibleParserError, match=r"in part: 192\.0\.2\.2: /redfish/v1/Systems: announces 3 .*1 more"):
        site.hosts()


def test_warn_names_them_and_goes_on(site: Site) -> None:
    problem = {"part": "system", "device": None, "message": "half of it is missing"}
    site.answers["192.0.2.2"] = Silent("https://192.0.2.2: no answer")
    site.answers["192.0.2.3"] = facts(3, gpus=None)._replace(problems=[problem])
    hosts = site.hosts(on_unreachable="warn")
    assert sorted(hosts) == ["192.0.2.1", "192.0.2.3"]
    assert hosts["192.0.2.3"]["aidc_ops_gpu_count"] is None
    (warning,) = site.warnings
    assert "192.0.2.2: no answer" in warning and "192.0.2.3: half of it is missing" in warning


def test_a_smaller_fleet_is_not_cached(site: Site) -> None:
    cache = {"cache": True, "cache_plugin": "jsonfile", "cache_connection": str(site.folder / "cache")}
    site.answers["192.0.2.2"] = Silent("https://192.0.2.2: no answer")
    site.hosts(on_unreachable="warn", **cache)
    assert len(site.asked) == 2
    site.answers["192.0.2.2"] = facts(2)
    assert len(site.hosts(on_unreachable="warn", **cache)) == 2
    assert len(site.asked) == 4
    site.answers["192.0.2.2"] = Silent("gone")
    assert len(site.hosts(on_unreachable="warn", **cache)) == 2
    assert len(site.asked) == 4, "the complete answer comes out of the cache"


def test_the_cache_holds_no_password(site: Site) -> None:
    folder = site.folder / "cache"
    site.hosts(password="uncommon-word", cache=True, cache_plugin="jsonfile", cache_connection=str(folder))
    texts = [path.read_text() for path in folder.iterdir()]
    assert texts and not [text for text in texts if "uncommon-word" in text]


def test_damaged_text_is_a_warning_and_no_missing_host(site: Site) -> None:
    damage = {"part": "system", "device": "/redfish/v1/Systems/1", "message": "some bytes are not UTF-8 text"}
    site.answers["192.0.2.2"] = facts(2)._replace(damages=[damage])
    assert len(site.hosts()) == 2
    assert "192.0.2.2: /redfish/v1/Systems/1: some bytes" in site.warnings[0]


def test_what_a_bmc_says_is_text(site: Site) -> None:
    site.answers["192.0.2.1"] = facts(1, product=HOSTILE, hostname=HOSTILE)
    hosts = site.hosts(
        host_name=["hostname", "address"],
        compose={"copy": "aidc_ops_product"},
        keyed_groups=[{"key": "aidc_ops_product", "prefix": "product"}],
    )
    assert hosts["192.0.2.1"]["aidc_ops_product"] == HOSTILE
    assert hosts["192.0.2.1"]["copy"] == HOSTILE


def test_names_groups_and_filters(site: Site) -> None:
    site.answers["192.0.2.3"] = facts(3, gpus=[])
    path = site.write(
        host_name=["hostname"],
        keyed_groups=[{"key": "aidc_ops_gpu_model", "prefix": "gpu"}],
        filters=[{"include": "aidc_ops_gpu_count > 0"}, {"exclude": True}],
    )
    inventory = site.parse(path)
    assert sorted(inventory.hosts) == ["gpu1", "gpu2"]
    assert sorted(host.name for host in inventory.groups["gpu_NVIDIA_H100_80GB_HBM3"].hosts) == ["gpu1", "gpu2"]


@pytest.mark.parametrize(
    ("options", "other", "message"),
    [
        ({}, facts(1), "the same aidc_ops_node_id 'dmi:SN1'"),
        ({"host_name": ["hostname"]}, facts(2, hostname="gpu1"), "the same name 'gpu1'"),
    ],
)
def test_two_servers_that_look_like_one_are_an_error(
    site: Site, options: dict[str, t.Any], other: Facts, message: str
) -> None:
    site.answers["192.0.2.2"] = other
    with pytest.raises(AnsibleParserError, match=message):
        site.hosts(**options)


def test_servers_without_an_identity_are_not_mixed_up(site: Site) -> None:
    site.answers = {f"192.0.2.{number}": facts(number, node_id=None) for number in (1, 2)}
    assert len(site.hosts()) == 2


def test_a_node_that_another_source_knows_keeps_its_name(site: Site) -> None:
    inventory = InventoryData()
    inventory.add_host("gpu-a17")
    inventory.set_variable("gpu-a17", "aidc_ops_node_id", "dmi:SN1")
    site.parse(site.write(), inventory)
    assert sorted(inventory.hosts) == ["192.0.2.2", "gpu-a17"]
    assert inventory.hosts["gpu-a17"].vars["aidc_ops_bmc_address"] == "192.0.2.1"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"concurrency": 0}, "concurrency must be at least 1"),
        ({"timeout": -1}, "timeout must be at least 1"),
        ({"addresses": ["10.0.0.0/8"]}, "more than the 4096 of max_addresses"),
        ({"addresses": ["bmc1:443"]}, "a port goes into port"),
        ({"addresses": []}, "knows no host"),
    ],
)
def test_what_cannot_be_meant_is_an_error(site: Site, options: dict[str, t.Any], message: str) -> None:
    with pytest.raises(AnsibleParserError, match=message):
        site.hosts(**options)
    assert site.asked == []


@pytest.mark.parametrize("number", range(2))
def test_the_examples_run(site: Site, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    for name in ("AIDC_OPS_BMC_USERNAME", "AIDC_OPS_BMC_PASSWORD", "BMC_USER", "BMC_PASSWORD"):
        monkeypatch.setenv(name, "x")
    example = list(yaml.safe_load_all(redfish.EXAMPLES))[number]
    site.answers = {f"192.0.2.{last}": facts(last) for last in range(1, 255)}
    site.answers["bmc-gpu17.example.com"] = facts(999)
    cache = {"cache_connection": str(site.folder / "cache")} if "cache" in example else {}
    hosts = site.hosts(**{"username": None, "password": None, **example, **cache})
    assert len(hosts) == (15, 254)[number]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("redfish.yml", True), ("site.redfish.yaml", True), ("redfish.json", False), ("myredfish.yml", False)],
)
def test_names_of_configuration_files(site: Site, name: str, expected: bool) -> None:
    path = site.write(name)
    assert inventory_loader.get("aidc.ops.redfish").verify_file(path) is expected
