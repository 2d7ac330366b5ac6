# Action: writes the hardware records of a run to a fleet file on the controller.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in Ansible itself: the records are there already, and a fleet is too large to be sent to a module."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.aidc.ops.plugins.module_utils._hardware.fleet import FleetError
from ansible_collections.aidc.ops.plugins.plugin_utils import _fleet_store as store
from ansible_collections.aidc.ops.plugins.plugin_utils._options import file_mode


class ActionModule(ActionBase):
    """See plugins/modules/fleet_file.py for the options and what is returned."""

    _requires_connection = False
    _supports_async = False
    _supports_check_mode = True

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        # The validation copies what it is given, and the records are large.
        records = self._task.args.pop("records", None)
        _result, options = self.validate_argument_spec(
            argument_spec={
                "path": {"type": "path", "required": True},
                "mode": {"type": "raw", "default": "0644"},
                "latest": {"type": "path"},
                "absent": {"type": "list", "elements": "str", "default": []},
                "if_smaller": {
                    "type": "str",
                    "default": store.KEEP,
                    "choices": [store.KEEP, store.CARRY_OVER, store.REPLACE],
                },
            }
        )
        if not isinstance(records, list):
            raise AnsibleActionFail("records: required, and has to be a list of hardware records")
        try:
            wanted = store.Wanted(
                records,
                options["path"],
                file_mode(options["mode"]),
                options["latest"],
                options["absent"],
                options["if_smaller"],
            )
            if self._task.diff:
                result["diff"] = store.difference(wanted, store.keep(wanted, dry=True))
            result.update(store.keep(wanted, self._task.check_mode))
        except (store.StoreError, FleetError, ValueError) as exc:
            result.update(failed=True, msg=f"The fleet is not kept: {exc}")
        return result
