# Makes hosts of hardware records, and of what the plan wants of their nodes.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from collections import Counter

import yaml

from ansible_collections.aidc.ops.plugins.module_utils._errors import AidcOpsError
from ansible_collections.aidc.ops.plugins.module_utils._hardware import lldp
from ansible_collections.aidc.ops.plugins.module_utils._hardware.slurm_lines import short_model
from ansible_collections.aidc.ops.plugins.plugin_utils._inventory import NODE_ID, FoundHost

Record = t.Mapping[str, t.Any]
Plan = dict[str, dict[str, str]]

PLANNED = ("pool", "role", "state")
PLACES = ("site", "rack", "leaf", "feed")

# A plan of 100,000 nodes has some 10 MiB.
_MAX_PLAN_BYTES = 256 * 1024 * 1024
_GROUPS = {"pool": "aidc_ops_pool", "rack": "aidc_ops_rack", "role": "aidc_ops_role", "state": "aidc_ops_state"}
# The loader in C is ten times as fast, and not everywhere.
_SafeLoader: t.Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class FleetHostError(AidcOpsError):
    """The plan cannot be read, or a record makes no host."""


class _Loader(_SafeLoader):
    """A safe loader that does not let the second of two equal keys win silently."""

    def construct_mapping(self, node: t.Any, deep: bool = False) -> dict[t.Any, t.Any]:
        keys = [key.value for key, _value in node.value if isinstance(key.value, str)]
        if len(set(keys)) != len(keys):
            twice = next(key for key, times in Counter(keys).items() if times > 1)
            raise FleetHostError(f"{twice!r:.100} stands twice in one dictionary (line {node.start_mark.line + 1})")
        return dict(super().construct_mapping(node, deep=deep))


def read_plan(path: str) -> Plan:
    """What the plan at C(path) says of each node, by stable id; FleetHostError if it is malformed."""
    try:
        with open(path, "rb") as handle:
            content = handle.read(_MAX_PLAN_BYTES + 1)
    except OSError as exc:
        raise FleetHostError(f"the plan {path} cannot be read: {exc.strerror}") from exc
    if len(content) > _MAX_PLAN_BYTES:
        raise FleetHostError(f"the plan {path} is larger than {_MAX_PLAN_BYTES} bytes")
    try:
        plan = yaml.load(content, Loader=_Loader)  # noqa: S506 - a safe loader, see above
    except FleetHostError as exc:
        raise FleetHostError(f"the plan {path}: {exc}") from exc
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        raise FleetHostError(f"the plan {path} is no YAML: {' '.join(str(exc).split())[:300]}") from exc
    nodes = plan.get("nodes") if isinstance(plan, dict) else None
    if not isinstance(nodes, dict):
        raise FleetHostError(f"the plan {path} has no dictionary 'nodes'")
    return {_identity(path, identity): _planned(path, identity, wanted) for identity, wanted in nodes.items()}


def _identity(path: str, identity: t.Any) -> str:
    if not isinstance(identity, str) or not identity:
        raise FleetHostError(f"the plan {path} has a node whose id is no text: {identity!r:.100}")
    return identity


def _planned(path: str, identity: str, wanted: t.Any) -> dict[str, str]:
    if not isinstance(wanted, dict):
        raise FleetHostError(f"the plan {path}: node {identity} is no dictionary")
    found = {key: wanted[key] for key in PLANNED if wanted.get(key) is not None}
    for key, value in found.items():
        if not isinstance(value, str) or not value:
            raise FleetHostError(f"the plan {path}: {key} of node {identity} is no text: {value!r:.100}")
    return found


def make_hosts(
    records: t.Sequence[Record], plan: Plan, host_name: t.Sequence[str], with_hardware: bool
) -> list[FoundHost]:
    """Return a host for each record; FleetHostError if one has no name, or two have the same."""
    found = []
    known: dict[str, str] = {}
    for record in records:
        identity = record["node"]["id"]
        name = next((record["node"].get(key) for key in host_name if record["node"].get(key)), None)
        if name is None:
            raise FleetHostError(f"node {identity} has none of {', '.join(host_name)} to be called by")
        if name in known:
            raise FleetHostError(
                f"{known[name]} and {identity} are both called {name!r:.100}; give one another name, or set host_name"
            )
        known[name] = identity
        try:
            variables = host_variables(record, plan.get(identity, {}))
        except (AttributeError, KeyError, TypeError) as exc:
            raise FleetHostError(f"the record of {identity} is malformed ({type(exc).__name__}: {exc})") from exc
        if with_hardware:
            variables["aidc_ops_hardware"] = record
        found.append(FoundHost(name, variables))
    return found


def host_variables(record: Record, planned: t.Mapping[str, str]) -> dict[str, t.Any]:
    """The variables of one host, without the record itself."""
    node, gpus = record["node"], record.get("gpus")
    models = None if gpus is None else Counter(gpu["model"] for gpu in gpus if gpu.get("model") is not None)
    variables: dict[str, t.Any] = {
        NODE_ID: node["id"],
        "aidc_ops_gpu_model": models.most_common(1)[0][0] if models else None,
        "aidc_ops_gpu_models": None if models is None else dict(models),
        "aidc_ops_gpu_count": None if gpus is None else len(gpus),
        "aidc_ops_manufacturer": node.get("manufacturer"),
        "aidc_ops_product": node.get("product"),
        "aidc_ops_serial": node.get("serial"),
        "aidc_ops_collected_at": record.get("collected_at"),
    }
    topology = record.get("topology") or {}
    places = {place: topology.get(place) for place in PLACES}
    places["leaf"] = places["leaf"] or lldp.leaf(topology.get("lldp_neighbors"))
    # What nobody knows is not set, so that the variables of groups count.
    variables.update({f"aidc_ops_{place}": value for place, value in places.items() if value is not None})
    variables.update({f"aidc_ops_{key}": value for key, value in planned.items()})
    return variables


def group_names(variables: t.Mapping[str, t.Any], group_by: t.Sequence[str]) -> list[str]:
    """The groups of a host with these variables."""
    names = []
    for key in group_by:
        value = variables.get("aidc_ops_gpu_model" if key == "model" else _GROUPS[key])
        if isinstance(value, str) and value:
            names.append(f"{key}_{_short(value) if key == 'model' else value}")
    return names


def _short(model: str) -> str:
    try:
        return short_model(model)
    except ValueError:
        return model
