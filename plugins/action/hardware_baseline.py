# Action: compares the hardware record of a node with the baseline that the controller keeps.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in Ansible itself: the record is there already, and no process has to be started for each node."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.aidc.ops.plugins.plugin_utils import _baseline_store as store
from ansible_collections.aidc.ops.plugins.plugin_utils._options import file_mode


class ActionModule(ActionBase):
    """See plugins/modules/hardware_baseline.py for the options and what is returned."""

    _requires_connection = False
    _supports_async = False
    _supports_check_mode = True

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        _result, options = self.validate_argument_spec(
            argument_spec={
                "record": {"type": "dict", "required": True},
                "dir": {"type": "path", "required": True},
                "name": {"type": "str", "required": True},
                "mode": {"type": "raw", "default": "0644"},
                "accept": {"type": "bool", "default": False},
                "replace": {"type": "bool", "default": False},
                "own_maximum": {"type": "bool", "default": True},
            }
        )
        try:
            wanted = store.Wanted(
                options["record"],
                options["dir"],
                options["name"],
                file_mode(options["mode"]),
                options["accept"],
                options["replace"],
                options["own_maximum"],
            )
            result.update(store.compare(wanted, self._task.check_mode))
        except (store.BaselineError, ValueError) as exc:
            # An exception would end the host even where the play says that it goes on.
            result.update(failed=True, msg=str(exc))
        return result
