#!/usr/bin/python
# Module: looks after the ledger of the remediation loop: checks it, prunes it, copies it to PostgreSQL.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: case_ledger
version_added: 0.1.0
short_description: Check or prune the ledger of the remediation loop, or copy it to PostgreSQL
description:
  - The ledger holds all signals, faults, cases and steps. It is an SQLite file, or a PostgreSQL database once more than
    one controller works on the same nodes.
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
    details: Rows of each table. With O(state=checked) nothing changes, so there is no difference.
  idempotent:
    support: full
requirements:
  - psycopg 3 with libpq, for a ledger in PostgreSQL
options:
  state:
    description:
      - V(checked) opens the ledger, reads all of it and counts its rows. It fails if the ledger is damaged, or of a
        newer version than this collection knows. It changes nothing.
      - V(copied) copies every row, with its id, from the SQLite file O(ledger) into the PostgreSQL database O(target),
        in one transaction. A target that holds exactly these rows already is left alone. One that holds others is an
        error, and so is a ledger that a service or a run still writes to.
      - V(pruned) forgets the signals and the history of cases that were closed more than O(keep_days) ago. The cases
        themselves stay, with their faults and attempts, and so does everything about open cases. The service may run.
    type: str
    choices: [checked, copied, pruned]
    default: checked
  ledger:
    description:
      - The ledger to look after, a path or a C(postgresql://) URL. Without it, the one that the settings
        file names.
    type: str
  password_file:
    description:
      - File whose first line is the password for the O(ledger), if that is in PostgreSQL. Without it and without
        O(ledger), the one that the settings file names. Otherwise libpq looks into its own password file.
    type: path
  target:
    description:
      - The C(postgresql://) URL of the database to copy into, as libpq takes it (C(sslmode) and so on), without a
        password. Needed with O(state=copied).
    type: str
  target_password_file:
    description: File whose first line is the password for the O(target).
    type: path
  keep_days:
    description: How many days of history stay. Needed with O(state=pruned).
    type: int
seealso:
  - module: aidc.ops.case_info
"""

EXAMPLES = r"""
- name: Is the ledger whole?
  aidc.ops.case_ledger:
  delegate_to: localhost
  register: looked

- name: Move to PostgreSQL, while the service is stopped
  aidc.ops.case_ledger:
    state: copied
    ledger: /var/lib/aidc_ops/ledger.sqlite
    target: postgresql://aidc_ops@db1.example/aidc_ops?sslmode=verify-full
    target_password_file: /etc/aidc_ops/ledger_password
  delegate_to: localhost

- name: Forget the history of more than a year ago
  aidc.ops.case_ledger:
    state: pruned
    keep_days: 366
  delegate_to: localhost
"""

RETURN = r"""
ledger:
  description: The ledger that was looked after; in check mode as it would be afterwards.
  returned: success
  type: dict
  contains:
    name: {description: Its path; of a database its name and server., type: str}
    version: {description: Version of its tables., type: int}
    current: {description: Whether it is that of this collection; the service updates an older one., type: bool}
    tables:
      description: Rows of each table.
      type: dict
      sample: {cases: 17, signals: 204}
target:
  description: The same of the target afterwards; in check mode as it would be.
  returned: with O(state=copied)
  type: dict
pruned:
  description: How many rows went, by table.
  returned: with O(state=pruned)
  type: dict
  sample: {events: 1200, signals: 840}
"""

import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils._cases import console, store_copy
from ansible_collections.aidc.ops.plugins.module_utils._cases.ledger import Ledger
from ansible_collections.aidc.ops.plugins.module_utils._cases.schema import MIGRATIONS
from ansible_collections.aidc.ops.plugins.module_utils._cases.store import Store, is_server, open_store
from ansible_collections.aidc.ops.plugins.module_utils._errors import AidcOpsError, LedgerError


def describe(store: Store) -> dict:
    """The ledger as the module returns it."""
    version = store.version()
    return {
        "name": store.name,
        "version": version,
        "current": version == len(MIGRATIONS),
        "tables": store_copy.counts(store) if version else {},
    }


def checked(location: str, password_file: str | None) -> dict:
    """The description of a ledger that is whole; LedgerError if it is not."""
    store = open_store(location, password_file=password_file, any_version=True)
    answer = describe(store)
    if answer["version"] == 0:
        raise LedgerError(f"There is no ledger in {store.name}: it has none of its tables.")
    if answer["version"] > len(MIGRATIONS):
        raise LedgerError(
            f"The ledger {store.name} has version {answer['version']}, this collection knows {len(MIGRATIONS)}. "
            "Install the collection that wrote it, or a newer one."
        )
    problems = store.problems()
    if problems:
        raise LedgerError(
            f"The ledger {store.name} is damaged: {'; '.join(problems)[:2000]}. Stop the service, keep the file as it "
            "is, and go back to the last backup."
        )
    return answer


def copied(module: AnsibleModule, location: str, password_file: str | None) -> dict:
    """Copies unless the target is that copy already; the answer of the module."""
    target, target_file = module.params["target"], module.params["target_password_file"]
    if is_server(location) or not is_server(target):
        raise LedgerError(
            "Copying goes from an SQLite file (ledger) to a PostgreSQL database (target: a postgresql:// URL)."
        )
    source = open_store(location, password_file=password_file, read_only=True)
    looked = open_store(target, password_file=target_file, any_version=True)
    before = describe(looked)
    same = store_copy.holds_the_same(source, looked)
    looked.close()
    after = {**before, "version": len(MIGRATIONS), "current": True, "tables": store_copy.counts(source)}
    if not same:
        store_copy.check_source(source, time.time())
        if not module.check_mode:
            made = open_store(target, password_file=target_file)
            store_copy.copy(source, made)
            after = describe(made)
    answer = {"changed": not same, "ledger": describe(source), "target": before if same else after}
    if not same:
        answer["diff"] = {
            "before_header": before["name"],
            "after_header": before["name"],
            "before": before["tables"],
            "after": after["tables"],
        }
    return answer


def pruned(module: AnsibleModule, location: str, password_file: str | None) -> dict:
    """Forgets what is old; the answer of the module."""
    keep_days = module.params["keep_days"]
    if keep_days < 1:
        raise LedgerError(f"keep_days has to be 1 or more, not {keep_days}.")
    ledger = Ledger(location, dry_run=module.check_mode, password_file=password_file)
    before = describe(open_store(location, read_only=True, password_file=password_file))
    gone = ledger.prune(time.time() - keep_days * 86400.0)
    after = {name: number - gone.get(name, 0) for name, number in before["tables"].items()}
    answer = {"changed": any(gone.values()), "ledger": {**before, "tables": after}, "pruned": gone}
    if answer["changed"]:
        answer["diff"] = {
            "before_header": before["name"],
            "after_header": before["name"],
            "before": before["tables"],
            "after": after,
        }
    return answer


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **console.CONFIG_OPTION,
            "state": {"type": "str", "choices": ["checked", "copied", "pruned"], "default": "checked"},
            "ledger": {"type": "str"},
            "password_file": {"type": "path", "no_log": False},
            "target": {"type": "str"},
            "target_password_file": {"type": "path", "no_log": False},
            "keep_days": {"type": "int"},
        },
        required_if=[("state", "copied", ["target"]), ("state", "pruned", ["keep_days"])],
        supports_check_mode=True,
    )
    location, password_file = module.params["ledger"], module.params["password_file"]
    try:
        if location is None:
            settings = console.settings_of(module.params["config"])
            location, password_file = settings.ledger, password_file or settings.ledger_password_file
        if module.params["state"] == "copied":
            answer = copied(module, location, password_file)
        elif module.params["state"] == "pruned":
            answer = pruned(module, location, password_file)
        else:
            answer = {"changed": False, "ledger": checked(location, password_file)}
    except AidcOpsError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**answer)


if __name__ == "__main__":
    main()
