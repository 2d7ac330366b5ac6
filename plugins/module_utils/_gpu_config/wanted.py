# What is asked of GPUs, checked; pure.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
import typing as t

from .._errors import GpuConfigError

# nvmlComputeMode_t, from nvml.h; 1 was withdrawn.
COMPUTE_MODES = {"default": 0, "exclusive_process": 3, "prohibited": 2}
DEFAULT = "default"


class Wanted(t.NamedTuple):
    """None means: leave it alone."""

    persistence: bool | None = None
    ecc: bool | None = None
    mig: bool | None = None
    # Names or ids of profiles; () wants MIG without an instance.
    mig_layout: tuple[str, ...] | None = None
    compute_mode: str | None = None
    # Milliwatts, the unit of NVML, or "default".
    power_limit: int | str | None = None
    # (min, max) in MHz; () lifts the lock.
    locked_clocks: tuple[int, ...] | None = None


def _power(text: str) -> int | str:
    if text.strip().lower() == DEFAULT:
        return DEFAULT
    try:
        watts = float(text)
    except ValueError:
        watts = math.nan
    if not math.isfinite(watts) or watts <= 0:
        raise GpuConfigError(f"power_limit_watts: {text[:40]!r} is neither a number above 0 nor 'default'")
    return round(watts * 1000)


def _clocks(values: t.Sequence[int]) -> tuple[int, ...]:
    if values and (len(values) != 2 or not 0 < values[0] <= values[1]):
        raise GpuConfigError(
            f"locked_clocks_mhz: {list(values)[:4]} is not [lowest, highest] with 0 < lowest <= highest; "
            "an empty list lifts the lock"
        )
    return tuple(values)


def read_wanted(options: t.Mapping[str, t.Any]) -> Wanted:
    """Return the options of the module as Wanted; raise GpuConfigError naming the option that is wrong."""
    layout, mig = options["mig_layout"], options["mig"]
    if layout is not None:
        layout = tuple(name.strip() for name in layout)
        if mig is False:
            raise GpuConfigError("mig_layout: there are no MIG instances while mig is false; leave one of the two out")
        mig = True
    power, clocks = options["power_limit_watts"], options["locked_clocks_mhz"]
    wanted = Wanted(
        persistence=options["persistence"],
        ecc=options["ecc"],
        mig=mig,
        mig_layout=layout,
        compute_mode=options["compute_mode"],
        power_limit=None if power is None else _power(power),
        locked_clocks=None if clocks is None else _clocks(clocks),
    )
    if wanted == Wanted():
        raise GpuConfigError("nothing is asked for: set at least one of the settings")
    return wanted
