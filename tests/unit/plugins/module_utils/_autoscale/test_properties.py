# Any load, any limits: replicas stay within them, nothing goes on missing data, and a constant load comes to rest.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
import itertools
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.aidc.ops.plugins.module_utils._autoscale.decide import ceiling, decide
from ansible_collections.aidc.ops.plugins.module_utils._autoscale.model import Foreseen, Limits, Seen, Service
from ansible_collections.aidc.ops.plugins.module_utils._errors import AutoscaleError

NOW = 1_800_000_000.0
QUICKLY = settings(
    max_examples=120, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
VALUES = st.one_of(st.floats(0, 500), st.sampled_from([math.nan, math.inf, -1.0, 0.0]))


@st.composite
def many_limits(draw: st.DrawFn) -> Limits:
    minimum = draw(st.integers(1, 5))
    return Limits(
        target=draw(st.floats(0.1, 50)),
        minimum=minimum,
        maximum=minimum + draw(st.integers(0, 30)),
        tolerance=draw(st.sampled_from([0.0, 0.1, 0.5])),
        stabilisation=draw(st.sampled_from([0.0, 60.0, 300.0])),
        cooldown_up=draw(st.sampled_from([0.0, 60.0])),
        cooldown_down=draw(st.sampled_from([0.0, 300.0])),
        step_up=draw(st.sampled_from([None, 1, 4])),
        step_down=draw(st.sampled_from([1, 3])),
        max_gpus=draw(st.sampled_from([None, 8.0, 40.0])),
    )


@st.composite
def services(draw: st.DrawFn) -> Service:
    replicas = draw(st.integers(0, 40))
    moments = st.one_of(st.none(), st.floats(NOW - 1000, NOW + 1000))
    return Service(
        replicas=replicas,
        ready=draw(st.integers(0, replicas)),
        gpus=draw(st.sampled_from([1.0, 2.0])),
        scaled_up_at=draw(moments),
        scaled_down_at=draw(moments),
    )


SEEN = st.builds(
    Seen,
    points=st.lists(st.tuples(st.floats(NOW - 700, NOW + 20), VALUES), max_size=30).map(
        lambda found: tuple(sorted(found))
    ),
    reporting=st.one_of(st.none(), st.integers(0, 40).map(float), st.just(math.nan)),
)
FORESEEN = st.one_of(st.none(), st.builds(Foreseen, st.one_of(st.none(), st.floats(0, 500))))


@pytest.mark.slow
@QUICKLY
@given(services(), many_limits(), SEEN, FORESEEN)
def test_never_outside_the_limits(service: Service, limits: Limits, seen: Seen, foreseen: Foreseen | None) -> None:
    try:
        most, _which = ceiling(limits, service.gpus)
    except AutoscaleError:
        return
    decision = decide(service, limits, seen, foreseen, NOW)
    count, then = service.replicas, decision.replicas
    assert decision.action == ("up" if then > count else "down" if then < count else "hold")
    assert then <= max(most, count) and then >= min(limits.minimum, count)
    if then < count:
        assert count - then <= limits.step_down
    if then > count >= limits.minimum and limits.step_up is not None:
        assert then - count <= limits.step_up
    if then < count:
        # An independent reading of "the whole window is known": good values at its edges and no long gap between them.
        good = [at for at, value in seen.points if math.isfinite(value) and value >= 0]
        inside = [NOW - limits.stabilisation, *(at for at in good if at >= NOW - limits.stabilisation), NOW]
        assert good and all(late - early <= limits.max_age for early, late in itertools.pairwise(inside))
        assert seen.reporting is None or seen.reporting >= service.ready
        assert foreseen is None or foreseen.load is not None or count > most
        assert all(
            at is None or at <= NOW - limits.cooldown_down for at in (service.scaled_up_at, service.scaled_down_at)
        )


@QUICKLY
@given(many_limits(), st.integers(1, 40), st.floats(0, 500))
def test_a_constant_load_comes_to_rest(limits: Limits, start: int, load: float) -> None:
    limits = dataclasses.replace(limits, max_gpus=None)
    # The points are as far apart as may be, and each run comes after all pauses: that is slow enough for any steps.
    step, now, replicas = limits.max_age, NOW, start
    service = Service(start, start, 1)
    changes: list[tuple[str, int]] = []
    for _run in range(60):
        points = tuple((now - step * back, load) for back in range(4, -1, -1))
        shown = dataclasses.replace(service, replicas=replicas, ready=replicas)
        decision = decide(shown, limits, Seen(points), None, now)
        if decision.replicas != replicas:
            changes.append((decision.action, decision.replicas))
            key = "scaled_up_at" if decision.replicas > replicas else "scaled_down_at"
            service, replicas = dataclasses.replace(service, **{key: now}), decision.replicas
        now += 310
    assert decision.action == "hold"
    assert len({action for action, _replicas in changes}) <= 1, f"up and down at one load: {changes}"
    assert limits.minimum <= replicas <= limits.maximum
    wanted = min(max(math.ceil(load / limits.target - 1e-9), limits.minimum), limits.maximum)
    band = limits.tolerance * replicas + 1
    assert abs(replicas - wanted) <= band, f"{replicas} replicas, and {wanted} are right"
