# Tests of options that several plugins of the controller have in common.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.plugin_utils._options import file_mode


@pytest.mark.parametrize(("value", "mode"), [("0644", 0o644), ("640", 0o640), (0o600, 0o600), ("0", 0)])
def test_modes(value: Any, mode: int) -> None:
    assert file_mode(value) == mode


@pytest.mark.parametrize("value", ["u=rw", "0o999", "", None, -1, "01777", "-1", [], "{{ x }}"])
def test_what_is_no_mode_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="octal number in quotes"):
        file_mode(value)
