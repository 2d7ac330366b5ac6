# Tests of the time that a BMC may take.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware.bmc_errors import Clock, PartError


def test_a_request_gets_a_third_and_never_more_than_is_left() -> None:
    now = [100.0]
    clock = Clock(30, lambda: now[0])
    assert clock.request() == 10
    now[0] = 125.0
    assert clock.request() == 5
    now[0] = 130.0
    with pytest.raises(PartError, match="time limit of 30 s") as caught:
        clock.request()
    assert caught.value.silent
    assert clock.left() == 0
