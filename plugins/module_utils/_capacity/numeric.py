# The two libraries of the exact planner; None where one is not installed.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module is imported where they are missing too, so that the message can say what to install."""

from __future__ import annotations

import typing as t

HAS_NUMPY = True
HAS_HIGHSPY = True

try:
    import numpy as np
except ImportError:
    HAS_NUMPY = False
    np = None  # type: ignore[assignment, unused-ignore]

try:
    import highspy  # pylint: disable=unused-import
except ImportError:
    HAS_HIGHSPY = False
    highspy = None  # type: ignore[assignment, unused-ignore]

if t.TYPE_CHECKING:
    from numpy.typing import NDArray

    Whole = NDArray[np.int64]
    Real = NDArray[np.float64]
    Flags = NDArray[np.bool_]
