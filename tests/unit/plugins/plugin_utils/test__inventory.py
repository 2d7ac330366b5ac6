# Tests of the base that the inventory plugins share, with a source that is a list.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible.errors import AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from ansible_collections.aidc.ops.plugins.module_utils._errors import AidcOpsError
from ansible_collections.aidc.ops.plugins.plugin_utils import _inventory as base

OPTIONS: dict[str, t.Any] = {
    "url": "http://one.example",
    "strict": False,
    "compose": {},
    "groups": {},
    "keyed_groups": [],
    "leading_separator": True,
    "use_extra_vars": False,
    "filters": None,
    "allow_empty": False,
    "cache": False,
    "password": "secret",
}


def trusted(value: t.Any) -> t.Any:
    """What a person wrote into a configuration file may be a template."""
    if isinstance(value, dict):
        return {key: trusted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [trusted(item) for item in value]
    return trust_as_template(value) if isinstance(value, str) else value


class Source(base.SourceInventory):
    """A source whose answer is ``found``, or the error that it is."""

    NAME = "aidc.ops.example"
    STEM = "example"

    def __init__(self) -> None:
        super().__init__()
        self.found: t.Any = None
        self.given: dict[str, t.Any] = dict(OPTIONS)
        self.asked = 0
        self.kept: dict[str, t.Any] = {}
        self.warned: list[str] = []
        self.display = self  # type: ignore[assignment]

    def describe(self) -> str:
        return "the list"

    def fetch(self) -> list[base.FoundHost]:
        self.asked += 1
        if isinstance(self.found, Exception):
            raise self.found
        return [base.FoundHost(name, dict(variables)) for name, variables in self.found or ()]

    def get_option(self, option: str, hostvars: t.Any = None) -> t.Any:
        return self.given[option]

    def get_options(self, hostvars: t.Any = None) -> dict[str, t.Any]:
        return self.given

    def get_cache_key(self, path: str) -> str:
        return path

    def _read_config_data(self, path: str) -> None:
        self.given = trusted(self.given)
        self._cache = self.kept  # type: ignore[assignment]

    def warning(self, text: str) -> None:
        self.warned.append(text)

    def v(self, _text: str) -> None:
        pass

    vv = vvv = v


@pytest.fixture
def source() -> Source:
    return Source()


def parse(source: Source, inventory: InventoryData | None = None, cache: bool = True) -> InventoryData:
    inventory = InventoryData() if inventory is None else inventory
    source.parse(inventory, DataLoader(), "/some/example.yml", cache=cache)
    return inventory


def members(inventory: InventoryData) -> dict[str, list[str]]:
    groups = {name: [host.name for host in group.hosts] for name, group in inventory.groups.items()}
    return {name: hosts for name, hosts in groups.items() if name not in ("all", "ungrouped")}


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("example.yml", True),
        ("site.example.yaml", True),
        ("example.json", False),
        ("myexample.yml", False),
        ("other.yml", False),
        ("example.yml.bak", False),
    ],
)
def test_it_takes_files_of_its_name(source: Source, tmp_path: Path, name: str, wanted: bool) -> None:
    (tmp_path / name).write_text("plugin: aidc.ops.example\n")
    assert source.verify_file(str(tmp_path / name)) is wanted


def test_a_file_that_is_not_there_is_not_taken(source: Source, tmp_path: Path) -> None:
    assert not source.verify_file(str(tmp_path / "example.yml"))


def test_hosts_and_variables(source: Source) -> None:
    source.found = [("gpu1", {"aidc_ops_rack": "r1", "aidc_ops_gpu_count": None}), ("2001:db8::1", {})]
    inventory = parse(source)
    assert list(inventory.hosts) == ["gpu1", "2001:db8::1"]
    assert inventory.hosts["gpu1"].vars["aidc_ops_rack"] == "r1"
    assert inventory.hosts["gpu1"].vars["aidc_ops_gpu_count"] is None


def test_text_of_the_source_is_never_a_template(source: Source) -> None:
    hostile = "{{ lookup('pipe', 'false') }}{% if %}"
    source.found = [("gpu1", {"aidc_ops_rack": hostile, "deep": {"list": [hostile]}})]
    source.given |= {"compose": {"copied": "aidc_ops_rack"}}
    variables = parse(source).hosts["gpu1"].get_vars()
    templar = Templar(loader=DataLoader(), variables=variables)
    assert templar.template(variables["aidc_ops_rack"]) == hostile
    assert templar.template(variables["deep"]) == {"list": [hostile]}
    assert templar.template(variables["copied"]) == hostile


@pytest.mark.parametrize(
    "name",
    ["", "all", "ungrouped", "a,b", "a:b", "!a", "&a", "a[1:9]", "*", "../x", "/etc", ".", "-x", "{{ 7 * 7 }}", "a\n"]
    + ["a b", "x" * 254, "gpü", "fe80::1%../../x", None, 7],
)
def test_names_that_no_host_may_have(source: Source, name: t.Any) -> None:
    source.found = [("gpu1", {}), (name, {})]
    inventory = InventoryData()
    with pytest.raises(AnsibleParserError, match="the list") as caught:
        parse(source, inventory)
    assert "cannot be the name of a host" in str(caught.value)
    assert not inventory.hosts, "half of the hosts"


@pytest.mark.parametrize("error", [AidcOpsError("HTTP 403: forbidden"), ValueError("not JSON")])
def test_a_source_that_fails_adds_nothing(source: Source, error: Exception) -> None:
    source.found = error
    inventory = InventoryData()
    with pytest.raises(AnsibleParserError) as caught:
        parse(source, inventory)
    for part in (str(error), "the list", "/some/example.yml", "aidc.ops.example"):
        assert part in str(caught.value)
    assert not inventory.hosts


def test_no_host_is_an_error_unless_it_may_be(source: Source) -> None:
    with pytest.raises(AnsibleParserError, match="allow_empty"):
        parse(source)
    source.given |= {"allow_empty": True}
    assert not parse(source).hosts


def test_filters(source: Source) -> None:
    source.found = [
        ("gpu1", {"aidc_ops_rack": "r1"}),
        ("gpu2", {"aidc_ops_rack": "r2"}),
        ("x", {"aidc_ops_rack": "r1"}),
    ]
    source.given |= {"filters": [{"exclude": "inventory_hostname == 'x'"}, {"exclude": "aidc_ops_rack == 'r2'"}]}
    assert list(parse(source).hosts) == ["gpu1"]


def test_a_filter_that_cannot_be_evaluated_is_an_error(source: Source) -> None:
    source.found = [("gpu1", {})]
    source.given |= {"filters": [{"exclude": "no_such_variable == 1"}]}
    inventory = InventoryData()
    with pytest.raises(AnsibleParserError, match="no_such_variable"):
        parse(source, inventory)
    assert not inventory.hosts


# --- Two sources on one node -----------------------------------------------------------------------------------------


def test_a_node_that_is_there_under_another_name_is_extended(source: Source) -> None:
    inventory = InventoryData()
    inventory.add_host("node-7")
    inventory.set_variable("node-7", base.NODE_ID, "dmi:S7")
    source.found = [("10.0.0.7", {base.NODE_ID: "dmi:S7", "aidc_ops_rack": "r1"})]
    parse(source, inventory)
    assert list(inventory.hosts) == ["node-7"]
    assert inventory.hosts["node-7"].vars["aidc_ops_rack"] == "r1"
    assert "10.0.0.7 is node-7" in source.warned[0]


def test_hosts_of_one_name_are_one(source: Source) -> None:
    inventory = InventoryData()
    inventory.add_host("gpu1")
    inventory.set_variable("gpu1", "mine", 1)
    source.found = [("gpu1", {"aidc_ops_rack": "r1"}), ("gpu1", {"aidc_ops_leaf": "l1"})]
    variables = parse(source, inventory).hosts["gpu1"].vars
    assert (variables["mine"], variables["aidc_ops_rack"], variables["aidc_ops_leaf"]) == (1, "r1", "l1")
    assert not source.warned


def test_what_a_source_does_not_know_replaces_nothing(source: Source) -> None:
    inventory = InventoryData()
    inventory.add_host("gpu1")
    inventory.set_variable("gpu1", "aidc_ops_rack", "r1")
    source.found = [("gpu1", {"aidc_ops_rack": None, "aidc_ops_gpu_count": None})]
    variables = parse(source, inventory).hosts["gpu1"].vars
    assert (variables["aidc_ops_rack"], variables["aidc_ops_gpu_count"]) == ("r1", None)


def test_two_names_of_one_node_in_one_source(source: Source) -> None:
    source.found = [("a", {base.NODE_ID: "dmi:S1", "x": 1}), ("b", {base.NODE_ID: "dmi:S1", "y": 2})]
    inventory = parse(source)
    assert list(inventory.hosts) == ["a"]
    assert (inventory.hosts["a"].vars["x"], inventory.hosts["a"].vars["y"]) == (1, 2)
    assert "b is a" in source.warned[0]


def test_another_node_under_a_known_name_is_told(source: Source) -> None:
    inventory = InventoryData()
    inventory.add_host("gpu1")
    inventory.set_variable("gpu1", base.NODE_ID, "dmi:OLD")
    source.found = [("gpu1", {base.NODE_ID: "dmi:NEW"})]
    assert parse(source, inventory).hosts["gpu1"].vars[base.NODE_ID] == "dmi:NEW"
    assert "gpu1 was dmi:OLD and is dmi:NEW" in source.warned[0]


def test_unknown_ids_do_not_merge(source: Source) -> None:
    source.found = [("a", {base.NODE_ID: None}), ("b", {base.NODE_ID: None}), ("c", {base.NODE_ID: ""})]
    assert list(parse(source).hosts) == ["a", "b", "c"]


def test_a_warning_names_a_few_only(source: Source) -> None:
    source.found = [("first", {base.NODE_ID: "dmi:S"})] + [(f"n{i}", {base.NODE_ID: "dmi:S"}) for i in range(50)]
    parse(source)
    assert "and 45 more" in source.warned[0]


# --- Cache -----------------------------------------------------------------------------------------------------------


def test_the_cache_gives_the_same_hosts(source: Source) -> None:
    source.given |= {"cache": True}
    source.found = [("gpu1", {"a": [1, 2.5, None, True, "ü{{ 1 }}"], "b": {"c": "d"}})]
    first = parse(source)
    source.found = AidcOpsError("it is down")
    second = parse(source)
    assert source.asked == 1
    assert second.hosts["gpu1"].vars == first.hosts["gpu1"].vars


def test_a_refresh_asks_again(source: Source) -> None:
    source.given |= {"cache": True}
    source.found = [("gpu1", {})]
    parse(source)
    source.found = [("gpu2", {})]
    assert list(parse(source, cache=False).hosts) == ["gpu2"]
    assert list(parse(source).hosts) == ["gpu2"]
    assert source.asked == 2


def test_another_question_is_not_answered_from_the_cache(source: Source) -> None:
    source.given |= {"cache": True}
    source.found = [("gpu1", {})]
    parse(source)
    source.given |= {"compose": {"x": "1"}, "password": "changed"}
    parse(source)
    assert source.asked == 1, "the answer does not depend on these"
    source.given |= {"url": "http://two.example"}
    parse(source)
    assert source.asked == 2


@pytest.mark.parametrize(
    "damaged",
    [
        None,
        "text",
        {},
        {"format": 0},
        {"format": 1, "fingerprint": "f"},
        {"format": 1, "fingerprint": "f", "hosts": "["},
    ]
    + [{"format": 1, "fingerprint": "f", "hosts": text} for text in ("[[1]]", "7", '[["a", 3]]', '{"a": 1}')]
    + [{"format": 1, "fingerprint": "other", "hosts": "[]"}],
)
def test_a_damaged_cache_is_no_answer(damaged: t.Any) -> None:
    assert base.decode(damaged, "f") is None


def test_no_secret_is_in_the_cache(source: Source) -> None:
    source.given |= {"cache": True, "token": "t0ken"}
    source.found = [("gpu1", {})]
    parse(source)
    assert "secret" not in str(source.kept)
    assert "t0ken" not in str(source.kept)


# --- Constructed groups ----------------------------------------------------------------------------------------------

FLEET = [
    ("n1", {"model": "NVIDIA H100 80GB", "rack": "r1", "labels": ["a", ""], "none": None, "count": 8}),
    ("n2", {"model": "NVIDIA H100 80GB", "rack": "", "labels": [], "none": None, "count": 4}),
    ("n3", {"model": "", "rack": "r-2", "labels": ["b", "a"], "none": None, "count": 8, "aidc_ops_leaf": "l1"}),
]
ENTRIES = [
    {"key": "model", "prefix": "gpu"},
    {"key": "rack"},
    {"key": "rack", "prefix": "rack", "separator": "-"},
    {"key": "rack", "prefix": "rack", "default_value": "unknown"},
    {"key": "labels", "prefix": "label"},
    {"key": "labels", "prefix": "label", "default_value": "none"},
    {"key": "none", "prefix": "none"},
    {"key": "none", "prefix": "none", "default_value": "x"},
    {"key": "count", "prefix": "count"},
    {"key": "count | string", "prefix": "count"},
    {"key": "no_such_variable", "prefix": "x"},
    {"key": "aidc_ops_leaf", "prefix": "leaf"},
    {"key": "aidc_ops_leaf", "prefix": "leaf", "default_value": "none"},
    {"key": "true", "prefix": "x"},
    {"key": "rack", "prefix": "rack", "parent_group": "racks"},
    {"key": "inventory_hostname", "prefix": "host"},
    {"key": "composed", "prefix": "c"},
    {"key": "rack", "prefix": "rack", "trailing_separator": False},
]


class Slow(Source):
    """The same without the short cut."""

    def _split_keyed_groups(self, entries: list[t.Any], strict: bool) -> tuple[list[t.Any], list[t.Any]]:
        return [], list(entries)


@pytest.mark.parametrize("bare", [True, False])
@pytest.mark.parametrize("entry", ENTRIES, ids=range(len(ENTRIES)))
def test_keyed_groups_are_what_ansible_makes_of_them(entry: dict[str, t.Any], bare: bool) -> None:
    answers = []
    for kind in (Source, Slow):
        source = kind()
        source.found = FLEET
        source.given |= {"keyed_groups": [entry], "leading_separator": bare, "compose": {"composed": "rack ~ count"}}
        try:
            answers.append((members(parse(source)), None))
        except AnsibleParserError as exc:
            answers.append(({}, str(exc)))
    assert answers[0] == answers[1]


def test_a_template_of_another_source_is_evaluated(source: Source) -> None:
    inventory = InventoryData()
    inventory.add_host("n1")
    inventory.set_variable("n1", "pool", trust_as_template("{{ 'a' ~ 'b' }}"))
    source.found = [("n1", {"rack": "r1"})]
    source.given |= {"keyed_groups": [{"key": "pool", "prefix": "pool"}]}
    assert members(parse(source, inventory)) == {"pool_ab": ["n1"]}


def test_keyed_groups_without_a_template_are_made_directly(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "_add_host_to_keyed_groups", None)
    source.found = FLEET
    source.given |= {"keyed_groups": [{"key": "model", "prefix": "gpu"}, {"key": "labels", "prefix": "l"}]}
    groups = members(parse(source))
    assert groups == {"gpu_NVIDIA_H100_80GB": ["n1", "n2"], "l_a": ["n1", "n3"], "l_": ["n1"], "l_b": ["n3"]}


def test_a_bad_entry_is_ansibles_error(source: Source) -> None:
    source.found = FLEET
    source.given |= {"keyed_groups": ["model"]}
    with pytest.raises(AnsibleParserError, match="Invalid keyed group entry"):
        parse(source)


def test_strict_is_strict(source: Source) -> None:
    source.found = FLEET
    source.given |= {"keyed_groups": [{"key": "none", "prefix": "n"}], "strict": True}
    with pytest.raises(AnsibleParserError, match="No key or key resulted empty"):
        parse(source)


def test_groups_and_compose(source: Source) -> None:
    source.found = FLEET
    source.given |= {"groups": {"full": "count == 8"}, "compose": {"twice": "count * 2"}}
    inventory = parse(source)
    assert members(inventory) == {"full": ["n1", "n3"]}
    assert inventory.hosts["n2"].vars["twice"] == 8


def test_a_group_with_the_name_of_a_host_is_an_error(source: Source) -> None:
    source.found = [("n1", {"rack": "n2"}), ("n2", {"rack": "n2"})]
    source.given |= {"keyed_groups": [{"key": "rack", "separator": ""}]}
    with pytest.raises(AnsibleParserError, match="prefix"):
        parse(source)


def test_many_hosts_are_quick_to_add(source: Source) -> None:
    source.found = [(f"n{i}", {"rack": f"r{i % 100}", base.NODE_ID: f"dmi:{i}"}) for i in range(5000)]
    source.given |= {"keyed_groups": [{"key": "rack", "prefix": "rack"}]}
    inventory = parse(source)
    assert len(inventory.hosts) == 5000
    assert len(inventory.groups["rack_r7"].hosts) == 50
