# The hardware that a node of the lab pretends to have, in parts.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
