# Tests of the decision about replicas: hand-checked cases, in the order of what can go wrong.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._autoscale.decide import ceiling, decide
from ansible_collections.aidc.ops.plugins.module_utils._autoscale.load import replicas_for
from ansible_collections.aidc.ops.plugins.module_utils._autoscale.model import (
    PER_REPLICA,
    Decision,
    Foreseen,
    Limits,
    Seen,
    Service,
)
from ansible_collections.aidc.ops.plugins.module_utils._errors import AutoscaleError

NOW = 1_800_000_000.0
LIMITS = Limits(target=10.0, minimum=1, maximum=10)
FOUR = Service(replicas=4, ready=4, gpus=2)


def steady(load: float, seconds: float = 600, step: float = 30) -> Seen:
    """The same load for so long, until now."""
    count = int(seconds // step)
    return Seen(tuple((NOW - step * back, load) for back in range(count, -1, -1)))


def asked(seen: Seen, service: Service = FOUR, foreseen: Foreseen | None = None, **limits: Any) -> Decision:
    return decide(service, dataclasses.replace(LIMITS, **limits), seen, foreseen, NOW)


def told(decision: Decision) -> tuple[str, int]:
    return decision.action, decision.replicas


@pytest.mark.parametrize(
    ("load", "action", "replicas"),
    [
        (40, "hold", 4),
        (43.9, "hold", 4),  # within the band of a tenth
        (44.1, "up", 5),
        (61, "up", 7),
        (99, "up", 10),
        (36.1, "hold", 4),
        (35.9, "hold", 4),  # below the band, but 3 replicas do not carry it
        (29, "down", 3),
        (0, "down", 3),  # one at a time
        (500, "up", 10),
    ],
)
def test_by_load(load: float, action: str, replicas: int) -> None:
    assert told(asked(steady(load))) == (action, replicas)


def test_the_reason_says_it() -> None:
    assert asked(steady(61)).reason == "load 61 at 10 a replica: it gets 7 replicas"
    assert asked(steady(500)).reason == "load 500 at 10 a replica: it wants 50 replicas, and the maximum allows 10"
    assert asked(steady(61), step_up=1).reason.endswith("it wants 7 replicas, and one step is 1")
    assert asked(steady(40)).reason.endswith("4 replicas are right for it")
    assert asked(steady(5), minimum=4).reason.endswith("the minimum is 4")
    assert asked(steady(29)).reason.endswith("3 replicas carry the most of the last 300 s")
    assert asked(steady(29)).wanted == 3


def test_steps() -> None:
    assert told(asked(steady(99), step_up=2)) == ("up", 6)
    assert told(asked(steady(0), step_down=2)) == ("down", 2)
    assert told(asked(steady(0), step_down=9, minimum=2)) == ("down", 2)


@pytest.mark.parametrize(
    ("limits", "which"),
    [
        ({"max_gpus": 11.0}, "the budget of GPUs allows 5"),
        ({"price": 2.5, "max_price": 14.9}, "the budget of money allows 5"),
        ({"maximum": 5}, "the maximum allows 5"),
    ],
)
def test_budgets(limits: dict[str, Any], which: str) -> None:
    decision = asked(steady(99), **limits)
    assert told(decision) == ("up", 5) and decision.reason.endswith(which)
    at_it = asked(steady(99), Service(5, 5, 2), **limits)
    assert told(at_it) == ("hold", 5) and at_it.reason.endswith(f"it wants 10 replicas, and {which}")
    over = asked(steady(99), Service(8, 8, 2), **limits)
    assert told(over) == ("down", 7), "what is over the budget goes in steps, whatever the load"
    assert told(asked(Seen(), Service(8, 8, 2), **limits)) == ("hold", 8), "but never blindly"


def test_a_budget_that_is_exactly_used() -> None:
    assert ceiling(dataclasses.replace(LIMITS, price=0.1, max_price=0.3), 0)[0] == 3
    assert ceiling(dataclasses.replace(LIMITS, max_gpus=1e300), 1e-300)[0] == 10


def test_a_budget_that_does_not_fit() -> None:
    with pytest.raises(AutoscaleError, match="budget of GPUs allows 3 replicas, and minimum is 4"):
        asked(steady(1), minimum=4, max_gpus=7.0)
    with pytest.raises(AutoscaleError, match="a replica takes no GPU; say how many with gpus_per_replica"):
        asked(steady(1), Service(4, 4, 0), max_gpus=7.0)


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        (Seen(), "there are no values"),
        (Seen(missing="http://x: no connection"), "no connection"),
        (steady(math.nan), "no value that is a number"),
        (steady(math.inf), "no value that is a number"),
        (steady(-1), "no value that is a number"),
        (Seen(((NOW - 121, 99.0),)), "newest value that is a number is 121 s old"),
        (Seen((*steady(99).points, (NOW + 3600, 99.0))), "3600 s in the future: a clock is wrong"),
    ],
)
def test_a_load_that_is_not_known_changes_nothing(seen: Seen, why: str) -> None:
    decision = asked(seen)
    assert told(decision) == ("hold", 4) and why in decision.reason
    assert decision.load is None and decision.wanted is None


def test_a_gap_keeps_replicas_and_still_allows_more() -> None:
    points = [(moment, value) for moment, value in steady(5).points if not NOW - 250 < moment < NOW - 90]
    assert told(asked(Seen(tuple(points)))) == ("hold", 4)
    assert "the load of 180 s of the last 300 s is not known" in asked(Seen(tuple(points))).reason
    nan = [(moment, math.nan if NOW - 250 < moment < NOW - 90 else value) for moment, value in steady(5).points]
    assert told(asked(Seen(tuple(nan)))) == ("hold", 4)
    busy = [(moment, 99.0) for moment, _value in points]
    assert told(asked(Seen(tuple(busy)))) == ("up", 10)
    assert told(asked(Seen(((NOW, 5.0),)))) == ("hold", 4), "one low value is no window"


def test_down_only_to_the_most_of_the_window() -> None:
    points = list(steady(5).points)
    points[-6] = (points[-6][0], 25.0)
    assert told(asked(Seen(tuple(points)), step_down=9)) == ("down", 3)
    points[-6] = (points[-6][0], 39.0)
    decision = asked(Seen(tuple(points)))
    assert told(decision) == ("hold", 4) and "was higher within the last 300 s" in decision.reason
    points[-6], points[0] = (points[-6][0], 5.0), (points[0][0], 99.0)
    assert told(asked(Seen(tuple(points)))) == ("down", 3), "what was before the window is over"


def test_replicas_that_report_nothing() -> None:
    assert told(asked(dataclasses.replace(steady(5), reporting=3))) == ("hold", 4)
    assert "only 3 of 4 replicas report" in asked(dataclasses.replace(steady(5), reporting=3)).reason
    assert told(asked(dataclasses.replace(steady(5), reporting=math.nan))) == ("hold", 4)
    assert told(asked(dataclasses.replace(steady(5), reporting=4))) == ("down", 3)
    assert told(asked(dataclasses.replace(steady(99), reporting=1))) == ("up", 10)


def test_replicas_that_do_not_serve_yet() -> None:
    starting = Service(4, 2, 2)
    assert told(asked(steady(5), starting)) == ("hold", 4)
    assert told(asked(steady(99), starting)) == ("up", 10)


def test_pauses() -> None:
    grew = dataclasses.replace(FOUR, scaled_up_at=NOW - 59)
    assert told(asked(steady(99), grew)) == ("hold", 4) and "got more 59 s ago" in asked(steady(99), grew).reason
    assert told(asked(steady(99), dataclasses.replace(FOUR, scaled_up_at=NOW - 60))) == ("up", 10)
    shrank = dataclasses.replace(FOUR, scaled_down_at=NOW - 1)
    assert told(asked(steady(99), shrank)) == ("up", 10), "a mistake is put right at once"
    for name in ("scaled_up_at", "scaled_down_at"):
        assert told(asked(steady(5), dataclasses.replace(FOUR, **{name: NOW - 299}))) == ("hold", 4)
        assert told(asked(steady(5), dataclasses.replace(FOUR, **{name: NOW - 300}))) == ("down", 3)


def test_a_clock_that_was_set_back() -> None:
    later = dataclasses.replace(FOUR, scaled_up_at=NOW + 86400)
    assert told(asked(steady(5), later)) == ("hold", 4)
    assert "86400 s in the future: the clock was set back" in asked(steady(5), later).reason
    assert told(asked(steady(99), later)) == ("up", 10)


def test_an_annotation_that_is_no_time() -> None:
    strange = dataclasses.replace(FOUR, unreadable="aidc.ops/scaled-up-at")
    decision = asked(steady(5), strange)
    assert told(decision) == ("hold", 4) and "aidc.ops/scaled-up-at is no time; remove it" in decision.reason
    assert told(asked(steady(99), strange)) == ("up", 10)


def test_a_forecast_is_ahead_of_the_load() -> None:
    assert told(asked(steady(40), foreseen=Foreseen(75.0), startup=300.0)) == ("up", 8)
    assert "75 foretold for the next 300 s" in asked(steady(40), foreseen=Foreseen(75.0), startup=300.0).reason
    assert told(asked(steady(61), foreseen=Foreseen(20.0))) == ("up", 7), "it takes nothing from what is there"
    assert told(asked(steady(5), foreseen=Foreseen(38.0))) == ("hold", 4)
    assert told(asked(steady(5), foreseen=Foreseen(25.0), step_down=9)) == ("down", 3)


def test_a_forecast_that_is_missing() -> None:
    missing = Foreseen(None, "the forecast is late")
    assert told(asked(steady(5), foreseen=missing)) == ("hold", 4)
    assert told(asked(steady(61), foreseen=missing)) == ("up", 7)
    assert asked(steady(61), foreseen=missing).notes == ("without a forecast: the forecast is late",)


def test_zero_and_too_few() -> None:
    assert told(asked(steady(99), Service(0, 0, 2))) == ("hold", 0)
    decision = asked(Seen(), Service(1, 1, 2), minimum=3)
    assert told(decision) == ("up", 3), "the minimum needs no load"


def test_a_mean_of_the_replicas() -> None:
    share = {"measure": PER_REPLICA, "target": 0.5}
    assert told(asked(steady(0.9), **share)) == ("up", 8)  # 4 x 0.9 / 0.5 = 7.2
    assert told(asked(steady(0.3), **share)) == ("down", 3)
    assert told(asked(steady(0.9), Service(4, 2, 2), **share)) == ("hold", 4), (
        "two of them carry 1.8, so four are right"
    )
    assert told(asked(steady(0.9), Service(4, 0, 2), **share)) == ("hold", 4)
    recent = dataclasses.replace(FOUR, scaled_up_at=NOW - 290)
    assert told(asked(steady(0.1), recent, cooldown_down=0.0, **share)) == ("hold", 4)
    just = dataclasses.replace(FOUR, scaled_down_at=NOW)
    assert told(asked(steady(0.9), just, **share)) == ("hold", 4), "the value is of other replicas"


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"target": 0.0}, "target is 0; it has to be above 0"),
        ({"target": math.nan}, "target is nan; it has to be a finite number"),
        ({"max_gpus": math.inf}, "max_gpus is inf"),
        ({"target": -1.0}, "target is -1; it cannot be negative"),
        ({"cooldown_up": -1.0}, "cooldown_up is -1"),
        ({"minimum": 0}, "minimum is 0 and maximum 10"),
        ({"minimum": 11}, "minimum is 11 and maximum 10"),
        ({"tolerance": 1.0}, "tolerance is 1; it is a share"),
        ({"step_down": 0}, "step_up and step_down"),
        ({"step_up": 0}, "step_up and step_down"),
        ({"max_age": 0.0}, "max_age has to be above 0"),
        ({"max_price": 3.0}, "max_price is given without price"),
        ({"measure": "x"}, "measure is 'x'"),
    ],
)
def test_limits_that_make_no_sense(limits: dict[str, Any], message: str) -> None:
    with pytest.raises(AutoscaleError, match=message):
        dataclasses.replace(LIMITS, **limits)


def test_sums_of_floats_do_not_make_a_replica() -> None:
    assert replicas_for(0.1 + 0.2, 0.1) == 3
    assert replicas_for(0, 1) == 0
    assert replicas_for(1e308, 1e-308) == 2**31
