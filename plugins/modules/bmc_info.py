#!/usr/bin/python
# Module: reports a server as its BMC sees it.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bmc_info
version_added: 0.1.0
short_description: Report a server as its BMC sees it
description:
  - Asks the baseboard management controller (BMC) of a server for the server itself, its chassis, power supplies, fans,
    temperatures, firmware and event log.
  - Uses Redfish, and IPMI where Redfish is not to be had. It works with the server switched off.
  - Without O(address) it asks the BMC of the node on which it runs, in band through C(/dev/ipmi0).
  - What a BMC does not tell is null; a list that it gives and that is empty is C([]).
  - A resource that cannot be read is an entry in RV(problems) and does not hide the others. Only a BMC that cannot be
    read at all is an error.
author:
  - aidc.ops contributors (!UNKNOWN)
extends_documentation_fragment:
  - aidc.ops._attributes
  - aidc.ops._attributes.info
requirements:
  - sushy 5.3 or newer, where the module runs, for Redfish
  - ipmitool, where the module runs, for IPMI
options:
  address:
    description:
      - Name or IP address of the BMC.
      - Without it the BMC of the node itself is asked, in band and through IPMI; this needs root.
    type: str
  protocol:
    description:
      - V(auto) asks through Redfish, and through IPMI if nobody answers there or sushy is not installed. A certificate
        that is not trusted and credentials that are refused are errors, not reasons to try IPMI.
      - V(redfish) and V(ipmi) allow one protocol only. IPMI has no certificates, so whoever can suppress the answer of
        a BMC could lure V(auto) into it; V(redfish) is safe from that.
    type: str
    choices: [auto, redfish, ipmi]
    default: auto
  port:
    description: Port of the Redfish service; that of HTTPS by default.
    type: int
  username:
    description: User of the BMC. Without it nobody logs in, which few BMCs permit.
    type: str
  password:
    description:
      - Password of that user.
      - Without it, that in the environment variable E(AIDC_OPS_BMC_PASSWORD) is taken.
    type: str
  validate_certs:
    description: Whether the certificate of the Redfish service has to be trusted.
    type: bool
    default: true
  ca_path:
    description:
      - File or directory with the certificates of the authorities that are trusted.
      - By default those of the system.
    type: path
  timeout:
    description:
      - Seconds that the reading may take. One request gets a third of them.
      - With O(protocol=auto) each protocol gets as many.
    type: int
    default: 120
  parts:
    description: What to read.
    type: list
    elements: str
    choices: [system, chassis, power, thermal, firmware, events, bmc]
    default: [system, chassis, power, thermal, firmware, events, bmc]
  max_events:
    description: How many events are returned at most, the newest ones.
    type: int
    default: 500
  ipmi_port:
    description: Port of IPMI; 623 by default.
    type: int
  ipmi_privilege:
    description:
      - Privilege level of the IPMI session. The user must have at least this one.
      - The address of the BMC needs V(operator) on many BMCs, the rest only V(user).
    type: str
    choices: [user, operator, administrator]
    default: operator
  ipmi_cipher_suite:
    description:
      - Number of the cipher suite of the IPMI session.
      - By default 17 (SHA-256) is tried, and 3 (SHA-1) if the BMC does not have that.
    type: int
notes:
  - Redfish sessions are closed at the end, and a refused password is sent once only, because BMCs lock accounts.
seealso:
  - plugin: aidc.ops.redfish
    plugin_type: inventory
  - module: aidc.ops.gpu_info
"""

EXAMPLES = r"""
- name: Read a server through its BMC, from the control node
  aidc.ops.bmc_info:
    address: bmc-gpu1.example.com
    username: "{{ bmc_username }}"
    password: "{{ bmc_password }}"
    ca_path: /etc/ssl/bmc-ca.pem
  delegate_to: localhost
  register: bmc

- name: Stop if a power supply is not well
  ansible.builtin.assert:
    that:
      - bmc.problems | length == 0
      - bmc.power_supplies | rejectattr('state', 'eq', 'ok') | length == 0

- name: Read the BMC of each node in band, without any credentials
  aidc.ops.bmc_info:
    parts: [system, bmc]
  become: true

- name: Read the event log of an old BMC that has IPMI only
  aidc.ops.bmc_info:
    address: bmc-store1.example.com
    username: "{{ bmc_username }}"
    password: "{{ bmc_password }}"
    protocol: ipmi
    parts: [events]
    max_events: 20
  delegate_to: localhost
"""

RETURN = r"""
protocol:
  description: Through which protocol the answer came, V(redfish) or V(ipmi).
  returned: success
  type: str
system:
  description: The server; null if it was not asked for or cannot be read.
  returned: success
  type: dict
  contains:
    id: {description: Name of the system in Redfish., type: str}
    node_id:
      description: Stable identity of the node as in M(aidc.ops.node_identity_info).
      type: str
      sample: dmi:SN0042
    node_id_source: {description: Where the identity comes from., type: str, sample: dmi}
    manufacturer: {description: Manufacturer., type: str}
    product: {description: Name of the product., type: str}
    serial: {description: Serial number., type: str}
    uuid: {description: UUID., type: str}
    part_number: {description: Part number., type: str}
    asset_tag: {description: Asset tag that the owner set., type: str}
    hostname: {description: Name that the operating system told the BMC., type: str}
    power_state: {description: 'V(on), V(off), V(poweringon), V(poweringoff) or V(paused).', type: str}
    health: {description: 'V(ok), V(warning) or V(critical).', type: str}
    bios_version: {description: Version of the BIOS., type: str}
    memory_total_bytes: {description: Main memory., type: int}
    cpu_model: {description: Model of the processors., type: str}
    cpu_count: {description: Number of processors (sockets)., type: int}
    cpu_cores: {description: Cores of all processors., type: int}
    cpu_threads: {description: Threads of all processors., type: int}
    gpus:
      description: The GPUs that the BMC lists as processors; null where it lists no processors at all.
      type: list
      elements: dict
      contains:
        name: {description: Name of the GPU in the BMC., type: str}
        model: {description: Name of the product., type: str}
        manufacturer: {description: Manufacturer., type: str}
        serial: {description: Serial number., type: str}
        part_number: {description: Part number., type: str}
        uuid: {description: UUID., type: str}
        firmware: {description: Version of its firmware., type: str}
        memory_total_bytes: {description: Its own memory., type: int}
        state: {description: 'V(ok), V(warning), V(critical) or V(absent).', type: str}
chassis:
  description: The chassis that the BMC knows.
  returned: success
  type: list
  elements: dict
  contains:
    id: {description: Name of the chassis in the BMC., type: str}
    type: {description: Kind of chassis., type: str, sample: RackMount}
    manufacturer: {description: Manufacturer., type: str}
    model: {description: Model., type: str}
    serial: {description: Serial number., type: str}
    part_number: {description: Part number., type: str}
    asset_tag: {description: Asset tag that the owner set., type: str}
    state: {description: 'V(ok), V(warning), V(critical) or V(absent).', type: str}
power_supplies:
  description: The power supplies.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: Name., type: str}
    model: {description: Model., type: str}
    serial: {description: Serial number., type: str}
    firmware: {description: Version of its firmware., type: str}
    capacity_watts: {description: Power that it can give., type: float}
    input_watts: {description: Power that it takes., type: float}
    output_watts: {description: Power that it gives., type: float}
    state: {description: 'V(ok), V(warning), V(critical) or V(absent).', type: str}
fans:
  description: The fans.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: Name., type: str}
    rpm: {description: Turns per minute., type: int}
    percent: {description: Speed in percent of the highest., type: float}
    state: {description: 'V(ok), V(warning), V(critical) or V(absent).', type: str}
temperatures:
  description: The temperature sensors.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: Name., type: str}
    celsius: {description: Temperature., type: float}
    upper_critical_celsius: {description: Temperature from which on it is critical., type: float}
    state: {description: 'V(ok), V(warning), V(critical) or V(absent).', type: str}
firmware:
  description: The firmware inventory.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: What the firmware belongs to., type: str}
    version: {description: Version., type: str}
    updateable: {description: Whether the BMC can update it., type: bool}
events:
  description: The newest entries of the event logs, oldest first.
  returned: success
  type: list
  elements: dict
  contains:
    id: {description: Log and number of the entry., type: str, sample: SEL/12}
    time: {description: Time in UTC., type: str, sample: '2026-11-21T12:00:00Z'}
    severity: {description: 'V(ok), V(warning) or V(critical).', type: str}
    message: {description: What happened., type: str}
    sensor: {description: Sensor or part that it is about., type: str}
bmc:
  description: The BMC itself.
  returned: success
  type: dict
  contains:
    address: {description: Address of the BMC., type: str}
    mac: {description: MAC address., type: str}
    manufacturer: {description: Manufacturer., type: str}
    model: {description: Model., type: str}
    firmware: {description: Version of its firmware., type: str}
    protocol: {description: V(redfish) or V(ipmi)., type: str}
problems:
  description: What could not be read.
  returned: success
  type: list
  elements: dict
  contains:
    part: {description: Part that misses something., type: str}
    device: {description: Resource or command; null where it is the whole part., type: str}
    message: {description: Why., type: str}
"""

import re

from ansible.module_utils.basic import AnsibleModule, env_fallback

from ansible_collections.aidc.ops.plugins.module_utils._hardware.bmc_errors import BmcError
from ansible_collections.aidc.ops.plugins.module_utils._hardware.bmc_parts import PARTS
from ansible_collections.aidc.ops.plugins.module_utils._hardware.bmc_reader import (
    MAX_EVENTS,
    Request,
    read_bmc_bounded,
)
from ansible_collections.aidc.ops.plugins.module_utils._runner import run

SPEC = {
    "address": {"type": "str"},
    "protocol": {"type": "str", "choices": ["auto", "redfish", "ipmi"], "default": "auto"},
    "port": {"type": "int"},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True, "fallback": (env_fallback, ["AIDC_OPS_BMC_PASSWORD"])},
    "validate_certs": {"type": "bool", "default": True},
    "ca_path": {"type": "path"},
    "timeout": {"type": "int", "default": 120},
    "parts": {"type": "list", "elements": "str", "choices": list(PARTS), "default": list(PARTS)},
    "max_events": {"type": "int", "default": MAX_EVENTS},
    "ipmi_port": {"type": "int"},
    "ipmi_privilege": {"type": "str", "choices": ["user", "operator", "administrator"], "default": "operator"},
    "ipmi_cipher_suite": {"type": "int"},
}

# An argument that begins with a dash would be an option of ipmitool.
_ADDRESS = re.compile(r"^(?:[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?\.?|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]+)\Z")


def mistake(params: dict[str, object]) -> str | None:
    """Return what cannot be meant by these options, None if they make sense."""
    for name in ("timeout", "max_events"):
        value = params[name]
        if isinstance(value, int) and value < 1:
            return f"{name} must be at least 1, not {value}"
    for name in ("port", "ipmi_port"):
        value = params[name]
        if isinstance(value, int) and not 0 < value < 65536:
            return f"{name} must be a port number, not {value}"
    if not params["parts"]:
        return "parts must name at least one part"
    address = str(params["address"] or "")
    if params["address"] is not None and not _ADDRESS.match(address):
        return f"address must be a name or an IP address without port and path, not {address[:100]!r}"
    if params["address"] is None and params["protocol"] == "redfish":
        return "Redfish needs an address: in band there is only IPMI"
    return None


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    wrong = mistake(module.params)
    if wrong:
        module.fail_json(msg=wrong)
    try:
        answer = read_bmc_bounded(Request(**module.params), run)
    except BmcError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=False, **answer)


if __name__ == "__main__":
    main()
