#!/usr/bin/python
# Module: reboots a node once per attempt, without waiting for it.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_reboot
version_added: 0.1.0
short_description: Reboot a node, at most once per attempt
description:
  - Starts a reboot of the node about one second later and returns at once. Waiting for the node is the caller's
    business.
  - Safe to repeat after the caller was killed at any point. If the running boot is not O(boot_before) the reboot has
    happened; if a
    marker of the attempt O(token) is on the node, the reboot was already started. In both cases nothing is done.
author:
  - aidc.ops contributors (!UNKNOWN)
extends_documentation_fragment:
  - aidc.ops._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
requirements:
  - systemd on the node
options:
  token:
    description: Name of the attempt. A new attempt needs a new name.
    type: str
    required: true
  boot_before:
    description:
      - Boot identity that the reboot shall end, as RV(aidc.ops.node_identity_info#module:boot_identity) reports it.
    type: str
    required: true
  state_dir:
    description: Directory of the markers. It must survive a reboot.
    type: path
    default: /var/lib/aidc_ops/attempts
seealso:
  - module: aidc.ops.node_identity_info
"""

EXAMPLES = r"""
- name: Reboot the node
  aidc.ops.node_reboot:
    token: aidc.ops:17:reboot:1
    boot_before: "{{ identity.boot_identity }}"
  become: true
"""

RETURN = r"""
rebooted:
  description: Whether the node has left the boot O(boot_before).
  returned: success
  type: bool
in_progress:
  description: Whether the reboot of this attempt was started and the node is still in the boot O(boot_before).
  returned: success
  type: bool
boot_identity:
  description: Identity of the running boot.
  returned: success
  type: str
started_at:
  description:
    - When the reboot of this attempt was started, in seconds since 1970 by the node's clock; null if it was not.
  returned: success
  type: float
"""

import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils._hardware import attempts
from ansible_collections.aidc.ops.plugins.module_utils._hardware.identity import BOOT_IDENTITY, current_boot_identity


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as handle:
        return handle.read()


def _start_reboot(module: AnsibleModule) -> tuple[int, str]:
    """Ask systemd for a reboot in a second, so that this module's answer still gets out.

    Return (exit status, error text).
    """
    # Without AccuracySec systemd may round the time up by a minute.
    status, _out, error = module.run_command(
        ["systemd-run", "--collect", "--on-active=1", "--timer-property=AccuracySec=100ms", "systemctl", "reboot"],
        check_rc=False,
    )
    return status, error.strip()


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "token": {"type": "str", "required": True, "no_log": False},
            "boot_before": {"type": "str", "required": True},
            "state_dir": {"type": "path", "default": "/var/lib/aidc_ops/attempts"},
        },
        supports_check_mode=True,
    )
    boot_before = module.params["boot_before"]
    # A malformed identity would differ from every boot, and so claim a reboot that never was.
    if not BOOT_IDENTITY.match(boot_before):
        module.fail_json(
            msg=f"boot_before is not a boot identity as aidc.ops.node_identity_info reports it: {boot_before!r}"
        )
    try:
        path = attempts.marker_path(module.params["state_dir"], "reboot", module.params["token"])
        boot = current_boot_identity(_read)
        marker = attempts.read(path)
        started_at = (marker or {}).get("started_at")
        if boot != boot_before:
            module.exit_json(changed=False, rebooted=True, in_progress=False, boot_identity=boot, started_at=started_at)
        if marker is not None:
            module.exit_json(changed=False, rebooted=False, in_progress=True, boot_identity=boot, started_at=started_at)
        if module.check_mode:
            module.exit_json(changed=True, rebooted=False, in_progress=False, boot_identity=boot, started_at=None)
        started_at = time.time()
        mine = attempts.begin(path, {"token": module.params["token"], "boot_before": boot, "started_at": started_at})
        if mine:
            status, error = _start_reboot(module)
            if status != 0:
                attempts.withdraw(path)
                module.fail_json(msg=f"systemd refused to schedule the reboot (exit status {status}): {error}")
    except (attempts.AttemptError, OSError, ValueError) as exc:
        module.fail_json(msg=f"the node was not rebooted: {exc}")
    module.exit_json(changed=mine, rebooted=False, in_progress=True, boot_identity=boot, started_at=started_at)


if __name__ == "__main__":
    main()
