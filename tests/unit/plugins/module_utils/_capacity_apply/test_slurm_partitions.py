# Tests of the partitions of projects, whose nodes follow the plan.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.aidc.ops.plugins.module_utils import _runner
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply import carry_out
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.model import ApplyPolicy, Change, Difference
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._capacity_apply.plans import (
    node,
    plan,
    problem,
)
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._capacity_apply.slurm_site import (
    CHAT,
    NAMES,
    VISION,
    Site,
    told,
)

BOTH = ApplyPolicy(partitions={"vision": "cv", "chat": "talk"})
SWAPPED = plan([("job/1", "gpu2"), ("job/2", "gpu1")])


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    made = Site()
    monkeypatch.setattr(_runner, "run", made.slurm.run)
    made.slurm.partitions.update(cv=["gpu1", "gpu3"], talk=["gpu2"])
    return made


def of_partitions(changes: list[Change]) -> list[tuple[str, str, str, str]]:
    return told([one for one in changes if one.kind in ("widen_partition", "narrow_partition")])


def refused(found: Difference) -> list[tuple[str, str]]:
    return [(one.thing, one.why) for one in found.refused if one.kind == "partition"]


def test_nothing_is_asked_or_done_unless_it_is_wanted(site: Site) -> None:
    assert of_partitions(site.apply(made=SWAPPED, policy=ApplyPolicy())) == []
    assert not [call for call in site.slurm.calls if "partition" in call]
    assert site.slurm.partitions == {"main": list(NAMES), "cv": ["gpu1", "gpu3"], "talk": ["gpu2"]}


def test_the_nodes_follow_the_plan_and_none_is_missing_on_the_way(site: Site) -> None:
    assert of_partitions(site.apply(policy=BOTH)) == [("narrow_partition", "nodes gpu3", "partition cv", "")]
    changes = site.compare(made=SWAPPED, policy=BOTH).changes
    assert of_partitions(changes) == [
        ("widen_partition", "nodes gpu1", "", "partition talk"),
        ("widen_partition", "nodes gpu2", "", "partition cv"),
        ("narrow_partition", "nodes gpu1", "partition cv", ""),
        ("narrow_partition", "nodes gpu2", "partition talk", ""),
    ]
    kinds = [one.kind for one in changes]
    assert kinds.index("widen_partition") < kinds.index("reservation") < kinds.index("narrow_partition")
    for change in changes:
        assert carry_out.in_slurm(change, site.inputs)
        for before, after in (("gpu1", "gpu2"), ("gpu2", "gpu1")):
            assert {before, after} & set(site.slurm.partitions["cv"])
            assert {before, after} & set(site.slurm.partitions["talk"])
    assert site.compare(made=SWAPPED, policy=BOTH).changes == []
    assert site.slurm.partitions == {"main": list(NAMES), "cv": ["gpu2"], "talk": ["gpu1"]}


def test_a_node_of_several_projects_is_in_the_partition_of_each(site: Site) -> None:
    site.apply(made=plan([("job/1", "gpu1"), ("job/2", "gpu1")]), policy=BOTH)
    assert (site.slurm.partitions["cv"], site.slurm.partitions["talk"]) == (["gpu1"], ["gpu1"])


def test_a_node_that_would_be_in_no_partition_stays(site: Site) -> None:
    site.slurm.partitions["main"] = ["gpu1", "gpu2"]
    found = site.compare(policy=BOTH)
    assert of_partitions(found.changes) == []
    assert "gpu3: stays in the partition cv, as it would be in none otherwise." in found.notes
    # In both, and wanted in neither: it leaves one of them.
    site.slurm.partitions["talk"].append("gpu3")
    assert of_partitions(site.apply(policy=BOTH)) == [("narrow_partition", "nodes gpu3", "partition talk", "")]
    assert site.slurm.partitions["cv"] == ["gpu1", "gpu3"]


def test_only_nodes_in_service_that_the_plan_knows_come_or_go(site: Site) -> None:
    site.slurm.nodes["new"] = type(site.slurm.nodes["gpu1"])()
    site.slurm.nodes["gpu4"].state = "DOWN"
    site.slurm.partitions["cv"] = ["gpu1", "gpu3", "gpu4", "new"]
    made_of = problem(["gpu1", "gpu2", "gpu3", node("gpu4", in_service=False)], [VISION, CHAT])
    assert of_partitions(site.apply(made_of, policy=BOTH)) == [("narrow_partition", "nodes gpu3", "partition cv", "")]
    assert site.slurm.partitions["cv"] == ["new", "gpu1", "gpu4"]


def test_no_more_nodes_leave_than_may_go_in_a_run(site: Site) -> None:
    site.slurm.partitions["cv"] = list(NAMES)
    few = ApplyPolicy(partitions={"vision": "cv"}, most_out=2)
    found = site.compare(policy=few)
    assert of_partitions(found.changes) == [("narrow_partition", "nodes gpu[2-3]", "partition cv", "")]
    assert [(one.kind, one.thing) for one in found.later] == [("narrow_partition", "nodes gpu4")]
    for change in found.changes:
        assert carry_out.in_slurm(change, site.inputs)
    assert site.slurm.partitions["cv"] == ["gpu1", "gpu4"]
    site.apply(policy=few)
    assert site.slurm.partitions["cv"] == ["gpu1"]


def test_a_project_without_nodes_keeps_its_partition(site: Site) -> None:
    found = site.compare(made=plan([("job/1", "gpu1")], {"job/2": "no room"}), policy=BOTH)
    assert [one for one in of_partitions(found.changes) if "talk" in str(one)] == []
    said = "The plan has no node for chat, so the partition talk stays as it is: without nodes it could run nothing."
    assert said in found.notes


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"vision": "nope"}, [("partition nope", "Slurm has no such partition; make it in slurm.conf")]),
        ({"lab": "cv"}, [("partition cv", "the problem has no project 'lab'")]),
        ({"": "cv"}, [("partition cv", "the problem has no project ''")]),
        (
            {"vision": "cv", "chat": "cv"},
            [("partition cv", "the policy names it for chat, vision; it can be that of one project alone")],
        ),
        *(
            (
                {"vision": name},
                [
                    (
                        f"partition {name:.80}",
                        "no partition of Slurm can have this name (letters, digits, dot, dash, underscore)",
                    )
                ],
            )
            for name in ("", "cv State=DOWN", "cv,main", "-cv", "{{ 7 * 7 }}", "cv\n", "x" * 101)
        ),
    ],
)
def test_what_is_named_wrongly_is_refused(site: Site, asked: dict[str, str], expected: list[tuple[str, str]]) -> None:
    found = site.compare(policy=ApplyPolicy(partitions=asked))
    assert of_partitions(found.changes) == [] and refused(found) == expected


@pytest.mark.parametrize("nodes", ["ALL", "gpu1,gpu77"])
def test_nodes_that_slurm_does_not_spell_out(site: Site, nodes: str) -> None:
    site.slurm.partitions["cv"] = [nodes]
    found = site.compare(policy=BOTH)
    ((thing, why),) = refused(found)
    assert thing == "partition cv" and "as its nodes, and shows no such node" in why
    assert of_partitions(found.changes) == []


def test_a_change_of_somebody_else_in_between_is_kept(site: Site) -> None:
    changes = [one for one in site.compare(made=SWAPPED, policy=BOTH).changes if one.value == "cv"]
    site.slurm.partitions["cv"].append("gpu4")
    for change in changes:
        carry_out.in_slurm(change, site.inputs)
    assert site.slurm.partitions["cv"] == ["gpu2", "gpu4"]


def test_the_last_look_before_a_change(site: Site) -> None:
    with pytest.raises(EngineError, match="The partition talk would be without nodes"):
        site.inputs.move("talk", ["gpu2"], False)
    site.slurm.partitions["main"] = ["gpu1"]
    with pytest.raises(EngineError, match="gpu3 would be in no partition"):
        site.inputs.move("cv", ["gpu1", "gpu3"], False)
    with pytest.raises(EngineError, match="Slurm has no partition none any more"):
        site.inputs.move("none", ["gpu1"], True)
    assert site.slurm.changes == []
