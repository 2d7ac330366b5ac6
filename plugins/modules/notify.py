#!/usr/bin/python
# Module: tells people about a case, once for each step.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: notify
version_added: 0.1.0
short_description: Tell people about a remediation case
description:
  - Sends a message to a webhook and by mail, once for each case and step. With O(jobs=true) it names the jobs that run
    on the node, and their owners get the mail too where it is known how to reach them.
  - It never fails because nobody answers. An endpoint that is dead costs O(timeout) seconds and a warning, and gets the
    message when the same step is told again.
author:
  - aidc.ops contributors (!UNKNOWN)
extends_documentation_fragment:
  - aidc.ops._attributes
  - aidc.ops._controller
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
    details:
      - A message that every endpoint got is not sent again.
options:
  case_id:
    description: Number of the case.
    type: int
    required: true
  step:
    description: The step that tells it. One message is sent for each case and step.
    type: str
    required: true
  directory:
    description: Directory in which the module remembers what was sent, such as that of the case's evidence.
    type: path
    required: true
  node:
    description: Inventory name of the node, or of the rack, switch or server that the case is about.
    type: str
    required: true
  subject:
    description: What happened, in a few words.
    type: str
    required: true
  text:
    description: The message.
    type: str
    required: true
  details:
    description: More data for the webhook.
    type: dict
    default: {}
  jobs:
    description:
      - Whether the jobs on the node and their owners are named.
      - The scheduler of the settings file is asked. If it does not answer, the message is sent all the same.
    type: bool
    default: false
  webhook_url:
    description:
      - Where the message is posted to, as JSON.
      - It has to begin with C(https://), except on this machine itself. Redirects are not followed.
    type: str
  token_file:
    description: File with the token that is sent as C(Authorization), of type C(Bearer).
    type: path
  ca_path:
    description: File with the certificates of the authorities that are trusted; by default those of the system.
    type: path
  mail_to:
    description: Who gets the mail.
    type: list
    elements: str
    default: []
  mail_from:
    description: Sender of the mail.
    type: str
    default: aidc-ops@localhost
  mail_host:
    description: Mail server, as C(name) or C(name:port).
    type: str
    default: localhost
  owner_domain:
    description:
      - Mail domain of the owners of jobs. V(example.com) writes to C(OWNER@example.com).
      - Empty, owners get no mail.
    type: str
    default: ''
  timeout:
    description: Seconds that sending may take, all endpoints together.
    type: float
    default: 2
seealso:
  - module: aidc.ops.ticket
"""

EXAMPLES = r"""
- name: Tell the site and the owners of the jobs
  aidc.ops.notify:
    case_id: 17
    step: drain
    directory: /var/lib/aidc_ops/evidence/17
    node: gpu3
    subject: jobs on gpu3 are stopped
    text: A GPU of gpu3 failed. Its jobs are stopped now.
    jobs: true
    webhook_url: https://chat.example.com/hooks/aidc
    token_file: /etc/aidc_ops/notify.token
    mail_to: [operators@example.com]
    owner_domain: example.com
  delegate_to: localhost
"""

RETURN = r"""
sent:
  description: The endpoints that have the message, from now or from before.
  returned: success
  type: list
  elements: str
  sample: [webhook, mail]
problems:
  description: Why an endpoint does not have it.
  returned: success
  type: list
  elements: str
jobs:
  description: The jobs that the message names.
  returned: success
  type: list
  elements: dict
  contains:
    id: {description: Id of the job., type: str}
    name: {description: Its name., type: str}
    owner: {description: Whose it is., type: str}
    nodes: {description: The nodes it runs on., type: list, elements: str}
"""

import json
import os
import re
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils._cases import console
from ansible_collections.aidc.ops.plugins.module_utils._engines import open_engines
from ansible_collections.aidc.ops.plugins.module_utils._errors import AidcOpsError
from ansible_collections.aidc.ops.plugins.module_utils._hardware import atomic_file
from ansible_collections.aidc.ops.plugins.module_utils._outbound import bounded, post_json, read_token, send_mail

_MODE = 0o640
_STEP = re.compile(r"[a-z][a-z_]{0,40}")
# An owner becomes part of a mail address.
_OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MAX_OWNERS = 50


def jobs_on(params: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """The jobs on the node; AidcOpsError when the scheduler cannot be asked."""
    engine = open_engines(console.settings_of(params["config"]), dry_run=True)
    found = engine.jobs([params["node"]])
    return [{"id": job.id, "name": job.name, "owner": job.owner, "nodes": list(job.nodes)} for job in found]


def message(params: t.Mapping[str, t.Any], jobs: list[dict[str, t.Any]]) -> dict[str, t.Any]:
    """What the webhook gets."""
    wanted = ("case_id", "step", "node", "subject", "text", "details")
    return {"schema_version": 1, **{name: params[name] for name in wanted}, "jobs": jobs, "at": time.time()}


def mail_text(params: t.Mapping[str, t.Any], jobs: list[dict[str, t.Any]]) -> str:
    """What the mail says."""
    lines = [params["text"], "", f"Case {params['case_id']}, node {params['node']}, step {params['step']}."]
    if jobs:
        lines += ["", "Jobs on the node:", *(f"  {job['id']} {job['name']} of {job['owner']}" for job in jobs)]
    return "\n".join(lines) + "\n"


def receivers(params: t.Mapping[str, t.Any], jobs: list[dict[str, t.Any]]) -> list[str]:
    """Who gets the mail: the site, and the owners of the jobs where their domain is known."""
    owners = sorted({str(job["owner"]) for job in jobs if _OWNER.fullmatch(str(job["owner"]))})
    domain = params["owner_domain"]
    return [*params["mail_to"], *(f"{owner}@{domain}" for owner in owners[:_MAX_OWNERS] if domain)]


def senders(params: t.Mapping[str, t.Any], jobs: list[dict[str, t.Any]]) -> dict[str, t.Callable[[], None]]:
    """What has to be called for each endpoint."""
    calls: dict[str, t.Callable[[], None]] = {}
    timeout = params["timeout"]
    if params["webhook_url"]:
        key = f"aidc.ops:{params['case_id']}:{params['step']}"

        def post() -> None:
            token = read_token(params["token_file"]) if params["token_file"] else None
            post_json(params["webhook_url"], message(params, jobs), key, timeout, token, params["ca_path"])

        calls["webhook"] = post
    to = receivers(params, jobs)
    if to:
        subject = f"[aidc.ops] {params['subject']}"

        def mail() -> None:
            send_mail(params["mail_host"], params["mail_from"], to, subject, mail_text(params, jobs), timeout)

        calls["mail"] = mail
    return calls


def sent_before(path: str) -> list[str]:
    """The endpoints that have the message already. What cannot be read was not sent: twice is better than never."""
    try:
        with open(path, encoding="utf-8") as stream:
            found = json.load(stream)
        return [str(name) for name in found["sent"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def remember(path: str, sent: list[str]) -> str | None:
    """Write down who has the message; why that failed, None if it did not."""
    try:
        os.makedirs(os.path.dirname(path), mode=0o750, exist_ok=True)
        atomic_file.write(path, json.dumps({"sent": sorted(sent), "at": time.time()}) + "\n", _MODE)
    except (OSError, atomic_file.FileError) as error:
        return f"it cannot be remembered that the message was sent: {error}"
    return None


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **console.CONFIG_OPTION,
            "case_id": {"type": "int", "required": True},
            "step": {"type": "str", "required": True},
            "directory": {"type": "path", "required": True},
            "node": {"type": "str", "required": True},
            "subject": {"type": "str", "required": True},
            "text": {"type": "str", "required": True},
            "details": {"type": "dict", "default": {}},
            "jobs": {"type": "bool", "default": False},
            "webhook_url": {"type": "str"},
            "token_file": {"type": "path", "no_log": False},
            "ca_path": {"type": "path"},
            "mail_to": {"type": "list", "elements": "str", "default": []},
            "mail_from": {"type": "str", "default": "aidc-ops@localhost"},
            "mail_host": {"type": "str", "default": "localhost"},
            "owner_domain": {"type": "str", "default": ""},
            "timeout": {"type": "float", "default": 2},
        },
        supports_check_mode=True,
    )
    params = module.params
    if not _STEP.fullmatch(params["step"]):
        module.fail_json(msg=f"step has to be the name of a step, not {params['step'][:80]!r}")
    path = os.path.join(params["directory"], f"notified_{params['step']}.json")
    problems: list[str] = []
    jobs: list[dict[str, t.Any]] = []
    if params["jobs"]:
        try:
            jobs = jobs_on(params)
        except AidcOpsError as error:
            problems.append(f"the jobs on the node are not known: {error}")
    before = sent_before(path)
    calls = {name: call for name, call in senders(params, jobs).items() if name not in before}
    sent = list(before)
    if not module.check_mode:
        outcome = bounded(calls, params["timeout"])
        problems += [f"{name}: {problem}" for name, problem in outcome.items() if problem is not None]
        now = [name for name, problem in outcome.items() if problem is None]
        forgotten = remember(path, before + now) if now else None
        problems += [forgotten] if forgotten else []
        sent += now
    for problem in problems:
        module.warn(problem)
    changed = bool(calls) if module.check_mode else len(sent) > len(before)
    module.exit_json(changed=changed, sent=sorted(sent), problems=problems, jobs=jobs)


if __name__ == "__main__":
    main()
