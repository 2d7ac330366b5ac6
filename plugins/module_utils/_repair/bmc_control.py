# Acts through a BMC: power state and resets of the server, resets of the BMC itself. Redfish first, then IPMI.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing here waits or decides. A request that changes something is sent once; whoever got no answer to it does not
know whether it arrived, and is told so (Unsure)."""

from __future__ import annotations

import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._hardware.bmc_errors import (
    BmcError,
    Clock,
    MissingProgram,
    PartError,
    Silent,
)
from ansible_collections.aidc.ops.plugins.module_utils._hardware.ipmi_client import IpmiAccess, IpmiClient, Run
from ansible_collections.aidc.ops.plugins.module_utils._hardware.redfish_client import (
    Access,
    RedfishClient,
    connection_reason,
)
from ansible_collections.aidc.ops.plugins.module_utils._hardware.redfish_manager import choose
from ansible_collections.aidc.ops.plugins.module_utils._hardware.redfish_system import hosts, power_state
from ansible_collections.aidc.ops.plugins.module_utils._hardware.redfish_values import (
    Doc,
    clean,
    identity,
    link,
    mapping,
    objects,
)

# A chassis with more servers or managers behind one BMC is none of ours.
_MAX_MEMBERS = 64
_MAX_PAGES = 16

IPMI_RESETS = {"On": "on", "ForceOff": "off", "GracefulShutdown": "soft", "ForceRestart": "reset"}
"""Redfish's words for what IPMI can do."""


class Unsure(BmcError):
    """A request was sent and not answered: nobody knows whether it was carried out."""


class Impossible(BmcError):
    """The BMC cannot do what is wanted; the message says what it can."""


class Place(t.NamedTuple):
    """Where a BMC is and how it lets us in."""

    address: str | None
    protocol: str = "auto"
    port: int | None = None
    username: str | None = None
    password: str | None = None
    validate_certs: bool = True
    ca_path: str | None = None
    request_timeout: float = 20
    ipmi_port: int | None = None
    ipmi_privilege: str = "operator"
    ipmi_cipher_suite: int | None = None
    system: str | None = None


class Control(t.Protocol):
    """What can be asked of a BMC and done through it."""

    protocol: str

    def power_state(self) -> str | None:
        """C(on), C(off), C(poweringon), C(poweringoff) or C(paused); None if it does not tell."""

    def resets(self) -> tuple[str, ...] | None:
        """The kinds of reset that the server has, in Redfish's words; None if the BMC does not tell."""

    def reset(self, kind: str) -> None:
        """Ask for one; PartError if it is refused, Unsure if nobody answers."""

    def reset_bmc(self) -> str:
        """Reset the BMC itself; return how, in its own words. PartError if refused, Unsure if nobody answers."""

    def answers(self) -> bool:
        """Whether the BMC is there."""

    def close(self) -> None:
        """Log out."""


def open_control(place: Place, run: Run) -> Control:
    """Return the BMC, asked through the protocol that works; BmcError if none does. C(run) runs ipmitool."""
    if place.address is None or place.protocol == "ipmi":
        return IpmiControl(place, run)
    try:
        return RedfishControl(place)
    except (Silent, MissingProgram) as exc:
        if place.protocol == "redfish":
            raise
        first = exc
    try:
        return IpmiControl(place, run)
    except (Silent, MissingProgram) as exc:
        raise Silent(f"neither Redfish nor IPMI answers: {first}; {exc}") from exc


class _Client(RedfishClient):
    """A Redfish service that stays open for long, and that is told to do something."""

    def again(self, seconds: float) -> None:
        """Grant the next request its time."""
        # A clock gives one request a third of its time.
        self._clock = self._connector.clock = Clock(3 * seconds)

    def post(self, path: str, body: Doc) -> None:
        """Send once; PartError if it is refused, Unsure if it is not answered."""
        try:
            response = self._connector.post(path, data=dict(body))
        except PartError:
            raise
        except Exception as exc:
            status = getattr(exc, "status_code", None)
            if status is None:
                raise Unsure(f"no answer to the request: {connection_reason(exc, self._clock)[0]}") from exc
            detail = clean(getattr(exc, "detail", None), 300) or "no reason given"
            raise PartError(f"the BMC refuses (HTTP status {status}): {detail}") from exc
        if response.status_code not in (200, 201, 202, 204):
            raise PartError(f"the BMC answers with HTTP status {response.status_code}")


class RedfishControl:
    """A BMC behind Redfish."""

    protocol = "redfish"

    def __init__(self, place: Place) -> None:
        self._place = place
        self._access = Access(
            place.address or "",
            place.port,
            place.username,
            place.password,
            place.validate_certs,
            place.ca_path,
        )
        self._client: _Client | None = None
        self._system_path: str | None = None
        self._open()

    def power_state(self) -> str | None:
        return power_state(self._system().get("PowerState"))

    def resets(self) -> tuple[str, ...] | None:
        return self._allowed(self._action(self._system(), "#ComputerSystem.Reset"))

    def reset(self, kind: str) -> None:
        self._send(self._action(self._system(), "#ComputerSystem.Reset"), kind)

    def reset_bmc(self) -> str:
        managers = self._members("Managers")
        position = choose(managers)
        if position is None:
            raise Impossible(f"{self._access.url}: the BMC shows no manager, so it cannot be told to reset itself")
        action = self._action(managers[position], "#Manager.Reset")
        allowed = self._allowed(action)
        # A graceful restart is what nearly all have; where both are offered the harder one is the cold one.
        kind = "ForceRestart" if allowed is not None and "ForceRestart" in allowed else "GracefulRestart"
        self._send(action, kind)
        return kind

    def answers(self) -> bool:
        try:
            self.close()
            self._open()
        except BmcError:
            return False
        return True

    def close(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            client.close()

    def _open(self) -> _Client:
        if self._client is None:
            self._client = _Client(self._access, Clock(3 * self._place.request_timeout))
        self._client.again(self._place.request_timeout)
        return self._client

    def _get(self, path: str) -> Doc:
        try:
            return self._open().get(path)[0]
        except PartError:
            # A session may have ended meanwhile; once with a new one.
            self.close()
            return self._open().get(path)[0]

    def _send(self, action: Doc, kind: str) -> None:
        target = link({"@odata.id": action.get("target")})
        if target is None:
            raise Impossible(f"{self._access.url}: the BMC offers no such reset")
        self._open().post(target, {"ResetType": kind})

    def _members(self, name: str) -> list[Doc]:
        """The documents of a collection of the service root; PartError if one cannot be read."""
        following = link(mapping(self._open().root).get(name))
        paths: list[str] = []
        for _page in range(_MAX_PAGES):
            if following is None or len(paths) > _MAX_MEMBERS:
                break
            page = self._get(following)
            paths += [path for path in map(link, objects(page.get("Members"))) if path is not None]
            more = page.get("Members@odata.nextLink")
            following = link({"@odata.id": more}) if more else None
        return [self._get(path) for path in paths[:_MAX_MEMBERS]]

    def _system(self) -> Doc:
        """The server; its path is looked for once, so that another one is never acted on later."""
        if self._system_path is not None:
            return self._get(self._system_path)
        systems = self._members("Systems")
        names = [identity(system) for system in systems]
        if self._place.system is not None:
            found = [system for system, name in zip(systems, names) if name == self._place.system]
        else:
            found = [systems[position] for position in hosts(systems)]
        if len(found) != 1:
            known = ", ".join(str(name) for name in names) or "none"
            if self._place.system is not None:
                raise Impossible(f"{self._access.url}: no system is called {self._place.system}; there are: {known}")
            raise Impossible(f"{self._access.url}: the BMC manages several servers, name one with system: {known}")
        self._system_path = link(found[0])
        return found[0]

    @staticmethod
    def _action(doc: Doc, name: str) -> Doc:
        return mapping(mapping(doc.get("Actions")).get(name))

    def _allowed(self, action: Doc) -> tuple[str, ...] | None:
        values = action.get("ResetType@Redfish.AllowableValues")
        info = action.get("@Redfish.ActionInfo")
        path = link({"@odata.id": info}) if isinstance(info, str) else None
        if values is None and path is not None:
            try:
                parameters = objects(self._get(path).get("Parameters"))
            except PartError:
                parameters = []
            values = next((one.get("AllowableValues") for one in parameters if one.get("Name") == "ResetType"), None)
        if not isinstance(values, list):
            return None
        return tuple(value for value in values if isinstance(value, str))


class IpmiControl:
    """A BMC behind IPMI, over the network or in band."""

    protocol = "ipmi"

    def __init__(self, place: Place, run: Run) -> None:
        self._place = place
        self._run = run
        self._access = IpmiAccess(
            place.address,
            place.ipmi_port,
            place.username,
            place.password,
            place.ipmi_privilege,
            place.ipmi_cipher_suite,
        )
        try:
            self._ask("mc", "info")
        except PartError as exc:
            raise Silent(f"{self._access.name}: no answer through IPMI: {exc}") from exc

    def power_state(self) -> str | None:
        answer = self._ask("chassis", "power", "status").strip().lower()
        return next((state for state in ("on", "off") if answer.endswith(f"is {state}")), None)

    def resets(self) -> tuple[str, ...] | None:
        return tuple(IPMI_RESETS)

    def reset(self, kind: str) -> None:
        if kind not in IPMI_RESETS:
            raise Impossible(f"{self._access.name}: IPMI has no {kind}")
        answer = self._tell("chassis", "power", IPMI_RESETS[kind])
        if "Chassis Power Control" not in answer:
            raise PartError(f"the BMC refuses: {clean(answer, 300)}")

    def reset_bmc(self) -> str:
        self._tell("mc", "reset", "cold")
        return "mc reset cold"

    def answers(self) -> bool:
        try:
            self._ask("mc", "info")
        except PartError:
            return False
        return True

    def close(self) -> None:
        """Each call of ipmitool logs out by itself."""

    def _ask(self, *command: str) -> str:
        return IpmiClient(self._access, Clock(3 * self._place.request_timeout), self._run).ask(*command)

    def _tell(self, *command: str) -> str:
        # The session is opened before the command is sent: if that failed, nothing was done.
        try:
            return self._ask(*command)
        except PartError as exc:
            if exc.silent and "Unable to establish" not in str(exc):
                raise Unsure(f"no answer to ipmitool {' '.join(command)}: {exc}") from exc
            raise
