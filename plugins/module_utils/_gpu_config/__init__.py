# Brings NVIDIA GPUs to the settings that are wanted: power, clocks, modes, ECC, MIG.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``wanted`` checks what is asked, ``mig_layout`` decides which MIG instances stay (both pure), ``mig`` and ``device``
talk to the driver about one GPU, ``node`` does so for all GPUs, each in a child process with a deadline.
"""

from __future__ import annotations
