# Finds the GPUs that have to be reset together because NVLink joins them.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: the answer of the module gpu_info in, device identities out. A link that is down still joins its two ends."""

from __future__ import annotations

import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._hardware.pci import device_from_address


def nvlink_group(gpus: t.Sequence[t.Mapping[str, t.Any]], device: str) -> list[str]:
    """Return the devices of the GPU's NVLink group, in the order of the node; only C(device) if it has no NVLink.

    With switches all GPUs that have links are one group. Without, it is those that a chain of links joins; a GPU whose
    links do not say where they lead, or that tells nothing any more, may be joined to any other.
    """
    links = {str(gpu["device"]): gpu.get("nvlinks") for gpu in gpus if gpu.get("device")}
    able = [name for name, found in links.items() if found or found is None]
    if device not in able or not any(links[name] for name in able):
        return [device]
    if any(link.get("remote_type") == "switch" for name in able for link in links[name] or ()):
        return able
    joined = {device}
    grown = True
    while grown:
        grown = False
        for name in able:
            if name not in joined and any(_joins(name, other, links) for other in joined):
                joined.add(name)
                grown = True
    return [name for name in able if name in joined]


def _joins(one: str, other: str, links: t.Mapping[str, t.Any]) -> bool:
    """Whether a link may lead from one GPU to the other."""
    ends = [_ends(links[one]), _ends(links[other])]
    return None in ends or other in (ends[0] or ()) or one in (ends[1] or ())


def _ends(links: t.Sequence[t.Mapping[str, t.Any]] | None) -> set[str] | None:
    """Return the devices at the other ends; None if that is not known of all links."""
    found = set()
    for link in links or ():
        try:
            found.add(device_from_address(str(link.get("remote_pci_address"))))
        except ValueError:
            return None
    return None if links is None else found
