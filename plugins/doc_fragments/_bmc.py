# Documentation of the options that say where a BMC is and how it lets us in, for modules that act through it.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The argument spec is module_utils/_repair/bmc_options.py and the two have to agree.

    A module documents its C(address) and its C(ipmi_privilege) itself, because they differ. This file is private to the
    collection and may change in any release.
    """

    DOCUMENTATION = r"""
requirements:
  - sushy 5.3 or newer, where the module runs, for Redfish
  - ipmitool, where the module runs, for IPMI
options:
  protocol:
    description:
      - V(auto) uses Redfish, and IPMI if nobody answers there or sushy is not installed. A certificate that is not
        trusted and credentials that are refused are errors, not reasons to try IPMI.
      - V(redfish) and V(ipmi) allow one protocol only.
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
  request_timeout:
    description: Seconds that one request to the BMC may take.
    type: int
    default: 20
  ipmi_port:
    description: Port of IPMI; 623 by default.
    type: int
  ipmi_cipher_suite:
    description:
      - Number of the cipher suite of the IPMI session.
      - By default 17 (SHA-256) is tried, and 3 (SHA-1) if the BMC does not have that.
    type: int
notes:
  - A request that changes something is sent once. If nobody answers it, the module fails and says that its outcome is
    not known.
"""
