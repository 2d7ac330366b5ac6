# The Grafana dashboards of this collection; tools/dashboards.py writes them.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One module for each page, in the order of a day: the fleet, what it is made of, who uses it, who repairs it."""

from __future__ import annotations

from . import (
    capacity,
    energy,
    fabric,
    fleet,
    gpu_health,
    gpu_node,
    jobs,
    kubernetes,
    remediation,
    runs,
    storage,
)

PAGES = {
    "fleet": fleet.page,
    "gpu_node": gpu_node.page,
    "gpu_health": gpu_health.page,
    "kubernetes": kubernetes.page,
    "fabric": fabric.page,
    "storage": storage.page,
    "jobs": jobs.page,
    "capacity": capacity.page,
    "energy": energy.page,
    "remediation": remediation.page,
    "runs": runs.page,
}
"""Name of the file to the function that makes the page."""
