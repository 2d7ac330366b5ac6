# Documentation of the option that every module about cases has.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The settings file; the argument is in module_utils/_cases/console.py and the two have to agree."""

    DOCUMENTATION = r"""
options:
  config:
    description:
      - The settings file of the controller, as the role C(aidc.ops.remediation_controller) writes it.
      - Without it, the environment variable E(AIDC_OPS_CONFIG) names the file, and without that it is
        C(/etc/aidc_ops/controller.json).
    type: path
notes:
  - Runs on the control node, as a user that may write the ledger.
"""
