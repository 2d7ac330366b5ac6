# A simulator of BMCs: Redfish of our own, and IPMI through ipmi_sim.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""See README.md."""
