#!/usr/bin/python
# Module: switches a server through its BMC, once per attempt, and waits for its power state.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_power
version_added: 0.1.0
short_description: Restart, cycle or switch a server through its BMC, at most once per attempt
description:
  - Switches a server through Redfish, or through IPMI where Redfish is not to be had, and waits until its power state
    is the one that was asked for. It does not wait for the operating system.
  - Runs where the BMC can be reached, usually on the controller (C(delegate_to)).
  - Safe to repeat after the caller was killed at any point. A marker in O(state_dir) remembers the attempt O(token) and
    its outcome; a repetition reports that outcome and sends nothing. Only a server that the attempt had switched off,
    and that is off still, is switched on by a repetition.
author:
  - aidc.ops contributors (!UNKNOWN)
extends_documentation_fragment:
  - aidc.ops._attributes
  - aidc.ops._bmc
attributes:
  check_mode:
    support: full
    details:
      - With C(--check) the BMC is asked, so that RV(reset_type) tells what would be sent.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  address:
    description: Name or IP address of the BMC.
    type: str
    required: true
  ipmi_privilege:
    description: Privilege level of the IPMI session. Most BMCs want V(operator) for switching.
    type: str
    choices: [user, operator, administrator]
    default: operator
  system:
    description: Name of the system in Redfish, where one BMC manages several servers.
    type: str
  state:
    description:
      - V(graceful_restart) asks the operating system to restart; where the BMC cannot do that, it is asked to shut down
        and the server is switched on again. A power state cannot prove the restart; the boot identity of
        M(aidc.ops.node_identity_info) can.
      - V(force_restart) resets the server without asking.
      - V(power_cycle) switches it off without asking, lets it rest for O(settle_seconds), and switches it on.
      - V(off) switches it off without asking, V(on) switches it on.
      - A server that is off is switched on by each of them but V(off).
    type: str
    required: true
    choices: [graceful_restart, force_restart, power_cycle, 'on', 'off']
  token:
    description: Name of the attempt. A new attempt needs a new name.
    type: str
    required: true
  settle_seconds:
    description: Seconds that the server stays off before it is switched on again.
    type: int
    default: 15
  timeout:
    description:
      - Seconds that each change of the power state may take.
      - A graceful restart takes as long as the operating system needs to stop.
    type: int
    default: 300
  state_dir:
    description: Directory of the markers, on the machine where the module runs.
    type: path
    default: /var/lib/aidc_ops/attempts
seealso:
  - module: aidc.ops.bmc_info
  - module: aidc.ops.node_reboot
"""

EXAMPLES = r"""
- name: Cut the power of a node that does not answer any more
  aidc.ops.node_power:
    token: aidc.ops:17:power_cycle:1
    state: power_cycle
    address: bmc-gpu1.example.com
    username: "{{ bmc_username }}"
    password: "{{ bmc_password }}"
    ca_path: /etc/ssl/bmc-ca.pem
  delegate_to: localhost

- name: Ask a node to restart, five minutes at most
  aidc.ops.node_power:
    token: aidc.ops:17:reboot:2
    state: graceful_restart
    address: bmc-gpu1.example.com
    username: "{{ bmc_username }}"
    password: "{{ bmc_password }}"
    timeout: 300
  delegate_to: localhost
"""

RETURN = r"""
power_state_before:
  description: Power state that was found, V(on) or V(off).
  returned: when it is known
  type: str
power_state_after:
  description: Power state at the end; in check mode the one that was found.
  returned: when it is known
  type: str
reset_type:
  description:
    - What was sent, in Redfish's words; several are separated by a comma, none is an empty text. In check mode, what
      would be sent.
  returned: always
  type: str
  sample: ForceOff, On
protocol:
  description: Through which protocol, V(redfish) or V(ipmi).
  returned: when the BMC answered
  type: str
in_progress:
  description: Whether another call still works on this attempt.
  returned: always
  type: bool
uncertain:
  description: Whether it failed in such a way that nobody knows if a request was carried out.
  returned: always
  type: bool
"""

import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils._hardware.attempts import AttemptError
from ansible_collections.aidc.ops.plugins.module_utils._hardware.bmc_errors import BmcError, PartError, Silent
from ansible_collections.aidc.ops.plugins.module_utils._hardware.child import (
    ChildFailed,
    ChildTimeout,
    Progress,
    call_bounded,
)
from ansible_collections.aidc.ops.plugins.module_utils._repair import attempt as attempts
from ansible_collections.aidc.ops.plugins.module_utils._repair.bmc_control import (
    Control,
    Place,
    Unsure,
    open_control,
)
from ansible_collections.aidc.ops.plugins.module_utils._repair.bmc_options import bmc_options, mistake, place_of
from ansible_collections.aidc.ops.plugins.module_utils._repair.deadline import Deadline, wait_until
from ansible_collections.aidc.ops.plugins.module_utils._repair.power_plan import STATES, Act, plan
from ansible_collections.aidc.ops.plugins.module_utils._runner import run

# A change of the power state takes seconds; asking more often only loads the BMC.
POLL_SECONDS = 2.0
_STEADY = ("on", "off")
_GRACE_SECONDS = 30.0


class Wish(t.NamedTuple):
    """What is wanted of which server."""

    place: Place
    state: str
    settle: float
    timeout: float


def steady_state(control: Control, seconds: float) -> str | None:
    """Return the power state once it is on or off; the last one seen if it does not become either in time."""
    seen: list[str | None] = [None]

    def look() -> bool:
        seen[0] = control.power_state()
        return seen[0] in _STEADY

    wait_until(look, Deadline(seconds), POLL_SECONDS)
    return seen[0]


def reached(control: Control, act: Act, seconds: float) -> bool:
    """Whether the server came to the power state that ends an act; a BMC that stays silent for a while is asked on."""

    def look() -> bool:
        try:
            return control.power_state() == act.until
        except (Silent, PartError):
            return False

    return wait_until(look, Deadline(seconds), POLL_SECONDS)


def look_first(wish: Wish, progress: Progress) -> dict[str, t.Any]:
    """Return the power state and the acts that the wish needs, and through which protocol that was found out."""
    progress("asking for the power state")
    control = open_control(wish.place, run)
    try:
        power = steady_state(control, wish.timeout)
        acts = plan(wish.state, power, control.resets())
        return {"power": power, "acts": acts, "protocol": control.protocol}
    finally:
        control.close()


def carry_out(wish: Wish, acts: t.Sequence[Act], note: t.Callable[..., None], progress: Progress) -> dict[str, t.Any]:
    """Send the acts in order, each after the one before it is done.

    Return what was C(sent), the C(power) state at the end, the C(problem) that stopped it, and whether nobody knows if
    a request was carried out (C(uncertain)). C(note) is told of each act before it is sent.
    """
    sent: list[str] = []
    outcome: dict[str, t.Any] = {"sent": sent, "power": None, "problem": None, "uncertain": False}
    control = open_control(wish.place, run)
    try:
        for act in acts:
            progress(f"sending {act.kind}")
            note(sent=[*sent, act.kind])
            sent.append(act.kind)
            try:
                control.reset(act.kind)
            except Unsure as exc:
                # The power state may tell whether it arrived; a restart leaves no trace there.
                outcome["uncertain"] = act.until == "on" and act.kind != "On"
                outcome["problem"] = str(exc) if outcome["uncertain"] else None
            if outcome["problem"]:
                break
            progress(f"waiting for the server to be {act.until}")
            # The state of a restart is on before it begins, too.
            time.sleep(min(POLL_SECONDS, wish.timeout))
            if not reached(control, act, wish.timeout):
                outcome["problem"] = f"the server was not {act.until} {wish.timeout:g} seconds after {act.kind}"
                break
            if act.settle:
                progress("letting the server rest")
                time.sleep(wish.settle)
    except (PartError, BmcError) as exc:
        outcome["problem"] = str(exc)
    try:
        outcome["power"] = control.power_state()
    except (PartError, BmcError):
        pass
    finally:
        control.close()
    return outcome


def bounded(function: t.Callable[[Progress], t.Any], seconds: float) -> t.Any:
    """Call the function in a child process, since a BMC can keep a connection open for ever; BmcError if it fails."""
    try:
        return call_bounded(function, seconds)
    except ChildTimeout as exc:
        raise Unsure(f"the BMC keeps the connection open without answering: {exc}") from exc
    except ChildFailed as exc:
        raise BmcError(str(exc)) from exc


def resume(module: AnsibleModule, wish: Wish, attempt: attempts.Attempt, marker: t.Mapping[str, t.Any]) -> None:
    """Answer for an attempt whose caller died: switch on what it had switched off, and else do nothing."""
    before = marker.get("power_before")
    sent = list(marker.get("sent") or [])
    attempt.content = dict(marker)
    went_off = wish.state != "off" and any(kind in ("ForceOff", "GracefulShutdown") for kind in sent)
    found = bounded(lambda progress: look_first(wish._replace(state="on"), progress), _limit(wish, 1))
    acts = [Act(*act) for act in found["acts"]]
    facts = {
        "power_state_before": before,
        "protocol": found["protocol"],
        "in_progress": False,
        "uncertain": True,
    }
    if not (went_off and acts):
        module.fail_json(
            msg="an earlier call of this attempt ended before its outcome was known; "
            f"the server is {found['power']} and nothing was sent",
            reset_type=", ".join(sent),
            power_state_after=found["power"],
            **facts,
        )
    if module.check_mode:
        module.exit_json(
            changed=True, reset_type="On", power_state_after=found["power"], **dict(facts, uncertain=False)
        )
    time.sleep(wish.settle)
    _finish(module, wish, attempt, acts, found["protocol"], before, sent)


def _limit(wish: Wish, acts: int) -> float:
    """Return the seconds after which even a stuck exchange with the BMC is given up."""
    each = wish.timeout + wish.settle + 6 * wish.place.request_timeout
    return max(1, acts) * each + _GRACE_SECONDS


def _finish(
    module: AnsibleModule,
    wish: Wish,
    attempt: attempts.Attempt,
    acts: t.Sequence[Act],
    protocol: str,
    before: str | None,
    earlier: t.Sequence[str] = (),
) -> None:
    """Send what is to be sent, write the outcome and answer."""
    # What was found to work is what is used: no half of a cycle through one protocol, half through the other.
    fixed = wish._replace(place=wish.place._replace(protocol=protocol))

    def note(**facts: t.Any) -> None:
        attempt.note(**dict(facts, sent=[*earlier, *facts["sent"]]))

    try:
        done = bounded(lambda progress: carry_out(fixed, acts, note, progress), _limit(wish, len(acts)))
    except BmcError as exc:
        done = {"sent": [act.kind for act in acts], "power": None, "problem": str(exc), "uncertain": True}
    done["sent"] = [*earlier, *done["sent"]]
    _answer(module, True, attempt.finish(**done, protocol=protocol, power_before=before))


def _answer(module: AnsibleModule, changed: bool, marker: t.Mapping[str, t.Any]) -> None:
    """Answer with what the marker tells."""
    answer: dict[str, t.Any] = {
        "power_state_before": marker.get("power_before"),
        "power_state_after": marker.get("power"),
        "reset_type": ", ".join(marker.get("sent") or []),
        "protocol": marker.get("protocol"),
        "in_progress": False,
        "uncertain": bool(marker.get("uncertain")),
    }
    if marker.get("problem"):
        module.fail_json(msg=str(marker["problem"]), **answer)
    module.exit_json(changed=changed, diff=_diff(answer["power_state_before"], answer["power_state_after"]), **answer)


def _diff(before: str | None, after: str | None) -> dict[str, t.Any]:
    return {"before": {"power_state": before}, "after": {"power_state": after}}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **bmc_options("operator", address_required=True),
            **attempts.OPTIONS,
            "system": {"type": "str"},
            "state": {"type": "str", "required": True, "choices": list(STATES)},
            "settle_seconds": {"type": "int", "default": 15},
            "timeout": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    params = module.params
    nothing = {"reset_type": "", "in_progress": False, "uncertain": False}
    wrong = mistake(params, ["timeout"])
    if params["settle_seconds"] < 0:
        wrong = f"settle_seconds cannot be negative: {params['settle_seconds']}"
    if wrong:
        module.fail_json(msg=wrong, **nothing)
    wish = Wish(place_of(params), params["state"], params["settle_seconds"], params["timeout"])
    try:
        with attempts.Attempt(params["state_dir"], "node_power", params["token"]) as attempt:
            marker = attempt.earlier()
            if marker is not None and attempts.finished(marker):
                _answer(module, False, marker)
            if marker is None and module.check_mode:
                _predict(module, wish)
            if not attempt.take():
                module.exit_json(changed=False, **{**nothing, "in_progress": True})
            # Between the first look and the lock another call may have come and gone.
            marker = attempt.earlier()
            if marker is not None and attempts.finished(marker):
                _answer(module, False, marker)
            if marker is not None:
                resume(module, wish, attempt, marker)
            found = bounded(lambda progress: look_first(wish, progress), _limit(wish, 1))
            acts = [Act(*act) for act in found["acts"]]
            if not acts:
                _already(module, found)
            attempt.begin(power_before=found["power"], state=wish.state)
            _finish(module, wish, attempt, acts, found["protocol"], found["power"])
    except (AttemptError, BmcError, PartError, OSError) as exc:
        module.fail_json(msg=f"the server was not switched: {exc}", **nothing)


def _already(module: AnsibleModule, found: t.Mapping[str, t.Any]) -> None:
    module.exit_json(
        changed=False,
        power_state_before=found["power"],
        power_state_after=found["power"],
        reset_type="",
        protocol=found["protocol"],
        in_progress=False,
        uncertain=False,
        diff=_diff(found["power"], found["power"]),
    )


def _predict(module: AnsibleModule, wish: Wish) -> None:
    """Answer what would be sent."""
    found = bounded(lambda progress: look_first(wish, progress), _limit(wish, 1))
    acts = [Act(*act) for act in found["acts"]]
    if not acts:
        _already(module, found)
    module.exit_json(
        changed=True,
        power_state_before=found["power"],
        power_state_after=found["power"],
        reset_type=", ".join(act.kind for act in acts),
        protocol=found["protocol"],
        in_progress=False,
        uncertain=False,
        diff=_diff(found["power"], acts[-1].until),
    )


if __name__ == "__main__":
    main()
