#!/usr/bin/python
# Module: gives a workload more replicas, within a limit, once per attempt.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: engine_scale
version_added: 0.1.0
short_description: Give a workload more replicas, within a limit, at most once per attempt
description:
  - Asks the scheduler to run more replicas of a workload, so that what a lost node served is served elsewhere. It never
    asks for more than O(limit), and never for fewer than there are.
  - Safe to repeat after the caller was killed at any point. A marker in O(state_dir) remembers the attempt O(token); a
    repetition asks for nothing.
author:
  - aidc.ops contributors (!UNKNOWN)
extends_documentation_fragment:
  - aidc.ops._attributes
  - aidc.ops._controller
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  workload:
    description:
      - The workload, as its engine names it. For Kubernetes that is C(namespace/kind/name), for Slurm the number of a
        job array.
      - That of another engine than the default begins with the name of the engine and a colon.
    type: str
    required: true
  by:
    description: How many replicas more.
    type: int
    default: 1
  limit:
    description: How many it may have at most.
    type: int
    required: true
  token:
    description: Name of the attempt. A new attempt needs a new name.
    type: str
    required: true
  state_dir:
    description: Directory of the markers, on the control node.
    type: path
    default: /var/lib/aidc_ops/attempts
seealso:
  - module: aidc.ops.engine_node
"""

EXAMPLES = r"""
- name: Run two more replicas of an inference service, up to twelve
  aidc.ops.engine_scale:
    workload: models/deployment/chat
    by: 2
    limit: 12
    token: aidc.ops:17:scale_out:41
  delegate_to: localhost
"""

RETURN = r"""
replicas:
  description: How many the workload asks for now (in check mode, would); null if an earlier call did not get to know.
  returned: success
  type: int
in_progress:
  description: Whether an earlier call of this attempt was begun and its outcome is not known.
  returned: success
  type: bool
"""

import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils._cases import console
from ansible_collections.aidc.ops.plugins.module_utils._engines import open_engines
from ansible_collections.aidc.ops.plugins.module_utils._errors import AidcOpsError
from ansible_collections.aidc.ops.plugins.module_utils._hardware import attempts


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **console.CONFIG_OPTION,
            "workload": {"type": "str", "required": True},
            "by": {"type": "int", "default": 1},
            "limit": {"type": "int", "required": True},
            "token": {"type": "str", "required": True, "no_log": False},
            "state_dir": {"type": "path", "default": "/var/lib/aidc_ops/attempts"},
        },
        supports_check_mode=True,
    )
    params = module.params
    if params["by"] < 1 or params["limit"] < 1:
        module.fail_json(msg="by and limit have to be whole numbers from 1 on")
    begun = False
    try:
        path = attempts.marker_path(params["state_dir"], "scale_out", params["token"])
        marker = attempts.read(path)
        if marker is not None:
            known = marker.get("replicas")
            module.exit_json(changed=False, replicas=known, in_progress=known is None)
        engine = open_engines(console.settings_of(params["config"]), dry_run=module.check_mode)
        if not module.check_mode:
            content = {"token": params["token"], "workload": params["workload"], "started_at": time.time()}
            begun = attempts.begin(path, content)
            if not begun:
                module.exit_json(changed=False, replicas=None, in_progress=True)
        replicas = engine.scale_out(params["workload"], params["by"], params["limit"])
        if begun:
            attempts.finish(path, {**content, "replicas": replicas})
    except (AidcOpsError, attempts.AttemptError) as error:
        module.fail_json(msg=f"{params['workload']} was not given more replicas: {error}")
    module.exit_json(changed=True, replicas=replicas, in_progress=False)


if __name__ == "__main__":
    main()
