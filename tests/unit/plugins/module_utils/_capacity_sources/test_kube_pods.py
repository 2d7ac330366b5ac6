# Tests of what a pod asks for, and of amounts as Kubernetes writes them.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.gpu_words import mig_slices, word
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.kube_pods import asked, may_be_on
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.quantities import quantity


def needs(cpu: str, **limits: str) -> dict[str, Any]:
    return {"resources": {"requests": {"cpu": cpu}, "limits": limits}}


def test_amounts() -> None:
    told = {
        "500m": "1/2",
        "1.5Gi": str(3 * 2**29),
        "12e3": "12000",
        "1E": str(10**18),
        ".5": "1/2",
        "0": "0",
        "2k": "2000",
    }
    assert {text: quantity(text) for text in told} == {text: Fraction(value) for text, value in told.items()}
    assert quantity(3) == 3
    for wrong in ("", "1 Gi", "-1", "1e999999999", "0x10", "1gi", "9" * 99, True, None, 1.5, ["1"]):
        with pytest.raises(ValueError, match="is no amount"):
            quantity(wrong)


def test_a_pod_is_the_most_that_it_ever_needs() -> None:
    found = asked(
        {
            "containers": [needs("1", **{"nvidia.com/gpu": "2"}), needs("500m", memory="1Gi")],
            "initContainers": [needs("4"), {**needs("250m"), "restartPolicy": "Always"}],
            "overhead": {"cpu": "100m"},
        },
        "a pod",
    )
    assert (found.cpu_milli, found.memory_mib, found.gpus) == (4100, 1024, 2), "a limit without a request is one"
    assert asked({"containers": [needs("1"), needs("2")]}, "a pod").cpu_milli == 3000
    assert asked({"containers": [needs("1")], "resources": {"requests": {"cpu": "5"}}}, "a pod").cpu_milli == 5000


def test_where_a_pod_may_be() -> None:
    def by(*expressions: dict[str, Any]) -> dict[str, Any]:
        terms = {"nodeSelectorTerms": [{"matchExpressions": list(expressions)}]}
        return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}}

    labels = {"zone": "a", "cores": "64"}
    yes = [
        {"key": "zone", "operator": "In", "values": ["a", "b"]},
        {"key": "zone", "operator": "NotIn", "values": ["c"]},
        {"key": "zone", "operator": "Exists"},
        {"key": "rack", "operator": "DoesNotExist"},
        {"key": "cores", "operator": "Gt", "values": ["32"]},
        {"key": "cores", "operator": "Lt", "values": ["128"]},
    ]
    assert may_be_on(by(*yes), labels, [])
    no = [
        {"key": "zone", "operator": "In", "values": ["b"]},
        {"key": "rack", "operator": "Exists"},
        {"key": "zone", "operator": "Gt", "values": ["1"]},
        {"key": "cores", "operator": "Gt", "values": []},
        {"key": "zone", "operator": "DoesNotExist"},
    ]
    assert not any(may_be_on(by(expression), labels, []) for expression in no)


def test_taints() -> None:
    taint = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}
    for good in (
        {"operator": "Exists"},
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
        {"key": "nvidia.com/gpu", "value": "present"},
    ):
        assert may_be_on({"tolerations": [good]}, {}, [taint])
    for bad in (
        {"key": "nvidia.com/gpu"},
        {"key": "x", "operator": "Exists"},
        {"operator": "Exists", "effect": "NoExecute"},
    ):
        assert not may_be_on({"tolerations": [bad]}, {}, [taint])
    assert may_be_on({}, {}, [{**taint, "effect": "PreferNoSchedule"}])


def test_into_how_many_slices_mig_cuts() -> None:
    assert [mig_slices(word(name)) for name in ("NVIDIA-H100-80GB-HBM3", "NVIDIA-A30", "NVIDIA-L40S", "")] == [
        7,
        4,
        0,
        0,
    ]


def test_words_of_models() -> None:
    for name in ("NVIDIA-H100-80GB-HBM3", "NVIDIA H100 80GB HBM3", "h100", "nvidia_h100_pcie"):
        assert word(name) == "h100"
    assert word("") == "gpu"
