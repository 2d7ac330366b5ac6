# Tests of values that outlive the process that found them.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import signal

from ansible_collections.aidc.ops.plugins.module_utils._hardware.kept import Kept


def test_what_a_child_kept_is_there_after_it_died() -> None:
    with Kept() as kept:
        pid = os.fork()
        if pid == 0:
            kept.add({"index": 0, "name": "é\n{{ x }}"})
            kept.add([None, 1.5])
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(pid, 0)
        assert kept.values() == [{"index": 0, "name": "é\n{{ x }}"}, [None, 1.5]]


def test_a_value_that_was_not_finished_is_left_out() -> None:
    with Kept() as kept:
        kept.add(1)
        os.write(kept._file.fileno(), b'{"index": 2, "na')
        assert kept.values() == [1]


def test_nothing_kept_and_much_kept() -> None:
    with Kept() as kept:
        assert kept.values() == []
        kept.add("x" * 3_000_000)
        kept.add(2)
        assert [len(str(value)) for value in kept.values()] == [3_000_000, 1]
