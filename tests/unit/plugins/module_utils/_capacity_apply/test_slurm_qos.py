# Tests of the GPU limits of QOS, from the quotas of projects.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.aidc.ops.plugins.module_utils import _runner
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.model import ApplyPolicy, Change, Difference
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._capacity_apply.plans import problem
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._capacity_apply.slurm_site import (
    CHAT,
    NAMES,
    VISION,
    Site,
    told,
)

QUOTAS = [
    {"name": "vision", "quota_gpu_milli": 8500},
    {"name": "chat", "quota_gpu_milli": 1000},
    {"name": "lab"},
]
MADE_OF = problem(NAMES, [VISION, CHAT], projects=QUOTAS)
POLICY = ApplyPolicy(qos={"vision": "cv", "chat": "talk"})


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    made = Site()
    monkeypatch.setattr(_runner, "run", made.slurm.run)
    made.slurm.accounting(vision="gres/gpu=8", chat="gres/gpu=1")
    made.slurm.qos = {"cv": "cpu=9,gres/gpu=4", "talk": "", "other": "gres/gpu=1"}
    return made


def of_qos(changes: list[Change]) -> list[tuple[str, str, str, str]]:
    return told([one for one in changes if "qos" in one.kind])


def refused(found: Difference) -> list[tuple[str, str]]:
    return [(one.thing, one.why) for one in found.refused if one.kind == "limit" and one.thing.startswith("QOS")]


def test_nothing_is_asked_or_done_unless_it_is_wanted(site: Site) -> None:
    assert of_qos(site.apply(MADE_OF, policy=ApplyPolicy())) == []
    assert not [call for call in site.slurm.calls if "qos" in call]


def test_quotas_become_limits_and_other_limits_stay(site: Site) -> None:
    changes = site.apply(MADE_OF, policy=POLICY)
    assert of_qos(changes) == [
        ("raise_qos_limit", "QOS cv", "4 GPUs", "8 GPUs"),
        ("lower_qos_limit", "QOS talk", "no limit of GPUs", "1 GPUs"),
    ]
    kinds = [one.kind for one in changes]
    assert kinds.index("raise_qos_limit") < kinds.index("weight") < kinds.index("lower_qos_limit")
    assert site.slurm.qos == {"cv": "cpu=9,gres/gpu=8", "talk": "gres/gpu=1", "other": "gres/gpu=1"}
    rounded = "vision: a limit of Slurm is in whole GPUs, so its quota is 8."
    assert site.compare(MADE_OF, policy=POLICY).notes.count(rounded) == 1


def test_the_limit_of_the_account_is_set_as_well(site: Site) -> None:
    site.slurm.limits["vision"] = ""
    kinds = [(one.kind, one.thing) for one in site.apply(MADE_OF, policy=POLICY)]
    assert ("lower_limit", "account vision") in kinds and ("raise_qos_limit", "QOS cv") in kinds
    assert site.slurm.limits["vision"] == "gres/gpu=8"


def test_a_project_without_quota_leaves_its_qos_alone(site: Site) -> None:
    found = site.compare(MADE_OF, policy=ApplyPolicy(qos={"lab": "other"}))
    assert of_qos(found.changes) == [] and refused(found) == []
    assert "lab has no quota of GPUs in the problem, so the QOS other stays as it is." in found.notes


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"vision": "none"}, "Slurm has no such QOS; make it with sacctmgr"),
        ({"nobody": "cv"}, "the problem has no project 'nobody'"),
        ({"vision": "cv", "chat": "cv"}, "the policy names it for chat, vision; it can be that of one project alone"),
        ({"vision": "cv set"}, "no QOS of Slurm can have this name (letters, digits, dot, dash, underscore)"),
        ({"vision": "cv,talk"}, "no QOS of Slurm can have this name (letters, digits, dot, dash, underscore)"),
        ({"vision": ""}, "no QOS of Slurm can have this name (letters, digits, dot, dash, underscore)"),
    ],
)
def test_what_is_named_wrongly_is_refused(site: Site, asked: dict[str, str], why: str) -> None:
    found = site.compare(MADE_OF, policy=ApplyPolicy(qos=asked))
    assert of_qos(found.changes) == [] and [one for _thing, one in refused(found)] == [why]


def test_where_a_limit_would_do_nothing(site: Site) -> None:
    site.slurm.settings["AccountingStorageEnforce"] = "associations"
    found = site.compare(MADE_OF, policy=POLICY)
    assert of_qos(found.changes) == []
    assert [(thing, "does not enforce limits" in why) for thing, why in refused(found)] == [
        ("QOS cv", True),
        ("QOS talk", True),
    ]
    assert not [call for call in site.slurm.calls if "qos" in call]


@pytest.mark.parametrize("name", ["cv set", "a,b", "", "cv\n"])
def test_names_that_are_no_qos(site: Site, name: str) -> None:
    with pytest.raises(EngineError, match="is not the name of a QOS"):
        site.inputs.limit_qos(name, 1)
    assert site.slurm.changes == []
