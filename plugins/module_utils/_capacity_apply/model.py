# What applying a plan is made of: the policy, a change, what is not done, and the whole difference.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.aidc.ops.plugins.module_utils._errors import AidcOpsError

SHOWN = 5
"""How many names a sentence shows."""

# Kinds in the order in which they are made: first what adds capacity, or opens it; last what takes it away.
#
# A node that goes from one project to another is opened to everybody before it is closed to all others, so a project
# may use, at each moment, all nodes that it had or all nodes that it gets. Two reservations never meet on a node.
ORDER = (
    "power_up",
    "untaint",
    "widen_partition",
    "raise_limit",
    "raise_qos_limit",
    "narrow_reservation",
    "end_reservation",
    "weight",
    "feature",
    "label",
    "reservation",
    "release",
    "forget",
    "lower_nice",
    "lower_requests",
    "scale_up",
    "relabel",
    "unlabel",
    "unfeature",
    "scale_down",
    "lower_limit",
    "lower_qos_limit",
    "share",
    "taint",
    "narrow_partition",
    "raise_nice",
    "raise_requests",
    "priority",
    "hold",
    "requeue",
    "power_down",
)

# Kinds that take nodes from somebody who could use them: all of them count for the policy's most_out.
GOING = frozenset({"taint", "narrow_partition", "requeue", "power_down"})

# Kinds whose end is not seen at once: the scheduler begins them, and they take their time.
SLOW = frozenset({"power_up", "requeue", "power_down", "end_reservation"})


class ApplyError(AidcOpsError):
    """The plan cannot be applied; the message says why and what to do."""


class StaleError(ApplyError):
    """The plan was made for another fleet. ``differences`` says where, a sentence each."""

    def __init__(self, differences: t.Sequence[str]) -> None:
        more = f"; and {len(differences) - SHOWN} more" if len(differences) > SHOWN else ""
        super().__init__(
            "The plan was made for another fleet, so nothing is changed; read the fleet again and make a new plan. "
            + "; ".join(differences[:SHOWN])
            + more
        )
        self.differences = list(differences)


@dataclass(frozen=True)
class ApplyPolicy:
    """What may be done. ``most_out``: nodes that may go in one run.

    ``partitions`` and ``qos``: project -> name of what is its own in Slurm.
    """

    hold: bool = False
    requeue: bool = False
    power_off: bool = False
    shares: bool = False
    order: bool = False
    features: bool = False
    dedicated: bool = False
    scale: bool = False
    priority: bool = False
    requests: bool = False
    partitions: t.Mapping[str, str] = field(default_factory=dict)
    qos: t.Mapping[str, str] = field(default_factory=dict)
    most_out: int = 20


@dataclass(frozen=True)
class Change:
    """One change. ``names`` are the nodes, the job or the workload; ``value`` is what it is set to.

    ``out`` are the nodes that go by it. ``comment`` is what the comment of the job becomes that gets another nice.
    ``thing``, ``before``, ``after`` and ``why`` are for people.
    """

    kind: str
    thing: str
    before: str
    after: str
    why: str
    names: tuple[str, ...]
    value: str = ""
    out: tuple[str, ...] = ()
    comment: str = ""

    def as_dict(self) -> dict[str, str]:
        """As the module returns it."""
        return {"kind": self.kind, "thing": self.thing, "before": self.before, "after": self.after, "why": self.why}


@dataclass(frozen=True)
class NotDone:
    """A change that the plan asks for and that is not made."""

    kind: str
    thing: str
    why: str

    def as_dict(self) -> dict[str, str]:
        """As the module returns it."""
        return {"kind": self.kind, "thing": self.thing, "why": self.why}


@dataclass
class Difference:
    """Changes in the order in which they have to be made, what is not done, and what there is to know."""

    changes: list[Change] = field(default_factory=list)
    refused: list[NotDone] = field(default_factory=list)
    later: list[NotDone] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def some(names: t.Iterable[str]) -> str:
    """A few names as text, and how many more there are."""
    ordered = sorted(names)
    more = f" and {len(ordered) - SHOWN} more" if len(ordered) > SHOWN else ""
    return ", ".join(ordered[:SHOWN]) + more
