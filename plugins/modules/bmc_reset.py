#!/usr/bin/python
# Module: restarts a BMC itself, once per attempt, and waits until it answers again.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bmc_reset
version_added: 0.1.0
short_description: Restart the BMC of a server, at most once per attempt
description:
  - Restarts the baseboard management controller itself, and waits until it answers again. The server and what runs on
    it are not touched.
  - Uses Redfish (C(Manager.Reset)), or IPMI (C(mc reset cold)) where Redfish is not to be had.
  - Without O(address) the BMC of the node itself is reset, in band through C(/dev/ipmi0). That is the way to a BMC that
    no longer answers on its network.
  - Safe to repeat after the caller was killed at any point. A marker in O(state_dir) remembers the attempt O(token) and
    its outcome; a repetition resets nothing.
author:
  - aidc.ops contributors (!UNKNOWN)
extends_documentation_fragment:
  - aidc.ops._attributes
  - aidc.ops._bmc
attributes:
  check_mode:
    support: full
    details:
      - With C(--check) the BMC is asked whether it answers.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  address:
    description: Name or IP address of the BMC. Without it that of the node itself is reset; this needs root.
    type: str
  ipmi_privilege:
    description: Privilege level of the IPMI session. Most BMCs want V(administrator) for a reset.
    type: str
    choices: [user, operator, administrator]
    default: administrator
  token:
    description: Name of the attempt. A new attempt needs a new name.
    type: str
    required: true
  away_seconds:
    description:
      - Seconds within which the BMC has to stop answering. One that is not seen to is no error, since some restart very
        fast; RV(seen_away) tells.
    type: int
    default: 60
  timeout:
    description: Seconds after which a BMC that does not answer again is given up.
    type: int
    default: 600
  state_dir:
    description: Directory of the markers, on the machine where the module runs.
    type: path
    default: /var/lib/aidc_ops/attempts
seealso:
  - module: aidc.ops.bmc_info
  - module: aidc.ops.node_power
"""

EXAMPLES = r"""
- name: Restart a BMC from the controller
  aidc.ops.bmc_reset:
    token: aidc.ops:17:bmc_reset:1
    address: bmc-gpu1.example.com
    username: "{{ bmc_username }}"
    password: "{{ bmc_password }}"
  delegate_to: localhost

- name: Restart a BMC that is not reachable, from its own node
  aidc.ops.bmc_reset:
    token: aidc.ops:17:bmc_reset:1
  become: true
"""

RETURN = r"""
reset:
  description: Whether the BMC was reset in this attempt and answers again.
  returned: always
  type: bool
reset_type:
  description: What was sent, V(ForceRestart) or V(GracefulRestart) through Redfish, V(mc reset cold) through IPMI.
  returned: when it was sent
  type: str
protocol:
  description: Through which protocol, V(redfish) or V(ipmi).
  returned: when the BMC answered
  type: str
seen_away:
  description: Whether the BMC was seen not to answer after the reset.
  returned: when it was sent
  type: bool
seconds:
  description: How long it took until the BMC answered again.
  returned: when it answers again
  type: float
in_progress:
  description: Whether another call still works on this attempt.
  returned: always
  type: bool
"""

import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils._hardware.attempts import AttemptError
from ansible_collections.aidc.ops.plugins.module_utils._hardware.bmc_errors import BmcError, PartError
from ansible_collections.aidc.ops.plugins.module_utils._hardware.child import (
    ChildFailed,
    ChildTimeout,
    Progress,
    call_bounded,
)
from ansible_collections.aidc.ops.plugins.module_utils._repair import attempt as attempts
from ansible_collections.aidc.ops.plugins.module_utils._repair.bmc_control import Control, Place, Unsure, open_control
from ansible_collections.aidc.ops.plugins.module_utils._repair.bmc_options import bmc_options, mistake, place_of
from ansible_collections.aidc.ops.plugins.module_utils._repair.deadline import Deadline, wait_until
from ansible_collections.aidc.ops.plugins.module_utils._runner import run

POLL_SECONDS = 2.0
# A BMC that restarts swallows requests; each costs as long as it may take.
_PROBE_SECONDS = 5.0
_GRACE_SECONDS = 60.0


def probe(place: Place, protocol: str) -> bool:
    """Whether the BMC answers now."""
    quick = place._replace(protocol=protocol, request_timeout=min(_PROBE_SECONDS, place.request_timeout))
    try:
        open_control(quick, run).close()
    except BmcError:
        return False
    return True


def send(control: Control) -> dict[str, t.Any]:
    """Send the reset; C(uncertain) if the BMC went away with the answer, which a restarting one may do."""
    try:
        return {"reset_type": control.reset_bmc(), "uncertain": False}
    except Unsure:
        return {"reset_type": "mc reset cold" if control.protocol == "ipmi" else "Manager.Reset", "uncertain": True}
    finally:
        control.close()


def reset_and_wait(place: Place, away: float, timeout: float, progress: Progress) -> dict[str, t.Any]:
    """Reset the BMC and wait until it is back; BmcError or PartError if it refuses."""
    progress("reaching the BMC")
    control = open_control(place, run)
    protocol = control.protocol
    progress("sending the reset")
    began = time.monotonic()
    outcome: dict[str, t.Any] = dict(send(control), protocol=protocol, problem=None)
    progress("waiting for the BMC to go away")
    outcome["seen_away"] = wait_until(lambda: not probe(place, protocol), Deadline(min(away, timeout)), POLL_SECONDS)
    progress("waiting for the BMC to come back")
    back = wait_until(lambda: probe(place, protocol), Deadline(timeout), POLL_SECONDS)
    outcome["seconds"] = round(time.monotonic() - began, 1)
    if not back:
        outcome["problem"] = f"the BMC did not answer {timeout:g} seconds after its reset"
    elif outcome["uncertain"] and not outcome["seen_away"]:
        outcome["problem"] = "the BMC did not answer to the request and did not go away; nobody knows if it was reset"
    return outcome


def _bounded(function: t.Callable[[Progress], t.Any], seconds: float) -> t.Any:
    try:
        return call_bounded(function, seconds)
    except ChildTimeout as exc:
        raise BmcError(f"the BMC keeps the connection open without answering: {exc}") from exc
    except ChildFailed as exc:
        raise BmcError(str(exc)) from exc


def _answer(module: AnsibleModule, changed: bool, marker: t.Mapping[str, t.Any]) -> None:
    """Answer with what the marker tells."""
    answer = {name: marker.get(name) for name in ("reset_type", "protocol", "seen_away", "seconds")}
    if marker.get("problem"):
        module.fail_json(msg=f"{marker['problem']}", reset=False, in_progress=False, **answer)
    module.exit_json(changed=changed, reset=True, in_progress=False, **answer)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **bmc_options("administrator", address_required=False),
            **attempts.OPTIONS,
            "away_seconds": {"type": "int", "default": 60},
            "timeout": {"type": "int", "default": 600},
        },
        supports_check_mode=True,
    )
    params = module.params
    nothing = {"reset": False, "in_progress": False}
    wrong = mistake(params, ["timeout", "away_seconds"])
    if wrong:
        module.fail_json(msg=wrong, **nothing)
    place = place_of(params)
    limit = params["timeout"] + params["away_seconds"] + 6 * place.request_timeout + _GRACE_SECONDS

    def look(_progress: Progress) -> str:
        control = open_control(place, run)
        control.close()
        return control.protocol

    try:
        with attempts.Attempt(params["state_dir"], "bmc_reset", params["token"]) as attempt:
            marker = attempt.earlier()
            if marker is None and module.check_mode:
                module.exit_json(changed=True, protocol=_bounded(look, limit), **nothing)
            if marker is not None and attempts.finished(marker):
                _answer(module, False, marker)
            if not attempt.take():
                module.exit_json(changed=False, **{**nothing, "in_progress": True})
            protocol = _bounded(look, limit)
            if not attempt.begin():
                marker = attempt.earlier() or {}
                if attempts.finished(marker):
                    _answer(module, False, marker)
                module.fail_json(
                    msg="an earlier call of this attempt ended before its outcome was known; the BMC answers now",
                    protocol=protocol,
                    **nothing,
                )
            fixed = place._replace(protocol=protocol)
            try:
                done = _bounded(
                    lambda progress: reset_and_wait(fixed, params["away_seconds"], params["timeout"], progress), limit
                )
            except BmcError as exc:
                done = {"protocol": protocol, "problem": f"the BMC was not reset: {exc}"}
            _answer(module, True, attempt.finish(**done))
    except (AttemptError, BmcError, PartError, OSError) as exc:
        module.fail_json(msg=f"the BMC was not reset: {exc}", **nothing)


if __name__ == "__main__":
    main()
