# The behaviour tests of the ledger again, on PostgreSQL: what a ledger does must not depend on where it is kept.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from importlib import import_module

_UNIT = "ansible_collections.aidc.ops.tests.unit.plugins.module_utils._cases"
# Their tests take the ledger from case_site, which the fixture of this folder sends to the server.
MODULES = ("test_contain", "test_crash", "test_ledger", "test_metrics", "test_recording", "test_stepping")

# About the algorithms, and too long here: a bound in seconds for one batch, and hundreds of lives (others stay).
LONG = ("test_ten_thousand_signals_in_one_batch", "test_killed_at_every_point")

for _module in MODULES:
    for _name, _test in vars(import_module(f"{_UNIT}.{_module}")).items():
        if _name.startswith("test_") and _name not in LONG:
            globals()[f"test_{_module[5:]}_{_name[5:]}"] = _test
