# Slurm's nodes in its own JSON, from sinfo, scontrol or slurmrestd.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape changed between releases: 22.05 has C("state": "idle", "state_flags": ["DRAIN"]) and plain numbers, later
ones have C("state": ["IDLE", "DRAIN"]) and numbers that say whether they are set.

Slurm answers with success, an empty list and an entry in C(errors) when its controller does not answer. No such answer
is ever taken for an empty cluster.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._engines import EngineNode
from ansible_collections.aidc.ops.plugins.module_utils._engines.slurm import engine_node
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError


@dataclass(frozen=True)
class SlurmNode:
    """A node with what its configuration says. ``gpus`` is type name -> count; what Slurm does not tell is None.

    ``usable_cpus`` and ``usable_memory_mib`` are without what is kept back for the system.
    """

    node: EngineNode
    partitions: tuple[str, ...]
    features: tuple[str, ...]
    gpus: dict[str, int]
    address: str | None
    hostname: str | None
    cpus: int | None
    memory_mib: int | None
    reason_by: str | None
    reason_at: int | None
    usable_cpus: int | None
    usable_memory_mib: int | None
    weight: int | None
    reservation: str


def parse(text: str) -> list[SlurmNode]:
    """The nodes in an answer, in Slurm's order. EngineError if it is cut off, malformed, or tells of an error."""
    found = [_node(node) for node in rows(text, "nodes")]
    names = [one.node.name for one in found]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) != len(names) else []
    if twice:
        raise EngineError(f"Slurm's answer has a node twice: {', '.join(twice[:5])}")
    return found


def rows(text: str, kind: str) -> list[Any]:
    """The list of that kind (nodes, jobs) in an answer. EngineError as of ``parse``."""
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise EngineError(f"Slurm's answer is no JSON ({error}); it was cut off, or is none of Slurm") from error
    if not isinstance(answer, dict):
        raise EngineError(f"Slurm's answer is no object but a {type(answer).__name__}")
    complain(answer)
    found = answer.get(kind)
    if not isinstance(found, list):
        raise EngineError(f"Slurm's answer has no list of {kind}")
    return found


def complain(answer: Mapping[str, Any]) -> None:
    """Raise EngineError if the answer tells of an error."""
    errors = answer.get("errors") or []
    if not isinstance(errors, list):
        raise EngineError("Slurm's answer is malformed: errors is no list")
    texts = []
    for error in errors:
        told = error if isinstance(error, dict) else {"error": error}
        words = [str(told[key]) for key in ("description", "error") if told.get(key)]
        texts.append(": ".join(words)[:200] or "it does not say why")
    if texts:
        raise EngineError(f"Slurm could not answer: {'; '.join(texts[:3])}")


def _node(node: Any) -> SlurmNode:
    name = node.get("name") if isinstance(node, dict) else None
    if not isinstance(name, str) or not name:
        raise EngineError(f"Slurm's answer has an entry that is no node: {str(node)[:100]!r}")
    reason = _text(node, name, "reason") or ""
    cpus, memory = _number(node, name, "cpus"), _number(node, name, "real_memory")
    # 22.05 has neither of these.
    usable_cpus = _number(node, name, "effective_cpus")
    kept_memory = _number(node, name, "specialized_memory") or 0
    return SlurmNode(
        node=engine_node(name, "+".join(_states(node, name)), reason),
        partitions=_words(node, name, "partitions"),
        features=_words(node, name, "active_features"),
        gpus=gpus(_text(node, name, "gres") or "", name),
        address=_text(node, name, "address"),
        hostname=_text(node, name, "hostname"),
        cpus=cpus,
        memory_mib=memory,
        reason_by=(_text(node, name, "reason_set_by_user") or None) if reason else None,
        # Slurm writes 0 where nobody gave a reason.
        reason_at=(_number(node, name, "reason_changed_at") or None) if reason else None,
        usable_cpus=usable_cpus or cpus,
        usable_memory_mib=None if memory is None else max(0, memory - kept_memory),
        weight=_number(node, name, "weight"),
        reservation=_text(node, name, "reservation") or "",
    )


def _malformed(name: str, key: str, value: Any) -> EngineError:
    return EngineError(f"Slurm's answer is malformed: {key} of node {name} is {str(value)[:100]!r}")


def _states(node: Mapping[str, Any], name: str) -> list[str]:
    state, flags = node.get("state"), node.get("state_flags") or []
    states = [state] if isinstance(state, str) else state
    if not isinstance(states, list) or not isinstance(flags, list):
        raise _malformed(name, "state", state)
    words = [*states, *flags]
    if not states or not all(isinstance(word, str) and word for word in words):
        raise _malformed(name, "state", words)
    return words


def _text(node: Mapping[str, Any], name: str, key: str) -> str | None:
    value = node.get(key)
    if value is not None and not isinstance(value, str):
        raise _malformed(name, key, value)
    return value


def _number(node: Mapping[str, Any], name: str, key: str) -> int | None:
    value = node.get(key)
    if isinstance(value, dict):
        value = value.get("number") if value.get("set") and not value.get("infinite") else None
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise _malformed(name, key, value)
    return value


def _words(node: Mapping[str, Any], name: str, key: str) -> tuple[str, ...]:
    """A list of words, which 22.05 writes as one text in some places."""
    value = node.get(key) or []
    words = [word for word in value.split(",") if word] if isinstance(value, str) else value
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise _malformed(name, key, value)
    return tuple(words)


def gpus(gres: str, name: str) -> dict[str, int]:
    """Type -> count of C(gpu:h100:8(S:0-1),gpu:a100:2,shard:16). A GPU without a type has the type C(gpu)."""
    found: dict[str, int] = {}
    # Commas also stand inside the brackets that name sockets.
    depth, entries = 0, [""]
    for sign in gres:
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth == 0:
            entries.append("")
        else:
            entries[-1] += sign
    for entry in entries:
        kind, *rest = entry.partition("(")[0].split(":")
        if kind != "gpu":
            continue
        count = rest.pop() if rest and rest[-1].isdecimal() else "1"
        if len(rest) > 1 or "" in rest:
            raise _malformed(name, "gres", gres)
        model = rest[0] if rest else "gpu"
        found[model] = found.get(model, 0) + int(count)
    return found
