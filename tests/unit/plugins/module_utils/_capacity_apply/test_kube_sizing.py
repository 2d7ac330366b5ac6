# Random pods: what a container is to ask for makes the whole pod ask for what is wished, by a problem's arithmetic.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.kube_sizing import (
    CPU,
    MEMORY,
    Amount,
    Unclear,
    sizing,
)
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources import kube_pods

OFTEN = settings(max_examples=300, deadline=None, derandomize=True, database=None)
TEXTS = {
    "cpu": st.sampled_from(["0", "250u", "1m", "1.5m", "100m", "0.5", "2", "1e1"]),
    "memory": st.sampled_from(["0", "1", "1k", "64Mi", "10.4Mi", "100M", "1e9", "2Gi"]),
}
SIDE = st.fixed_dictionaries({}, optional=TEXTS)
RESOURCES = st.fixed_dictionaries({}, optional={"requests": SIDE, "limits": SIDE})
AMOUNTS = st.sampled_from([CPU, MEMORY])


@st.composite
def specs(draw: Any, most: int = 3) -> dict[str, Any]:
    """The spec of a pod with up to so many containers."""
    count = draw(st.integers(1, most))
    containers = [{"name": f"c{number}", "resources": draw(RESOURCES)} for number in range(count)]
    begun = [{"name": "i", "resources": draw(RESOURCES), **more} for more in draw(st.sampled_from(BEGUN))]
    return {"containers": containers, "initContainers": begun, "overhead": draw(SIDE)}


BEGUN: list[list[dict[str, str]]] = [[], [{}], [{"restartPolicy": "Always"}], [{}, {"restartPolicy": "Always"}]]


def asks(amount: Amount, spec: Any) -> int:
    return amount.of(kube_pods.asked(spec, "a pod"))


def changed(spec: Any, container: str, resource: str, text: str) -> dict[str, Any]:
    made: dict[str, Any] = copy.deepcopy(spec)
    (found,) = [one for one in made["containers"] if one["name"] == container]
    found["resources"].setdefault("requests", {})[resource] = text
    return made


@OFTEN
@given(specs(), AMOUNTS, st.integers(1, 5000))
def test_the_pod_asks_for_what_is_wished_and_then_nothing_is_left(spec: Any, amount: Amount, units: int) -> None:
    try:
        found = sizing(amount, units, spec["containers"], [spec])
    except Unclear:
        return
    if found is None:
        assert asks(amount, spec) == units
        return
    made = changed(spec, found.container, found.resource, found.text)
    assert asks(amount, made) == units
    # While old pods run, and afterwards.
    assert sizing(amount, units, made["containers"], [spec, made]) is None
    assert sizing(amount, units, made["containers"], [made]) is None
    other = MEMORY if amount is CPU else CPU
    assert asks(other, made) == asks(other, spec)


@OFTEN
@given(specs(most=1), AMOUNTS, st.integers(1, 5000))
def test_a_single_container_is_always_clear_where_there_is_an_answer(spec: Any, amount: Amount, units: int) -> None:
    (name,) = amount.names
    beside = asks(amount, changed(spec, "c0", name, "0"))
    present = asks(amount, spec)
    if units > beside or units == present:
        found = sizing(amount, units, spec["containers"], [spec])
        assert (found is None) == (units == present)
    else:
        with pytest.raises(Unclear, match="not up to the container c0 alone"):
            sizing(amount, units, spec["containers"], [spec])


def test_a_pod_without_the_container() -> None:
    with pytest.raises(Unclear, match="have no container a"):
        sizing(CPU, 5, [{"name": "a"}], [{"containers": [{"name": "b"}]}])
