# Tests of what is counted of a fleet, now and with a plan.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._capacity.model import ProblemError, read_problem
from ansible_collections.aidc.ops.plugins.module_utils._capacity.planner import make_plan
from ansible_collections.aidc.ops.plugins.plugin_utils._plan.situation import change, differs, now_and_then
from ansible_collections.aidc.ops.tests.unit.plugins.plugin_utils._plan.cases import (
    limited,
    placed,
    plan,
    problem,
)


def test_figures_of_now_and_then_by_hand() -> None:
    now, then = now_and_then(problem(), plan(), (), {})
    old, new = now.figures(), then.figures()
    assert (old.gpus, old.allocated, old.free, old.copies) == (12, 4.5, 7.5, 4)
    assert (old.nodes, old.nodes_used) == (4, 3)
    assert old.kilowatts == pytest.approx(3 * 1.0 + 4.5 * 0.5)
    assert (new.allocated, new.copies, new.nodes_used, new.price_per_hour) == (5.5, 7, 3, 30.0)
    assert new.kilowatts == pytest.approx(3 * 1.0 + 5.5 * 0.5)


def test_the_plan_has_its_limits_and_what_is_now_has_none() -> None:
    asked, made = limited()
    now, then = now_and_then(asked, made, (), {})
    # Both copies of train draw 400 - 100 W for each of four GPUs in place of 500 W; serve keeps what it had.
    assert then.watts("gpu-1") == pytest.approx(1000 + 4 * 300)
    assert then.watts("gpu-3") == pytest.approx(1000 + 1.5 * 500)
    assert now.watts("gpu-1") == pytest.approx(1000 + 2 * 500), "train runs there already, with no limit"
    assert (then.limits, now.limits) == ({"gpu-1": 400.0, "gpu-3": None}, {})
    with pytest.raises(KeyError, match="gpu-9"):
        now_and_then(asked, {**made, "power_limits": [{**made["power_limits"][0], "node": "gpu-9"}]}, (), {})


def test_a_planned_limit_is_what_the_planner_counts() -> None:
    asked, _made = limited()
    made = make_plan(read_problem(asked), "best_fit").as_dict()
    _now, then = now_and_then(asked, made, (), {})
    assert 400.0 in then.limits.values()
    assert then.figures().kilowatts == pytest.approx(made["kilowatts"], abs=1e-3)


def test_what_becomes_of_the_copies() -> None:
    now, then = now_and_then(problem(), plan(), (), {})
    # One of train moves to the other, two of serve and one of crunch start.
    assert change(now, then) == (3, 1, 3, 0)
    gone = plan(placements=[placed("serve", "gpu-10", 0)])
    assert change(*now_and_then(problem(), gone, (), {})) == (0, 1, 0, 3)
    assert [name for name in then.nodes if differs(now, then, name)] == ["gpu-1", "gpu-3", "cpu-1"]


def test_figures_are_those_of_the_planner() -> None:
    made = make_plan(read_problem(problem()), "best_fit").as_dict()
    _now, then = now_and_then(problem(), made, (), {})
    figures = then.figures()
    assert figures.kilowatts == pytest.approx(made["kilowatts"], abs=1e-3)
    assert figures.price_per_hour == pytest.approx(made["price_per_hour"])
    assert (figures.allocated, figures.nodes_used) == (made["gpus_allocated"], made["nodes_used"])


def test_failed_nodes_and_scaled_projects_are_in_the_plan_but_not_in_what_is_now() -> None:
    asked = plan(placements=[placed("crunch", "cpu-1")] * 4)
    now, then = now_and_then(problem(), asked, ["gpu-1"], {"chat": 2})
    assert now.figures().gpus == 12 and then.figures().gpus == 8
    assert now.works["crunch"].copies == 2 and then.works["crunch"].copies == 4


def test_a_plan_of_another_problem_and_what_is_no_problem() -> None:
    with pytest.raises(KeyError, match="gpu-9"):
        now_and_then(problem(), plan(placements=[placed("train", "gpu-9")]), (), {})
    with pytest.raises(KeyError, match="other"):
        now_and_then(problem(), plan(placements=[placed("other", "gpu-1")]), (), {})
    with pytest.raises(ProblemError, match="nodes"):
        now_and_then({"schema_version": 1, "workloads": []}, plan(), (), {})
    with pytest.raises(ProblemError, match="no node gpu-77"):
        now_and_then(problem(), plan(), ["gpu-77"], {})
