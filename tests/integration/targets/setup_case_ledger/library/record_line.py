#!/usr/bin/python
# A module for tests only: records one kernel line about a node, as the event source does.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils._cases.ledger import Ledger
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import Signal
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import load_settings
from ansible_collections.aidc.ops.plugins.module_utils._faults import recognise_line


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "config": {"type": "path", "required": True},
            "node": {"type": "str", "required": True},
            "line": {"type": "str", "required": True},
        }
    )
    settings = load_settings(module.params["config"])
    now = time.time()
    signal = Signal(
        lane="kernel",
        node=module.params["node"],
        boot="test:1",
        observed_at=now,
        dedup_key=str(now),
        text=module.params["line"],
        recognition=recognise_line(module.params["line"]),
    )
    result = Ledger(settings.ledger).record([signal], None, settings)
    module.exit_json(changed=True, case_ids=list(result.new_case_ids))


if __name__ == "__main__":
    main()
