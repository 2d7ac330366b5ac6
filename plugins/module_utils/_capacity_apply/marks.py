# Marks in the administrators' comment of a Slurm job, by which we know what we did to it; other words there stay.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

_OURS = "aidc.ops:plan_"
HELD = f"{_OURS}hold"
_REQUEUED = f"{_OURS}requeue="


def has_hold(comment: str) -> bool:
    """Whether we held the job."""
    return HELD in comment.split(" ")


def with_hold(comment: str) -> str:
    """The comment that says that we held it."""
    return _joined(comment, HELD)


def with_requeue(comment: str, plan: str, restarts: int) -> str:
    """The comment that says for which plan we requeue it, and how often it had been restarted before."""
    return _joined(comment, f"{_REQUEUED}{plan}.{restarts}")


def was_requeued(comment: str, plan: str, restarts: int) -> bool:
    """Whether the job has been started again since we said that we requeue it for this plan."""
    for word in comment.split(" "):
        if word.startswith(f"{_REQUEUED}{plan}."):
            return word.rpartition(".")[2] != str(restarts)
    return False


def without(comment: str) -> str:
    """The comment as others wrote it."""
    return " ".join(word for word in comment.split(" ") if not word.startswith(_OURS))


def _joined(comment: str, mark: str) -> str:
    others = without(comment)
    return f"{others} {mark}" if others else mark
