# What a decision about replicas is made of.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
import typing as t
from dataclasses import dataclass

from ansible_collections.aidc.ops.plugins.module_utils._errors import AutoscaleError

TOTAL, PER_REPLICA = "total", "per_replica"

Points = t.Sequence[t.Tuple[float, float]]
"""Pairs of time in seconds since 1970 and value, oldest first."""


@dataclass(frozen=True)
class Limits:
    """What a person allows. Times in seconds; ``target`` in the unit of the load, for one replica.

    ``measure`` says what the load is: of the whole service (``total``), or the mean of its replicas (``per_replica``).
    ``max_gpus`` and ``max_price`` (with ``price``, of one replica for an hour) None: no such limit. ``max_age``: how
    old the newest value, and how long a gap, may be. ``startup``: how long a new replica takes until it serves.
    """

    target: float
    minimum: int
    maximum: int
    measure: str = TOTAL
    tolerance: float = 0.1
    stabilisation: float = 300.0
    cooldown_up: float = 60.0
    cooldown_down: float = 300.0
    step_up: int | None = None
    step_down: int = 1
    max_age: float = 120.0
    startup: float = 0.0
    max_gpus: float | None = None
    price: float | None = None
    max_price: float | None = None

    def __post_init__(self) -> None:
        self._check_numbers()
        if self.measure not in (TOTAL, PER_REPLICA):
            raise AutoscaleError(f"measure is {self.measure!r:.40}; it has to be {TOTAL} or {PER_REPLICA}")
        if self.target <= 0:
            raise AutoscaleError(f"target is {self.target:g}; it has to be above 0, the load that one replica carries")
        if not 1 <= self.minimum <= self.maximum:
            raise AutoscaleError(
                f"minimum is {self.minimum} and maximum {self.maximum}; they have to be 1 or more, in this order"
            )
        if self.tolerance >= 1:
            raise AutoscaleError(f"tolerance is {self.tolerance:g}; it is a share of the target, below 1")
        if self.step_down < 1 or (self.step_up is not None and self.step_up < 1):
            raise AutoscaleError("step_up and step_down have to be whole numbers from 1 on")
        if self.max_age <= 0:
            raise AutoscaleError("max_age has to be above 0 seconds")
        if self.max_price is not None and not self.price:
            raise AutoscaleError("max_price is given without price, what one replica costs for an hour")

    def _check_numbers(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, float) and not math.isfinite(value):
                raise AutoscaleError(f"{name} is {value}; it has to be a finite number")
            if isinstance(value, (int, float)) and value < 0:
                raise AutoscaleError(f"{name} is {value:g}; it cannot be negative")


@dataclass(frozen=True)
class Service:
    """The service as its engine shows it. ``gpus`` of one replica; times of the last changes None where unknown.

    ``unreadable`` says which note of a last change could not be understood; "" if none.
    """

    replicas: int
    ready: int
    gpus: float
    scaled_up_at: float | None = None
    scaled_down_at: float | None = None
    unreadable: str = ""


@dataclass(frozen=True)
class Seen:
    """What was measured. ``reporting``: how many replicas the newest value is of; None if that is not known.

    ``missing``: why there is nothing; "" if there is.
    """

    points: Points = ()
    reporting: float | None = None
    missing: str = ""


@dataclass(frozen=True)
class Foreseen:
    """What is foretold for the time until new replicas serve, in the unit of the load; None if it cannot be told."""

    load: float | None
    missing: str = ""


@dataclass(frozen=True)
class Decision:
    """``replicas`` to have, and why. ``wanted``: what the load asks for, before any limit; None if it is not known."""

    action: str
    replicas: int
    reason: str
    wanted: int | None = None
    load: float | None = None
    notes: tuple[str, ...] = ()
