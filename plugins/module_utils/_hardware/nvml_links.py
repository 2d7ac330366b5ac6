# Reads the NVLinks of a GPU through NVML.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from .nvml_ask import FUNCTION_NOT_FOUND, Questions, member
from .pci import kernel_address

# More than any GPU has today; the reading stops at the first link that does not exist.
_MAX_NVLINKS = 64

# nvmlIntNvLinkDeviceType_t, from nvml.h.
_REMOTE_TYPES = {0: "gpu", 2: "switch"}

# NVML's answer is a number of a list. The header gives one list (nvmlNvlinkVersion_t), drivers answer with another, the
# kernel module's (NV2080_CTRL_NVLINK_STATUS_NVLINK_VERSION): an H100 says 7, which is 4.0 there and 5.0 in the header.
_OF_THE_DRIVER = {1: 1, 2: 2, 4: 2, 5: 3, 6: 3, 7: 4, 8: 5, 9: 6}
_OF_THE_HEADER = {1: 1, 2: 2, 3: 2, 4: 3, 5: 3, 6: 4, 7: 5, 8: 6}
# The GPU's architecture decides: major number of its compute capability -> NVLink generation.
_OF_THE_ARCHITECTURE = {6: 1, 7: 2, 8: 3, 9: 4, 10: 5, 12: 5}


def generation(number: int | None, compute_capability: str | None) -> int | None:
    """Return the NVLink generation (4 for an H100) that the number of NVML means; None if it means none."""
    if number is None:
        return None
    major = (compute_capability or "").partition(".")[0]
    expected = _OF_THE_ARCHITECTURE.get(int(major)) if major.isdigit() else None
    if expected is not None and expected in (_OF_THE_DRIVER.get(number), _OF_THE_HEADER.get(number)):
        return expected
    return _OF_THE_DRIVER.get(number)


def _remote_address(questions: Questions, handle: t.Any, link: int) -> str | None:
    remote = questions.ask("nvmlDeviceGetNvLinkRemotePciInfo", handle, link)
    try:
        address = kernel_address(str(member(remote, "busId")))
    except ValueError:
        return None
    # All ones and all zeros: the driver does not know the other end.
    return None if address.startswith("ffff") or address == "0000:00:00.0" else address


def _one(
    questions: Questions, handle: t.Any, link: int, active: bool, compute_capability: str | None
) -> dict[str, t.Any]:
    if not active:
        # Drivers answer questions about a link that is down with various errors, of which none is a failure.
        questions = questions.unheard()
    return {
        "link": link,
        "active": active,
        "version": generation(questions.ask("nvmlDeviceGetNvLinkVersion", handle, link), compute_capability),
        "remote_type": _REMOTE_TYPES.get(questions.ask("nvmlDeviceGetNvLinkRemoteDeviceType", handle, link), "unknown"),
        "remote_pci_address": _remote_address(questions, handle, link),
    }


def read_links(questions: Questions, handle: t.Any, compute_capability: str | None) -> dict[str, t.Any]:
    """Return C({"nvlinks_active", "nvlinks_total", "nvlinks"}).

    The list is empty on a GPU without NVLink, and None if it cannot be told how many links there are.
    """
    links: list[dict[str, t.Any]] = []
    for link in range(_MAX_NVLINKS):
        state = questions.answer("nvmlDeviceGetNvLinkState", handle, link)
        if state.error is not None:
            unknown = state.error == FUNCTION_NOT_FOUND or "nvmlDeviceGetNvLinkState" in questions.failures
            if unknown or not links:
                return {"nvlinks_active": None, "nvlinks_total": None, "nvlinks": None if unknown else []}
            break
        links.append(_one(questions, handle, link, bool(state.value), compute_capability))
    return {
        "nvlinks_active": sum(1 for link in links if link["active"]),
        "nvlinks_total": len(links),
        "nvlinks": links,
    }
