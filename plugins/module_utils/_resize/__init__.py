# A running workload gets another size: what differs as a quantity, in which way it is changed, and how far that got.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``quantity`` reads quantities of Kubernetes, ``containers`` reads and checks what is wished of containers, ``kube``
changes a deployment or stateful set, ``in_place`` its running pods, ``rollout`` waits, ``slurm`` changes a job or a
partition, ``outcome`` is what all of them answer. Requests go through the engines of ``_engines``.
"""

from __future__ import annotations
