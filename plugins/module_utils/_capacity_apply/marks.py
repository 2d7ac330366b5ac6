# Marks in the administrators' comment of a Slurm job, by which we know what we did to it; other words there stay.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

_OURS = "aidc.ops:plan_"
HELD = f"{_OURS}hold"
_REQUEUED = f"{_OURS}requeue="
_NICE = f"{_OURS}nice="
_NUMBERS = re.compile(r"([0-9]{1,10})\.([0-9]{1,10})\.([0-9]{1,10})\.([0-9]{1,10})")


@dataclass(frozen=True)
class NiceMark:
    """That we changed the nice value of a job from ``before`` to ``after``.

    ``shown`` is the priority that Slurm told at that moment, and ``own`` the one that the job had without us.
    """

    before: int
    after: int
    shown: int
    own: int


def has_hold(comment: str) -> bool:
    """Whether we held the job."""
    return HELD in comment.split(" ")


def with_hold(comment: str) -> str:
    """The comment that says that we held it."""
    return _joined(without(comment), HELD)


def with_requeue(comment: str, plan: str, restarts: int) -> str:
    """The comment that says for which plan we requeue it, and how often it had been restarted before."""
    return _joined(without(comment), f"{_REQUEUED}{plan}.{restarts}")


def was_requeued(comment: str, plan: str, restarts: int) -> bool:
    """Whether the job has been started again since we said that we requeue it for this plan."""
    for word in comment.split(" "):
        if word.startswith(f"{_REQUEUED}{plan}."):
            return word.rpartition(".")[2] != str(restarts)
    return False


def without(comment: str) -> str:
    """The comment without what we said of holding and requeueing; a nice value of ours outlives both."""
    return _kept(comment, lambda word: not word.startswith(_OURS) or word.startswith(_NICE))


def nice_of(comment: str) -> NiceMark | None:
    """What we did to the nice value of the job; None for nothing."""
    for word in comment.split(" "):
        match = _NUMBERS.fullmatch(word[len(_NICE) :]) if word.startswith(_NICE) else None
        if match is not None:
            return NiceMark(*map(int, match.groups()))
    return None


def with_nice(comment: str, mark: NiceMark) -> str:
    """The comment that says what we did to the nice value of the job."""
    return _joined(without_nice(comment), f"{_NICE}{mark.before}.{mark.after}.{mark.shown}.{mark.own}")


def without_nice(comment: str) -> str:
    """The comment of a job with a nice value that is not ours."""
    return _kept(comment, lambda word: not word.startswith(_NICE))


def _kept(comment: str, which: t.Callable[[str], bool]) -> str:
    return " ".join(word for word in comment.split(" ") if which(word))


def _joined(comment: str, mark: str) -> str:
    return f"{comment} {mark}" if comment else mark
