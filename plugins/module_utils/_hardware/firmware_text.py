# Tells what firmware says from what it leaves unset.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Boards are sold with "To Be Filled By O.E.M." where a value should stand: that is unknown, not a value."""

from __future__ import annotations

import re

_UNSET = re.compile(
    r"""^(
        [\W_]* | [0-]+ | (0x)?[f-]+ | 0?123456789 | 1234567890 | 03000200-0400-0500-0006-000700080009 |
        n/?a | none | null | empty | \[empty\] | invalid | default(\ string)? | unknown | undefined | oem | o\.e\.m\. |
        not\ (specified|provided|available|applicable|set|present|populated|installed) |
        (to\ be\ )?filled\ by\ o\.?e\.?m\.? | no\ (dimm|asset\ tag|module\ installed|asset\ information) |
        (system|base\ board|chassis)\ (serial\ number|manufacturer|product\ name|version) |
        (manufacturer|sernum|partnum|assettagnum|(module\ ?)?part\ ?number|serial\ ?number)[\ _]?[0-9]{0,3}
    )\Z""",
    re.IGNORECASE | re.VERBOSE,
)


def known(text: str | None) -> str | None:
    """Return the text, None if it only says that nobody set it. Bytes of no encoding alone say nothing either."""
    return None if text is None or _UNSET.match(text) else text
