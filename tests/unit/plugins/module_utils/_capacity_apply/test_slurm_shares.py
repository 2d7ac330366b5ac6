# Tests of fair shares from the weights of projects.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.aidc.ops.plugins.module_utils import _runner
from ansible_collections.aidc.ops.plugins.module_utils._capacity.model import Project
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.model import ApplyPolicy
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.slurm_shares import MOST, whole_shares
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._capacity_apply.plans import plan, problem
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._capacity_apply.slurm_site import (
    CHAT,
    NAMES,
    VISION,
    Site,
    told,
)

SHARES = ApplyPolicy(shares=True)
WEIGHTS = [{"name": "vision", "weight": 1.5}, {"name": "chat", "weight": 0.5}, {"name": "lab"}]
WEIGHTED = problem(NAMES, [VISION, CHAT], projects=WEIGHTS)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    made = Site()
    monkeypatch.setattr(_runner, "run", made.slurm.run)
    return made


def of_shares(found: list[Any]) -> list[Any]:
    return [one for one in found if one[0] == "share"]


@pytest.mark.parametrize(
    ("weights", "shares"),
    [
        ([], []),
        ([1.0], [1]),
        ([1.0, 1.0, 1.0], [1, 1, 1]),
        ([2.0, 3.0, 1.0], [2, 3, 1]),
        ([1.5, 0.5, 1.0], [3, 1, 2]),
        ([1 / 3, 1.0], [33, 100]),
        ([0.0, 1.0], [1, 100]),
        ([0.0, 0.0], [1, 1]),
        ([1e300, 1.0, 5e299], [MOST, 1, MOST // 2]),
        ([1e-300, 1e-300], [1, 1]),
    ],
)
def test_weights_become_whole_numbers(weights: list[float], shares: list[int]) -> None:
    projects = [Project(f"p{number}", weight=weight) for number, weight in enumerate(weights)]
    assert list(whole_shares(projects).values()) == shares


@settings(max_examples=50, deadline=None, derandomize=True, database=None)
@given(st.lists(st.floats(0, 1e308), min_size=1, max_size=6))
def test_no_share_is_beyond_what_slurm_holds_and_the_order_of_weights_stays(weights: list[float]) -> None:
    shares = list(whole_shares([Project(f"p{number}", weight=one) for number, one in enumerate(weights)]).values())
    assert min(shares) >= 1 and max(shares) <= MOST and math.gcd(*shares) == 1
    ordered = [share for _weight, share in sorted(zip(weights, shares, strict=True))]
    assert ordered == sorted(ordered)


def test_shares_follow_the_weights(site: Site) -> None:
    site.slurm.accounting(vision="cpu=9", chat="", lab="", other="")
    site.slurm.shares = {"chat": "parent", "other": "7"}
    assert of_shares(told(site.compare(WEIGHTED, policy=ApplyPolicy()).changes)) == []
    assert of_shares(told(site.apply(WEIGHTED, policy=SHARES))) == [
        ("share", "account chat", "the share of its parent", "share 1"),
        ("share", "account lab", "share 1", "share 2"),
        ("share", "account vision", "share 1", "share 3"),
    ]
    assert site.slurm.shares == {"vision": "3", "chat": "1", "lab": "2", "other": "7"}
    assert site.slurm.limits["vision"] == "cpu=9", "limits stay"
    site.apply(WEIGHTED, policy=ApplyPolicy())
    assert site.slurm.shares["vision"] == "3", "without the policy nothing is done about shares"


def test_equal_weights_are_what_slurm_has_anyhow(site: Site) -> None:
    site.slurm.accounting(vision="", chat="")
    projects = [{"name": "vision", "weight": 4}, {"name": "chat", "weight": 4}]
    assert of_shares(told(site.compare(problem(NAMES, [VISION, CHAT], projects=projects), policy=SHARES).changes)) == []


@pytest.mark.parametrize(
    ("setting", "value", "why"),
    [
        ("AccountingStorageType", "accounting_storage/none", "keeps no accounts"),
        ("PriorityType", "priority/basic", "PriorityType is not priority/multifactor"),
        ("PriorityWeightFairShare", "0", "PriorityWeightFairshare is 0"),
    ],
)
def test_where_shares_would_do_nothing(site: Site, setting: str, value: str, why: str) -> None:
    site.slurm.accounting(vision="", chat="", lab="")
    site.slurm.settings[setting] = value
    found = site.compare(WEIGHTED, policy=SHARES)
    assert of_shares(told(found.changes)) == []
    refused = [(one.thing, why in one.why) for one in found.refused if one.kind == "share"]
    assert refused == [("account vision", True), ("account chat", True), ("account lab", True)]


def test_accounts_that_are_not_there_or_cannot_be(site: Site) -> None:
    site.slurm.accounting(vision="")
    projects = [{"name": "vision", "weight": 2}, {"name": "lab"}, {"name": "a b"}]
    found = site.compare(problem(NAMES, [VISION], projects=projects), plan([]), SHARES)
    assert [(one.thing, one.why) for one in found.refused if one.kind == "share"] == [
        ("account lab", "Slurm has no such account; make it with sacctmgr"),
        ("account a b", "no account of Slurm can have this name"),
    ]
    assert of_shares(told(found.changes)) == [("share", "account vision", "share 1", "share 2")]
