# The scheduler behind one small protocol: read nodes, drain, resume; never against another owner.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError

# What the reason of every node begins with that this collection took out.
OWNER_PREFIX = "aidc.ops:"


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
    jobs: tuple[int, ...]


class Engine(Protocol):
    """What the rest of the collection may ask of a scheduler. Every method raises EngineError when it cannot know."""

    def nodes(self) -> dict[str, EngineNode]:
        """All nodes by name."""

    def drain(self, names: Sequence[str], reasons: Mapping[str, str]) -> bool:
        """Take the named nodes out of scheduling; whether any was not out for its owner already.

        ``reasons`` holds the reason of each name and begins with our owner prefix. Nodes that somebody else took out
        are left as they are; all others are drained first, then ForeignDrainError names the former.
        """

    def resume(self, name: str, owner_token: str) -> bool:
        """Give the node back if ``owner_token`` took it out; True if something was changed.

        A node that is in service already is no change. ForeignDrainError when it is out for another owner.
        """

    def evict(self, name: str, owner_token: str) -> bool:
        """End every job on a node that ``owner_token`` took out; False if none runs there. Only a forced drain does."""


class EngineOptions(Protocol):
    """The part of the settings file that says which scheduler there is and how it is reached."""

    @property
    def kind(self) -> str: ...

    @property
    def scontrol(self) -> str: ...

    @property
    def squeue(self) -> str: ...

    @property
    def timeout_seconds(self) -> float: ...


def open_engine(options: EngineOptions, dry_run: bool = False) -> Engine:
    """The scheduler that the settings name. Nothing is asked of it yet; with ``dry_run`` nothing is ever changed."""
    # Imported late: the engines themselves need what is defined above.
    from ansible_collections.aidc.ops.plugins.module_utils._engines.slurm import SlurmEngine

    if options.kind != "slurm":
        raise EngineError(f"There is no engine {options.kind!r}; known: slurm.")
    return SlurmEngine(options.scontrol, options.squeue, options.timeout_seconds, dry_run)
