#!/usr/bin/python
# Module: opens, updates and closes the ticket of a case.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ticket
version_added: 0.1.0
short_description: Open, update or close the ticket of a remediation case
description:
  - Keeps one ticket for each case, as a JSON file with everything that a repair needs. Whose hardware it is, in terms
    that stay true when it is moved, what is wrong, what was done about it, and where the evidence is.
  - With O(backend=webhook) the ticket is also sent to a ticket system. The file remembers what was delivered, so a
    system that did not answer gets it the next time.
  - The history in the ticket only grows.
author:
  - aidc.ops contributors (!UNKNOWN)
extends_documentation_fragment:
  - aidc.ops._attributes
  - aidc.ops._controller
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  case_id:
    description:
      - Number of the case. It names the ticket, and is the idempotency key of every delivery.
      - Needed unless O(state=settled).
    type: int
  state:
    description:
      - V(open) opens the ticket, opens it again where it is closed, and updates it where it is open.
      - V(updated) updates an open ticket, and fails where there is none.
      - V(closed) closes it. Where there is none, nothing happens.
      - V(settled) closes the open tickets of all cases that are closed in the ledger, ten at most in one call. One that
        cannot be closed is a warning, and its turn comes again.
    type: str
    choices: [open, updated, closed, settled]
    default: open
  in_ledger:
    description: Whether the ledger that O(config) leads to notes the ticket. With O(state=settled) it always does.
    type: bool
    default: false
  directory:
    description: Directory of the tickets. A ticket is the file C(CASE_ID.json) in it.
    type: path
    required: true
  backend:
    description:
      - V(file) keeps the ticket in the file alone.
      - V(webhook) posts it to O(url) as well.
    type: str
    choices: [file, webhook]
    default: file
  url:
    description:
      - Where the ticket is posted to, as JSON. The header C(Idempotency-Key) is the same for all deliveries of a case.
      - It has to begin with C(https://), except on this machine itself. Redirects are not followed.
    type: str
  token_file:
    description: File with the token that is sent as C(Authorization), of type C(Bearer).
    type: path
  ca_path:
    description: File with the certificates of the authorities that are trusted; by default those of the system.
    type: path
  timeout:
    description: Seconds that one delivery may take. It is tried twice.
    type: float
    default: 10
  node:
    description: Inventory name of the node, or of the rack, switch or server that the case is about.
    type: str
  node_id:
    description: Stable identity of the node.
    type: str
  hardware:
    description:
      - The hardware record of the node, as RV(aidc.ops.hardware_record#module:record), or the part of it that is known.
      - Serial numbers of the machine and of O(devices) are taken from it.
    type: dict
  devices:
    description: The devices concerned, as faults and cases name them.
    type: list
    elements: str
  fault_class:
    description: The fault class.
    type: str
  category:
    description: What kind of hardware or service it is. By default the domain of O(fault_class) in the fault catalogue.
    type: str
  action_taken:
    description: What was done so far, a sentence each.
    type: list
    elements: str
  evidence:
    description: Path of the evidence's manifest. Its checksum goes into the ticket.
    type: path
  details:
    description: More that the ticket shall say. Names that the ticket has already are refused.
    type: dict
  note:
    description: A sentence for the history.
    type: str
    default: ''
  reporter_version:
    description: Version of what reports it.
    type: str
seealso:
  - module: aidc.ops.case_info
"""

EXAMPLES = r"""
- name: Open a ticket for a GPU
  aidc.ops.ticket:
    case_id: 17
    directory: /var/lib/aidc_ops/tickets
    node: gpu3
    node_id: dmi:SN0043
    fault_class: gpu_row_remap_failure
    devices: ["gpu:0000:1b:00"]
    hardware: "{{ lookup('ansible.builtin.file', '/var/lib/aidc_ops/evidence/17/hardware_record.json') | from_json }}"
    action_taken: [The GPU was reset and still fails.]
    evidence: /var/lib/aidc_ops/evidence/17/manifest.json
  delegate_to: localhost

- name: Close it in the ticket system too
  aidc.ops.ticket:
    case_id: 17
    state: closed
    directory: /var/lib/aidc_ops/tickets
    backend: webhook
    url: https://tickets.example.com/api/aidc
    token_file: /etc/aidc_ops/ticket.token
    note: The GPU was replaced and the node passed its validation.
  delegate_to: localhost
"""

RETURN = r"""
ticket:
  description: The ticket; null if there is none. Times are in seconds since 1970.
  returned: success, unless O(state=settled)
  type: dict
  contains:
    schema_version: {description: Version of this shape., type: int, sample: 1}
    case_id: {description: Number of the case., type: int}
    state: {description: V(open) or V(closed)., type: str}
    opened_at: {description: When it was opened., type: float}
    updated_at: {description: When it was changed last., type: float}
    closed_at: {description: When it was closed; null while it is open., type: float}
    category: {description: Kind of hardware or service., type: str, sample: gpu}
    hardware: {description: Serial numbers of the machine., type: dict}
    devices:
      description: The devices. What nobody knew is null.
      type: list
      elements: dict
      contains:
        device: {description: The device., type: str, sample: 'gpu:0000:1b:00'}
        model: {description: Its model., type: str}
        serial: {description: Its serial number., type: str}
        uuid: {description: Its UUID., type: str}
    evidence_sha256: {description: Checksum of the evidence's manifest; null if it cannot be read., type: str}
    reporter: {description: What reports it with its C(name) and C(version)., type: dict}
    history: {description: What happened to it and when., type: list, elements: dict}
    delivered_at: {description: When the ticket system got this state of it; null if it did not., type: float}
path:
  description: File of the ticket.
  returned: unless O(state=settled)
  type: str
settled:
  description: Numbers of the cases whose tickets were closed.
  returned: O(state=settled)
  type: list
  elements: int
"""

import hashlib
import json
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils import _tickets
from ansible_collections.aidc.ops.plugins.module_utils._cases import console
from ansible_collections.aidc.ops.plugins.module_utils._cases.ledger import Ledger
from ansible_collections.aidc.ops.plugins.module_utils._errors import AidcOpsError
from ansible_collections.aidc.ops.plugins.module_utils._faults import CLASSES
from ansible_collections.aidc.ops.plugins.module_utils._hardware import atomic_file
from ansible_collections.aidc.ops.plugins.module_utils._outbound import bounded, check_url, post_json, read_token

_MODE = 0o640
# A ticket system that is gone costs each ticket two time limits.
_SETTLE_AT_ONCE = 10
_SERIALS = ("manufacturer", "product", "serial", "board_serial", "chassis_serial", "uuid")
_GIVEN = ("node", "node_id", "fault_class", "action_taken")


def fields_of(params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What the options say of the ticket. An option that was not given changes nothing in a ticket that is there."""
    fields: dict[str, t.Any] = {name: params[name] for name in _GIVEN if params[name] is not None}
    known = CLASSES.get(params["fault_class"] or "")
    category = params["category"] or (known.domain if known is not None else None)
    if category is not None:
        fields["category"] = category
    if params["hardware"] is not None:
        machine = params["hardware"].get("node") or {}
        fields["hardware"] = {name: machine.get(name) for name in _SERIALS}
    if params["devices"] is not None:
        fields["devices"] = _tickets.described(params["devices"], params["hardware"] or {})
    if params["evidence"] is not None:
        fields.update(evidence=params["evidence"], evidence_sha256=checksum(params["evidence"]))
    if params["reporter_version"] is not None:
        fields["reporter"] = {"name": "aidc.ops", "version": params["reporter_version"]}
    own = {"schema_version", "case_id", "state", "opened_at", "updated_at", "closed_at", "history", "delivered_at"}
    taken = sorted(set(params["details"] or {}) & (own | set(fields)))
    if taken:
        raise _tickets.TicketError(f"details may not hold {taken[0]}; the ticket has that already")
    return {**fields, **(params["details"] or {})}


def checksum(path: str) -> str | None:
    """SHA-256 of a file; None if it cannot be read: a node that was gone gave no evidence."""
    try:
        with open(path, "rb") as stream:
            return hashlib.sha256(stream.read()).hexdigest()
    except OSError:
        return None


def read(path: str) -> dict[str, t.Any] | None:
    """The ticket in a file, None if there is none. TicketError if it is no ticket."""
    text = atomic_file.find(path, may_be_made=False).text
    if text is None:
        return None
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or found.get("state") not in ("open", "closed"):
        raise _tickets.TicketError(f"{path} is no ticket; move it away")
    return found


def wanted(params: t.Mapping[str, t.Any], found: dict[str, t.Any] | None, now: float) -> dict[str, t.Any] | None:
    """The ticket as it shall be."""
    if params["state"] == "closed":
        return _tickets.closed(found, now, params["note"])
    make = _tickets.opened if params["state"] == "open" else _tickets.updated
    return make(found, params["case_id"], fields_of(params), now, params["note"])


def deliver(params: t.Mapping[str, t.Any], ticket: t.Mapping[str, t.Any]) -> str | None:
    """Post the ticket, a second time if need be; why it did not get there, None if it did."""
    token = read_token(params["token_file"]) if params["token_file"] else None
    timeout = params["timeout"]
    key = f"aidc.ops:{params['case_id']}"

    def post() -> None:
        post_json(params["url"], ticket, key, timeout, token, params["ca_path"])

    return bounded({"first": post}, timeout)["first"] and bounded({"again": post}, timeout)["again"]


def dump(ticket: t.Mapping[str, t.Any] | None) -> str:
    """The text of the file."""
    return json.dumps(ticket, indent=2) + "\n" if ticket is not None else ""


def handle(params: t.Mapping[str, t.Any], path: str, check_mode: bool) -> dict[str, t.Any]:
    """Bring one ticket into its state; the answer of the module, with C(problem) where it was not delivered.

    Raises TicketError, OutboundError and FileError.
    """
    found = read(path)
    ticket = wanted(params, found, time.time())
    same = ticket == found
    due = params["backend"] == "webhook" and ticket is not None and not (same and ticket.get("delivered_at"))
    if ticket is not None and not same:
        ticket["delivered_at"] = None
        if not check_mode:
            atomic_file.write(path, dump(ticket), _MODE)
    problem = None
    if ticket is not None and due and not check_mode:
        problem = deliver(params, ticket)
        if problem is None:
            ticket["delivered_at"] = time.time()
            atomic_file.write(path, dump(ticket), _MODE)
    diff = {"before_header": path, "after_header": path, "before": dump(found), "after": dump(ticket)}
    return {"changed": not same or due, "ticket": ticket, "path": path, "diff": diff, "problem": problem}


def path_of(params: t.Mapping[str, t.Any], case_id: int) -> str:
    """The file of a case's ticket."""
    return f"{params['directory'].rstrip('/')}/{case_id}.json"


def settle(module: AnsibleModule, ledger: Ledger) -> list[int]:
    """Close the tickets of closed cases; the numbers of those for which that worked."""
    settled = []
    for case_id in ledger.tickets_to_close()[:_SETTLE_AT_ONCE]:
        params = {**module.params, "case_id": case_id, "state": "closed"}
        path = path_of(params, case_id)
        try:
            problem = handle(params, path, module.check_mode)["problem"]
            if problem is None:
                ledger.set_ticket(case_id, path, params["backend"], closed=True)
        except (AidcOpsError, atomic_file.FileError) as error:
            problem = str(error)
        if problem is None:
            settled.append(case_id)
        else:
            module.warn(f"the ticket of case {case_id} was not closed: {problem}")
    return settled


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **console.CONFIG_OPTION,
            "case_id": {"type": "int"},
            "state": {"type": "str", "choices": ["open", "updated", "closed", "settled"], "default": "open"},
            "in_ledger": {"type": "bool", "default": False},
            "directory": {"type": "path", "required": True},
            "backend": {"type": "str", "choices": ["file", "webhook"], "default": "file"},
            "url": {"type": "str"},
            "token_file": {"type": "path", "no_log": False},
            "ca_path": {"type": "path"},
            "timeout": {"type": "float", "default": 10},
            "node": {"type": "str"},
            "node_id": {"type": "str"},
            "hardware": {"type": "dict"},
            "devices": {"type": "list", "elements": "str"},
            "fault_class": {"type": "str"},
            "category": {"type": "str"},
            "action_taken": {"type": "list", "elements": "str"},
            "evidence": {"type": "path"},
            "details": {"type": "dict"},
            "note": {"type": "str", "default": ""},
            "reporter_version": {"type": "str"},
        },
        required_if=[
            ("backend", "webhook", ["url"]),
            *(("state", state, ["case_id"]) for state in ("open", "updated", "closed")),
        ],
        supports_check_mode=True,
    )
    params = module.params
    try:
        if params["backend"] == "webhook":
            check_url(params["url"])
        ledger = None
        if params["in_ledger"] or params["state"] == "settled":
            ledger = console.open_ledger(console.settings_of(params["config"]), module.check_mode)
        if params["state"] == "settled" and ledger is not None:
            settled = settle(module, ledger)
            module.exit_json(changed=bool(settled), settled=settled)
        answer = handle(params, path_of(params, params["case_id"]), module.check_mode)
        ticket, problem = answer["ticket"], answer.pop("problem")
        if ledger is not None and ticket is not None and problem is None:
            noted = ledger.set_ticket(params["case_id"], answer["path"], params["backend"], ticket["state"] == "closed")
            answer["changed"] = answer["changed"] or noted
    except (AidcOpsError, atomic_file.FileError) as error:
        module.fail_json(msg=str(error))
    if problem is not None:
        text = f"the ticket is kept in {answer['path']}, and the ticket system did not get it: {problem}"
        module.fail_json(msg=text, path=answer["path"], ticket=ticket)
    module.exit_json(**answer)


if __name__ == "__main__":
    main()
