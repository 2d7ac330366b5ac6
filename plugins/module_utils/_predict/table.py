# All numbers of all devices at all times, with what became of them: what a model learns from and is judged by.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.aidc.ops.plugins.module_utils._errors import PredictionError

from . import features
from .series import Device


def numpy() -> t.Any:
    """The library, or a PredictionError that says how to get it."""
    try:
        import numpy as library
    except ImportError as exc:
        raise PredictionError(
            "training needs scikit-learn, which is not installed for this interpreter; install scikit-learn with pip,"
            " or score with a model that was trained elsewhere, which needs nothing"
        ) from exc
    return library


@dataclass(frozen=True)
class Table:
    """Rows in the order of time: *numbers* (rows by features, single precision), and for each row the place of its
    *device*, its *moment*, and whether the device *fails* within the horizon. Arrays of numpy.
    """

    numbers: t.Any
    device: t.Any
    moment: t.Any
    fails: t.Any

    def between(self, begin: float, end: float) -> t.Any:
        """A mask of the rows from *begin* up to, and without, *end*."""
        return (self.moment >= begin) & (self.moment < end)


def moments(begin: float, end: float, step: float) -> list[float]:
    return [begin + number * step for number in range(int((end - begin) / step) + 1)]


def build(devices: t.Sequence[Device], measures: t.Sequence[str], when: t.Sequence[float], horizon: float) -> Table:
    """One row for each device at each time at which it is watched and has not failed."""
    np = numpy()
    width = len(features.names(measures))
    parts, places, times, fails = [], [], [], []
    for moment in when:
        peers = features.medians(devices, measures, moment)
        here = [
            place
            for place, device in enumerate(devices)
            if device.begin <= moment <= device.end and (device.failed_at is None or moment < device.failed_at)
        ]
        if here:
            rows = [features.row(devices[place], measures, moment, peers) for place in here]
            parts.append(np.asarray(rows, dtype=np.float32))
        places += here
        times += [moment] * len(here)
        fails += [devices[place].fails_within(moment, horizon) for place in here]
    numbers = np.concatenate(parts) if parts else np.zeros((0, width), dtype=np.float32)
    return Table(numbers, np.asarray(places, dtype=np.int64), np.asarray(times), np.asarray(fails, dtype=bool))
