# Reads one BMC: Redfish first, IPMI where Redfish is not to be had, in band without an address.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from .bmc_errors import BmcError, Clock, MissingProgram, Silent
from .bmc_parts import from_ipmi, from_redfish, only, problem
from .child import ChildFailed, ChildTimeout, call_bounded
from .ipmi_client import IpmiAccess, Run, read_texts
from .redfish_client import Access, RedfishClient
from .redfish_walk import read_service

MAX_EVENTS = 500
_GRACE_SECONDS = 10.0
_OUR_ERRORS = ("Silent", "Refused", "MissingProgram", "PartError", "BmcError")


class Request(t.NamedTuple):
    """What to read from which BMC."""

    parts: t.Sequence[str]
    protocol: str = "auto"
    address: str | None = None
    port: int | None = None
    username: str | None = None
    password: str | None = None
    validate_certs: bool = True
    ca_path: str | None = None
    timeout: float = 120
    max_events: int = MAX_EVENTS
    ipmi_port: int | None = None
    ipmi_privilege: str = "operator"
    ipmi_cipher_suite: int | None = None


def read_bmc(request: Request, run: Run) -> dict[str, t.Any]:
    """Return the parts of one BMC; BmcError if it cannot be read at all. C(run) runs ipmitool."""
    if request.address is None or request.protocol == "ipmi":
        return _through_ipmi(request, run)
    try:
        return _through_redfish(request, request.address)
    except (Silent, MissingProgram) as exc:
        if request.protocol == "redfish":
            raise
        first = exc
    try:
        answer = _through_ipmi(request, run)
    except (Silent, MissingProgram) as exc:
        raise Silent(f"neither Redfish nor IPMI answers: {first}; {exc}") from exc
    answer["problems"].insert(0, problem("bmc", None, f"read through IPMI, because Redfish failed: {first}"))
    return answer


def read_bmc_bounded(request: Request, run: Run) -> dict[str, t.Any]:
    """Return the same, in a child process that is ended when it does not end by itself."""

    def read(progress: t.Callable[[str], None]) -> dict[str, t.Any]:
        progress(f"reading {request.address or 'the BMC of this machine'}")
        return read_bmc(request, run)

    try:
        # Two protocols may be tried, and closing the session takes a moment of its own.
        return dict(call_bounded(read, 2 * request.timeout + _GRACE_SECONDS))
    except ChildTimeout as exc:
        raise BmcError(f"the BMC keeps the connection open without answering: {exc}") from exc
    except ChildFailed as exc:
        raise BmcError(str(exc) if exc.kind in _OUR_ERRORS else f"{exc.kind}: {exc}") from exc


def _through_redfish(request: Request, address: str) -> dict[str, t.Any]:
    access = Access(
        address,
        request.port,
        request.username,
        request.password,
        request.validate_certs,
        request.ca_path,
    )
    with RedfishClient(access, Clock(request.timeout)) as client:
        service, problems, damages = read_service(client, request.parts)
    answer = only(from_redfish(service, address, request.max_events), request.parts)
    answer["problems"] = problems + damages + answer["problems"]
    answer["protocol"] = "redfish"
    return answer


def _through_ipmi(request: Request, run: Run) -> dict[str, t.Any]:
    access = IpmiAccess(
        request.address,
        request.ipmi_port,
        request.username,
        request.password,
        request.ipmi_privilege,
        request.ipmi_cipher_suite,
    )
    texts, problems = read_texts(access, Clock(request.timeout), run, request.parts, request.max_events)
    answer = only(from_ipmi(texts, request.address, request.max_events), request.parts)
    answer["problems"] = problems + answer["problems"]
    answer["protocol"] = "ipmi"
    return answer
