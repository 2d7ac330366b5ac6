# Tests of the features by which jobs ask for the nodes of their project.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.aidc.ops.plugins.module_utils import _runner
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply import carry_out
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.model import ApplyPolicy, Change
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._capacity_apply.plans import plan, problem, work
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._capacity_apply.slurm_site import (
    NAMES,
    PLAN,
    Site,
    told,
)

FEATURES = ApplyPolicy(features=True)
SHARED = plan([("job/1", "gpu1"), ("job/2", "gpu1")])
SWAPPED = plan([("job/1", "gpu2"), ("job/2", "gpu1")])


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    made = Site()
    monkeypatch.setattr(_runner, "run", made.slurm.run)
    for name, features in (("gpu1", ["ib", "hbm3"]), ("gpu2", ["ib"])):
        made.slurm.nodes[name].features, made.slurm.nodes[name].active = features, ["ib"]
    return made


def of_features(changes: list[Change]) -> list[tuple[str, str, str, str]]:
    return told([one for one in changes if one.kind in ("feature", "unfeature")])


def test_nodes_of_a_project_get_its_feature_and_keep_their_own(site: Site) -> None:
    assert of_features(site.compare(policy=ApplyPolicy()).changes) == []
    assert of_features(site.apply(policy=FEATURES)) == [
        ("feature", "nodes gpu1", "", "feature aidc_plan_vision"),
        ("feature", "nodes gpu2", "", "feature aidc_plan_chat"),
    ]
    nodes = site.slurm.nodes
    assert nodes["gpu1"].features == ["ib", "hbm3", "aidc_plan_vision"]
    assert nodes["gpu1"].active == ["ib", "aidc_plan_vision"], "what is not active stays so"
    assert nodes["gpu3"].features == nodes["gpu3"].active == []
    assert of_features(site.apply(made=SHARED, policy=FEATURES)) == [
        ("unfeature", "nodes gpu1", "feature aidc_plan_vision", ""),
        ("unfeature", "nodes gpu2", "feature aidc_plan_chat", ""),
    ]
    assert (nodes["gpu1"].features, nodes["gpu1"].active) == (["ib", "hbm3"], ["ib"])
    site.apply(policy=FEATURES)
    assert [one[0] for one in of_features(site.apply(policy=ApplyPolicy()))] == ["unfeature", "unfeature"]
    assert (nodes["gpu1"].features, nodes["gpu2"].features) == (["ib", "hbm3"], ["ib"])


def test_no_feature_is_nowhere_while_nodes_change_hands(site: Site) -> None:
    """Slurm puts a job aside that asks for what no node has."""
    site.apply(policy=FEATURES)
    changes = site.compare(made=SWAPPED, policy=FEATURES).changes
    assert of_features(changes) == [
        ("feature", "nodes gpu1", "", "feature aidc_plan_chat"),
        ("feature", "nodes gpu2", "", "feature aidc_plan_vision"),
        ("unfeature", "nodes gpu1", "feature aidc_plan_vision", ""),
        ("unfeature", "nodes gpu2", "feature aidc_plan_chat", ""),
    ]
    for change in changes:
        assert carry_out.in_slurm(change, site.inputs)
        present = {name for node in site.slurm.nodes.values() for name in node.active}
        assert {"aidc_plan_vision", "aidc_plan_chat"} <= present
    assert of_features(site.compare(made=SWAPPED, policy=FEATURES).changes) == []


def test_nodes_with_other_features_are_changed_one_by_one_and_alike_ones_at_once(site: Site) -> None:
    wide = problem(NAMES, [work("job/1", "vision", copies=4)])
    made = plan([("job/1", name) for name in NAMES])
    assert of_features(site.apply(wide, made, FEATURES)) == [
        ("feature", "nodes gpu[1-4]", "", "feature aidc_plan_vision"),
    ]
    told = [words[1] for words in site.slurm.changes if any(word.startswith("ActiveFeatures=") for word in words)]
    assert told == ["NodeName=gpu1", "NodeName=gpu2", "NodeName=gpu[3-4]"]


def test_a_feature_that_is_there_and_not_active_is_made_active(site: Site) -> None:
    site.slurm.nodes["gpu1"].features.append("aidc_plan_vision")
    assert ("feature", "nodes gpu1", "", "feature aidc_plan_vision") in of_features(site.apply(policy=FEATURES))
    assert site.slurm.nodes["gpu1"].features == ["ib", "hbm3", "aidc_plan_vision"]


def test_a_change_of_somebody_else_in_between_is_kept(site: Site) -> None:
    (change, *_others) = [one for one in site.compare(policy=FEATURES).changes if one.kind == "feature"]
    site.slurm.nodes["gpu1"].features.append("new")
    carry_out.in_slurm(change, site.inputs)
    assert site.slurm.nodes["gpu1"].features == ["ib", "hbm3", "new", "aidc_plan_vision"]


def test_where_features_are_not_ours_to_set(site: Site) -> None:
    site.apply(policy=FEATURES)
    site.slurm.settings["NodeFeaturesPlugins"] = "node_features/helpers"
    found = site.compare(made=SWAPPED, policy=FEATURES)
    assert of_features(found.changes) == []
    kinds = [(one.kind, "NodeFeaturesPlugins=node_features/helpers" in one.why) for one in found.refused]
    assert sorted(kinds) == [("feature", True)] * 2 + [("unfeature", True)] * 2


@pytest.mark.parametrize("project", ["a b", "x,y", "a&b", "[x]", "{{ 7 * 7 }}", "a" * 101])
def test_projects_that_no_feature_can_be(site: Site, project: str) -> None:
    found = site.compare(problem(NAMES, [work("job/1", project)]), plan([("job/1", "gpu1")]), FEATURES)
    assert of_features(found.changes) == [] and "feature" in [one.kind for one in found.refused]
    with pytest.raises(EngineError, match="is not the name of a feature of ours"):
        site.inputs.feature(["gpu1"], f"aidc_plan_{project}", True)


def test_only_features_of_ours_can_be_set(site: Site) -> None:
    with pytest.raises(EngineError, match="is not the name of a feature of ours"):
        site.inputs.feature(["gpu1"], "ib", False)
    assert site.compare(made=PLAN, policy=ApplyPolicy()).changes and site.slurm.changes == []
