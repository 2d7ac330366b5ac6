#!/usr/bin/python
# Module: reports who a node is and which of its boots is running.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_identity_info
version_added: 0.1.0
short_description: Report the stable identity and the boot identity of a node
description:
  - The stable identity is the DMI serial number of the product where the firmware has a usable one, else the machine
    id. It tells whether a name in the inventory still means the same machine.
  - The boot identity is the boot id of the kernel together with the start time of process 1 in clock ticks. It tells
    whether the node has rebooted, in a container too.
author:
  - aidc.ops contributors (!UNKNOWN)
extends_documentation_fragment:
  - aidc.ops._attributes
  - aidc.ops._attributes.info
options:
  root:
    description:
      - Directory in front of C(/sys/class/dmi), for nodes whose hardware tree is mounted elsewhere.
      - The boot identity is always read from the running kernel's own C(/proc).
    type: path
    default: /
seealso:
  - module: aidc.ops.node_reboot
"""

EXAMPLES = r"""
- name: Remember the boot before maintenance
  aidc.ops.node_identity_info:
  become: true
  register: identity
"""

RETURN = r"""
node_id:
  description: Stable identity.
  returned: success
  type: str
  sample: dmi:SN0042
node_id_source:
  description: Where the stable identity comes from, V(dmi) or V(machine-id).
  returned: success
  type: str
boot_identity:
  description: Boot id of the kernel and start time of process 1 in clock ticks.
  returned: success
  type: str
  sample: 9d2bbf7a-7e5b-4a0f-8fbc-3f6d0f2d4a11:1234
boot_id:
  description: Boot id of the kernel alone.
  returned: success
  type: str
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils._hardware.identity import current_boot_identity, node_identity


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as handle:
        return handle.read()


def _read_optional(path: str) -> str | None:
    try:
        return _read(path)
    except OSError:
        return None


def main() -> None:
    module = AnsibleModule(argument_spec={"root": {"type": "path", "default": "/"}}, supports_check_mode=True)
    serial = _read_optional(os.path.join(module.params["root"], "sys/class/dmi/id/product_serial"))
    try:
        node_id, source = node_identity(serial, _read_optional("/etc/machine-id"))
        boot = current_boot_identity(_read)
    except (OSError, ValueError) as exc:
        module.fail_json(msg=f"the node cannot be identified: {exc} (reading the DMI serial number needs root)")
    module.exit_json(
        changed=False, node_id=node_id, node_id_source=source, boot_identity=boot, boot_id=boot.partition(":")[0]
    )


if __name__ == "__main__":
    main()
