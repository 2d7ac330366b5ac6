# The scheduler behind one small protocol: read nodes, drain, resume; never against another owner.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Union

from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError

# What the reason of every node begins with that this collection took out.
OWNER_PREFIX = "aidc.ops:"

# Slurm counts its jobs; a pod of Kubernetes is "namespace/name".
JobId = Union[int, str]

KINDS = ("slurm", "kubernetes")


@dataclass(frozen=True)
class EngineNode:
    """A node as the scheduler sees it.

    ``states`` are the scheduler's own words in lower case, base state first ("idle", "drain"). ``out`` means that it
    starts no new job there; ``drained`` that it is out and runs none. ``automatic`` says that the scheduler itself
    took the node out (it does not respond), so that nobody owns that. ``jobs`` are the ids running there.
    """

    name: str
    states: tuple[str, ...]
    reason: str
    out: bool
    drained: bool
    automatic: bool
    jobs: tuple[JobId, ...]


@dataclass(frozen=True)
class EngineJob:
    """Work that runs on nodes. ``owner`` is who asked for it: a user, or a namespace where there are no users.

    ``can_requeue``: the scheduler starts it again elsewhere when it is ended by ``requeue``.
    """

    id: str
    name: str
    owner: str
    nodes: tuple[str, ...]
    can_requeue: bool


class Engine(Protocol):
    """What the rest of the collection may ask of a scheduler. Every method raises EngineError when it cannot know."""

    def nodes(self) -> dict[str, EngineNode]:
        """All nodes by name."""

    def notes(self) -> list[str]:
        """Sentences about what the last call left undone or could not know, although it did not fail."""

    def jobs(self, names: Sequence[str]) -> list[EngineJob]:
        """What runs on the named nodes, each job once, by id."""

    def drain(self, names: Sequence[str], reasons: Mapping[str, str]) -> bool:
        """Take the named nodes out of scheduling; whether any was not out for its owner already.

        ``reasons`` holds the reason of each name and begins with our owner prefix. Nodes that somebody else took out
        are left as they are; all others are drained first, then ForeignDrainError names the former.
        """

    def resume(self, name: str, owner_token: str) -> bool:
        """Give the node back if ``owner_token`` took it out; True if something was changed.

        A node that is in service already is no change. ForeignDrainError when it is out for another owner.
        """

    def evict(self, name: str, owner_token: str, force: bool = True) -> bool:
        """Take the work off a node that ``owner_token`` took out; False if there is nothing to be done about it.

        With ``force`` every job is ended, whatever it loses. Without, only such work leaves as the scheduler moves
        elsewhere without loss, and as its owners allow at this moment; the rest is awaited, see notes().
        """

    def requeue(self, job_id: str) -> bool:
        """End a job that the scheduler then starts again elsewhere; False if it is gone already."""

    def reserve(self, names: Sequence[str], owner_token: str, seconds: float) -> bool:
        """See that nobody else's job starts on the nodes for so long, whatever their state; True if that was new."""

    def unreserve(self, owner_token: str) -> bool:
        """End what ``reserve`` began for this owner; False if there is nothing to end."""

    def scale_out(self, workload: str, by: int, limit: int) -> int:
        """Let a workload have ``by`` more replicas, never more than ``limit``; how many it then asks for."""


class EngineOptions(Protocol):
    """The part of the settings file that says which scheduler there is and how it is reached."""

    @property
    def kind(self) -> str: ...

    @property
    def scontrol(self) -> str: ...

    @property
    def squeue(self) -> str: ...

    @property
    def kubeconfig(self) -> str | None: ...

    @property
    def context(self) -> str | None: ...

    @property
    def timeout_seconds(self) -> float: ...


class NodeOptions(Protocol):
    """The part of a node's settings that says which engine schedules it; None is the site's ``engine``."""

    @property
    def engine(self) -> str | None: ...


class SiteOptions(Protocol):
    """The part of the settings file that says which schedulers there are."""

    @property
    def engine(self) -> EngineOptions: ...

    @property
    def engines(self) -> Mapping[str, EngineOptions]: ...

    @property
    def nodes(self) -> Mapping[str, NodeOptions]: ...


def open_engine(options: EngineOptions, dry_run: bool = False) -> Engine:
    """The scheduler that the settings name. Nothing is asked of it yet; with ``dry_run`` nothing is ever changed."""
    # Imported late: the engines themselves need what is defined above, and nobody needs all of them.
    if options.kind == "slurm":
        from ansible_collections.aidc.ops.plugins.module_utils._engines.slurm import SlurmEngine

        return SlurmEngine(options.scontrol, options.squeue, options.timeout_seconds, dry_run)
    if options.kind == "kubernetes":
        from ansible_collections.aidc.ops.plugins.module_utils._engines.kube_api import KubeApi
        from ansible_collections.aidc.ops.plugins.module_utils._engines.kubernetes import KubernetesEngine

        return KubernetesEngine(KubeApi(options.kubeconfig, options.context, options.timeout_seconds), dry_run)
    raise EngineError(f"There is no engine {options.kind!r}; known: {', '.join(KINDS)}.")


def open_engines(settings: SiteOptions, dry_run: bool = False) -> Engine:
    """All schedulers of a site as one: each node belongs to the engine that its settings name, else to ``engine``."""
    from ansible_collections.aidc.ops.plugins.module_utils._engines.composite import CompositeEngine

    default = open_engine(settings.engine, dry_run)
    if not settings.engines:
        return default
    others = {name: open_engine(options, dry_run) for name, options in settings.engines.items()}
    chosen = {name: node.engine for name, node in settings.nodes.items() if node.engine is not None}
    return CompositeEngine(default, others, chosen)


def open_addressed(settings: SiteOptions, workload: str, dry_run: bool = False) -> tuple[Engine, str]:
    """The engine that a workload belongs to, and the workload's name there, without that of the engine."""
    from ansible_collections.aidc.ops.plugins.module_utils._engines.composite import DEFAULT, address

    engines = {DEFAULT: settings.engine, **settings.engines}
    name, rest = address(workload, engines)
    return open_engine(engines[name], dry_run), rest
