# What can be wrong with a GPU driver as a whole.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class DriverBroken(Exception):
    """The driver is installed but cannot be used; the message says why and what to do."""


class ReadError(Exception):
    """The GPUs cannot be read although there should be some; the message says why and what to do."""
