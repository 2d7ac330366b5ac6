# How many replicas an inference service should have: load, forecast and limits in, a number with its reason out.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``model`` holds what is given, ``load`` makes replicas of a series, ``ahead`` of a forecast, ``decide`` weighs them
against the limits, ``options`` reads all of that from the options of a module. Pure: the time is an argument.

What the service did before is not kept here: when it was last scaled stands on the workload (``_resize.kube``), and how
its load was stands in Prometheus. So nothing is lost with the control node, and nothing has to be written to decide.
"""

from __future__ import annotations
