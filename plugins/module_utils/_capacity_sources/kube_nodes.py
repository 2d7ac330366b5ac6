# A node of Kubernetes as a row of a capacity problem.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GPUs are told by the device plugin (allocatable) and described by labels: those of NVIDIA's GPU feature discovery,
C(nvidia.com/gpu.product), C(.memory), C(.count), C(.replicas), C(.clique), or AMD's C(amd.com/gpu.product-name). Leaf
switch and NVLink domain are those of NVIDIA's Topograph, C(network.topology.nvidia.com/leaf) and C(/accelerator).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, Dict

from ansible_collections.aidc.ops.plugins.module_utils._capacity import mig
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.gpu_words import UNKNOWN, mig_slices, word
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.kube_pods import GPU_NAMES, MIG_PREFIX, Asked
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.quantities import quantity
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.remarks import Remarks
from ansible_collections.aidc.ops.plugins.module_utils._engines import kube_objects as kube
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError

_MIB = 1024 * 1024
_LABEL = "nvidia.com/gpu."
_LEAF = "network.topology.nvidia.com/leaf"
_DOMAINS = ("nvidia.com/gpu.clique", "network.topology.nvidia.com/accelerator")
_MIG_PRODUCT = re.compile(r"(?P<model>.*)-MIG-(?P<profile>[0-9]g\.[0-9]+gb)(?P<more>.*)")

Labels = Dict[str, str]


def labels_of(thing: Mapping[str, Any]) -> Labels:
    """The labels of an object."""
    about = thing.get("metadata")
    found = about.get("labels") if isinstance(about, dict) else None
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def is_ready(node: Mapping[str, Any]) -> bool:
    """Whether its kubelet is well."""
    return kube.engine_node(node, ()).states[0] == "ready"


def node_row(node: Mapping[str, Any], own_pods: Sequence[Asked], remarks: Remarks) -> dict[str, Any]:
    """The row, without what the pods of the node itself take. EngineError for amounts that are none."""
    name = kube.name_of(node)
    labels = labels_of(node)
    status = node.get("status")
    told = status.get("allocatable") if isinstance(status, dict) else None
    try:
        amounts = {str(key): quantity(value) for key, value in (told or {}).items()}
        gpus, model = _gpus(name, amounts, labels, remarks)
    except (ValueError, AttributeError) as error:
        raise EngineError(f"Kubernetes gave node {name} with amounts that cannot be read: {error}") from error
    if "cpu" not in amounts or "memory" not in amounts:
        raise EngineError(f"Kubernetes does not tell the processors and the memory of node {name}; has it registered?")
    row: dict[str, Any] = {
        "name": name,
        "cpu_milli": max(0, math.floor(amounts["cpu"] * 1000) - sum(one.cpu_milli for one in own_pods)),
        "memory_mib": max(0, math.floor(amounts["memory"] / _MIB) - sum(one.memory_mib for one in own_pods)),
        "in_service": kube.takes_work(node),
    }
    if gpus:
        row.update(gpus=gpus, gpu_model=model)
        memory = gpu_memory_mib(labels)
        if memory:
            row["gpu_memory_mib"] = memory
        if memory and _may_be_cut(amounts, labels) and mig_slices(model):
            row["mig_slices"] = mig_slices(model)
    domain = next((labels[key] for key in _DOMAINS if labels.get(key)), "")
    row.update({key: value for key, value in (("leaf", labels.get(_LEAF)), ("nvlink_domain", domain)) if value})
    return row


def _may_be_cut(amounts: Mapping[str, Fraction], labels: Labels) -> bool:
    """Whether its GPUs have MIG instances of any size, or may have."""
    here = any(much for key, much in amounts.items() if key.startswith(MIG_PREFIX))
    return here or (labels.get("nvidia.com/mig.strategy") == "mixed" and replicas(labels) == 1)


def gpu_memory_mib(labels: Labels) -> int:
    """Memory of each GPU; 0 is unknown."""
    return _number(labels, "memory")


def replicas(labels: Labels) -> int:
    """Into how many parts by time each GPU is divided; 1 is not at all."""
    return max(1, _number(labels, "replicas"))


def _number(labels: Labels, name: str) -> int:
    text = labels.get(_LABEL + name, "")
    return int(text) if text.isdigit() and len(text) < 10 else 0


def _gpus(name: str, amounts: Mapping[str, Fraction], labels: Labels, remarks: Remarks) -> tuple[int, str]:
    """How many GPUs, and their model."""
    whole = int(sum((amounts.get(key, Fraction(0)) for key in GPU_NAMES), Fraction(0)))
    slices = {key[len(MIG_PREFIX) :]: int(much) for key, much in amounts.items() if key.startswith(MIG_PREFIX) and much}
    if not whole and not slices:
        return 0, ""
    product = labels.get(_LABEL + "product") or labels.get("amd.com/gpu.product-name") or ""
    if not product:
        remarks.add("have GPUs of a model that no label names", "node", name)
    cut = _MIG_PRODUCT.fullmatch(product)
    if cut:
        # All of its GPUs are cut alike, and each part counts as a GPU of a model of its own.
        return whole, f"{word(cut['model'])}-{cut['profile']}"
    parts = replicas(labels)
    if parts > 1:
        remarks.add("divide each GPU by time; a part is planned as that part of a GPU", "node", name)
    count = whole // parts
    if slices:
        remarks.add("have GPUs cut by MIG, which the plan may want cut otherwise", "node", name)
        memory, cuts = gpu_memory_mib(labels), mig_slices(word(product)) if product else 0
        used = sum(much * (mig.part(profile, cuts, memory) or 1000) for profile, much in slices.items())
        count = max(count, _number(labels, "count") or count + -(-used // 1000))
    return count, word(product) if product else UNKNOWN
