# Waits in tests of scenarios for something outside to become true.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Part of the tests that molecule runs; they find it through pytest's ``pythonpath``."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def wait_for(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """Return the first true answer of the condition; AssertionError that names what was waited for after so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = condition()
        if answer:
            return answer
        time.sleep(0.3)
    raise AssertionError(f"not within {seconds:g} s: {what}")
