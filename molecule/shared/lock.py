# Lets two scenarios that start at the same time do a thing once, one after the other.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks between processes, kept as empty files in the lab's cache folder; the kernel frees one whose owner dies."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(cache: Path, name: str) -> Iterator[None]:
    """Hold the lock of that name; waits for as long as another process has it."""
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / f"{name}.lock", "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
