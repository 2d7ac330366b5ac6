#!/usr/bin/python
# Module: the fault catalogue as the controller uses it.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fault_class_info
version_added: 0.1.0
short_description: Read the fault catalogue of the loop
description:
  - Returns the fault classes with what a site has changed in them, and the mode in which the loop acts on each.
author:
  - aidc.ops contributors (!UNKNOWN)
extends_documentation_fragment:
  - aidc.ops._attributes
  - aidc.ops._attributes.info
  - aidc.ops._controller
options:
  names:
    description: The classes to return; all without it. An unknown one is an error.
    type: list
    elements: str
seealso:
  - module: aidc.ops.case_info
  - plugin: aidc.ops.kernel_faults
    plugin_type: filter
"""

EXAMPLES = r"""
- name: See what would be done about a GPU that fell off the bus
  aidc.ops.fault_class_info:
    names: [gpu_fell_off_bus]
  delegate_to: localhost
"""

RETURN = r"""
classes:
  description: The fault classes.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: Name of the class., type: str, sample: gpu_fell_off_bus}
    title: {description: What it is., type: str}
    severity: {description: 'C(critical), C(high), C(medium) or C(low).', type: str}
    scope: {description: 'C(device), C(node), C(rack), C(fabric) or C(service).', type: str}
    device: {description: Kind of device that is named with it; empty for the whole node., type: str}
    authority: {description: 'Who may act: C(automatic), C(approval) or C(never).', type: str}
    workflow: {description: Its steps., type: list, elements: str}
    repairs: {description: 'The ladder of repairs, weakest first.', type: list, elements: str}
    drain: {description: How it waits for jobs., type: str}
    validation: {description: What has to pass before the node returns., type: str}
    preview: {description: The steps of the way where all goes well., type: list, elements: str}
    modes:
      description: The mode of each step that passes the gate, those of the whole ladder too.
      type: dict
      sample: {cordon: observe}
    alerts: {description: Whether an alert may name it., type: bool}
    drill: {description: How it is injected on purpose., type: dict}
    description: {description: What it means., type: str}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils._cases import console
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import ACTION_OF_STEP
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import Settings
from ansible_collections.aidc.ops.plugins.module_utils._cases.workflow import preview
from ansible_collections.aidc.ops.plugins.module_utils._errors import AidcOpsError
from ansible_collections.aidc.ops.plugins.module_utils._faults import FaultClass

TEXTS = ("name", "title", "severity", "scope", "device", "authority", "drain", "validation", "alerts", "description")


def describe(fault: FaultClass, settings: Settings) -> dict[str, Any]:
    """One class as the module returns it."""
    answer = {key: getattr(fault, key) for key in TEXTS}
    steps = dict.fromkeys((*fault.workflow, *fault.repairs))
    gated = [step for step in steps if step in ACTION_OF_STEP]
    answer.update(
        workflow=list(fault.workflow),
        repairs=list(fault.repairs),
        drill=dict(fault.drill),
        preview=preview(fault),
        modes={step: settings.gate.mode(ACTION_OF_STEP[step], fault.name) for step in gated},
    )
    return answer


def main() -> None:
    module = AnsibleModule(
        argument_spec={**console.CONFIG_OPTION, "names": {"type": "list", "elements": "str"}},
        supports_check_mode=True,
    )
    try:
        settings = console.settings_of(module.params["config"])
    except AidcOpsError as error:
        module.fail_json(msg=str(error))
    classes = settings.catalogue.classes
    names = module.params["names"]
    unknown = sorted(set(names or ()) - set(classes))
    if unknown:
        module.fail_json(msg=f"names: not in the fault catalogue: {', '.join(unknown)}")
    wanted = sorted(classes) if names is None else names
    module.exit_json(changed=False, classes=[describe(classes[name], settings) for name in wanted])


if __name__ == "__main__":
    main()
