# What may be written down of a task, and what must not.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Safe by what is let through, not by what is found: values of known harmless arguments only, without what variables
hold, and differences as numbers. For a vaulted value looks like any other once it is put in. Patterns that look for
secrets come on top of that."""

from __future__ import annotations

import re
import typing as t
from collections import Counter

MASK = "***"
TEXT_LIMIT = 300
_READ_LIMIT = 4000
"""Patterns look at so much text: enough for a command, and too little to be slow."""

# Arguments whose values say what was done to what, whichever the module. All others are named only.
_HARMLESS = frozenset(
    """
    action backup baseurl branch case_id chdir creates cron_file daemon_reload database day db dest device enabled
    executable follow force fstype gid gpu gpus group groups host hostname hosts hour job masked method minute mode
    month name names node nodes opts owner package path paths pkg port protocol reason recurse remote_src removes repo
    service shell special_time src state step system table uid unit url user version weekday
    """.split()  # noqa: SIM905 (a list of them would be 70 lines)
)
_COMMANDS = frozenset(
    f"{prefix}{name}"
    for name in ("command", "shell", "raw", "script", "expect")
    for prefix in ("", "ansible.builtin.", "ansible.legacy.")
)
_COMMAND_ARGUMENTS = ("_raw_params", "cmd", "command", "argv", "free_form")

_WORDS = r"pass(?:word|wd|phrase|code)?|pwd|secret|token|credential|api[_-]?key|access[_-]?key|private[_-]?key|auth"
_SECRET_NAME = re.compile(r"pass|pwd|secret|token|cred|key|auth|cookie|vault|private|community|salt", re.IGNORECASE)
_VALUE = r"""(?:"[^"]*"|'[^']*'|[^\s"',;&|]+)"""
_PATTERNS = (
    (re.compile(r"\$ANSIBLE_VAULT;.*", re.DOTALL), MASK),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY.*", re.DOTALL), MASK),
    # A password in front of a host.
    (re.compile(r"([a-z][a-z0-9+.-]{0,20}://[^\s/:@]{0,100}:)[^\s/@]+@", re.IGNORECASE), rf"\1{MASK}@"),
    (re.compile(r"\b((?:bearer|basic|digest|negotiate)\s+)[\w.~+/=-]{6,}", re.IGNORECASE), rf"\1{MASK}"),
    # password=x, "token": "x", --api-key x, DB_PASSWORD: x
    (
        re.compile(rf"""((?:{_WORDS})[\w-]{{0,40}}["']?\s{{0,3}}(?:=|:)\s{{0,3}}){_VALUE}""", re.IGNORECASE),
        rf"\1{MASK}",
    ),
    (re.compile(rf"(--?[\w-]{{0,40}}(?:{_WORDS}|key)[\w-]{{0,40}}\s{{1,3}}){_VALUE}", re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(r"\b(pass(?:in|out)?\s+|(?:pass|env|file):)\S+", re.IGNORECASE), rf"\1{MASK}"),
    # Programs with short options for passwords.
    (re.compile(rf"(\b(?:mysql|mariadb)[\w-]*\b[^|;&]*?\s-p)(?!\s|$){_VALUE}"), rf"\1{MASK}"),
    (re.compile(rf"(\b(?:sshpass|docker|podman|kinit|psexec|smbclient)\b[^|;&]*?\s-p\s?){_VALUE}"), rf"\1{MASK}"),
    (re.compile(rf"(\b(?:ipmitool|ipmi-\w+|bmc-\w+)\b[^|;&]*?\s-[Pp]\s?){_VALUE}"), rf"\1{MASK}"),
    (re.compile(rf"(\b(?:ldap\w+|redis-cli|snmp\w+)\b[^|;&]*?\s-[waAXc]\s?){_VALUE}"), rf"\1{MASK}"),
    (re.compile(rf"(\b(?:curl|wget|smbclient)\b[^|;&]*?\s-[uU]\s?){_VALUE}"), rf"\1{MASK}"),
    (re.compile(r"(\b(?:htpasswd|chpasswd|passwd)\b\s)[^|;&]+"), rf"\1{MASK}"),
    (re.compile(r"\becho\s[^|]+(\|\s*(?:sudo\s+)?(?:chpasswd|passwd)\b)"), rf"echo {MASK} \1"),
    # Things that are secrets wherever they stand.
    (re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"), MASK),
    (re.compile(r"\b(?:gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|sk-|hvs\.|nvapi-|hf_)[\w-]{16,}"), MASK),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?"), MASK),
    (re.compile(r"\$(?:1|2[abxy]?|5|6|y|gy|argon2\w{1,2}|pbkdf2-\w+)\$[\w./$,=+-]{8,}"), MASK),
)


def redact(text: object, limit: int = TEXT_LIMIT) -> str:
    """Return *text* without what looks like a secret, printable, in one line of at most *limit* characters."""
    found = str(text)[:_READ_LIMIT]
    for pattern, replacement in _PATTERNS:
        found = pattern.sub(replacement, found)
    found = " ".join("".join(c if c.isprintable() else " " for c in found).split())
    return found if len(found) <= limit else f"{found[: limit - 1]}…"


def is_secret_name(name: object) -> bool:
    """Say whether the value under such a name is nobody's business."""
    return bool(_SECRET_NAME.search(str(name)))


def command_of(module: str, written: t.Any, used: t.Mapping[str, t.Any] | None = None) -> str:
    """Return the command of a task as it is *written* in the playbook, or nothing if the module runs none.

    *used* is what became of the arguments with the variables put in, if these may be told.
    """
    if module not in _COMMANDS or not isinstance(written, t.Mapping):
        return ""
    for name in _COMMAND_ARGUMENTS:
        value = written.get(name)
        if value is None or isinstance(value, t.Mapping):
            continue
        if used is not None and _is_plain(value):
            value = used.get(name) or value
        if isinstance(value, list | tuple):
            return redact(" ".join(str(part) if _is_plain(part) else MASK for part in value))
        return redact(value) if _is_plain(value) else MASK
    return ""


def arguments_of(module: str, written: t.Any, used: t.Mapping[str, t.Any] | None = None) -> dict[str, t.Any]:
    """Return what may be told of a task's arguments, *written* and *used* as above.

    Values of known harmless ones, and only the names of the others, under ``others``.
    """
    if module in _COMMANDS or not isinstance(written, t.Mapping):
        return {}
    told: dict[str, t.Any] = {}
    others = []
    for name in sorted(str(name) for name in written)[:50]:
        value = written[name]
        if name in _HARMLESS and _is_plain(value):
            if used is not None and not ("{{" in str(value) and is_secret_name(value)):
                value = used.get(name, value)
            shown = _shown(name, value)
            if shown is not None:
                told[name] = shown
                continue
        others.append(redact(name, 60))
    if others:
        told["others"] = others
    return told


def _shown(name: str, value: t.Any) -> t.Any:
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        # Behind the host, the address of a web hook is a password.
        return redact(re.sub(r"^([a-z]+://[^/]+/).+", r"\1…", value) if name == "url" else value, 200)
    if isinstance(value, list | tuple) and all(isinstance(part, str | int) for part in value):
        return [redact(part, 100) for part in value[:20]]
    return None


def difference_of(result: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """Return a summary of the differences in a task's result: where, and how many lines came and went."""
    found: list[dict[str, t.Any]] = []
    for part in [result, *_mappings(result.get("results"))]:
        differences = part.get("diff")
        for item in _mappings(differences if isinstance(differences, list) else [differences]):
            summary = _difference(item)
            if summary and len(found) < 20:
                found.append(summary)
    return found


def _difference(item: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    where = item.get("after_header") or item.get("before_header") or item.get("path") or ""
    summary: dict[str, t.Any] = {"path": redact(where, 200)} if isinstance(where, str) and where else {}
    before, after, prepared = item.get("before"), item.get("after"), item.get("prepared")
    if isinstance(prepared, str):
        lines = prepared[: 1024 * 1024].splitlines()
        summary["added"] = sum(line.startswith("+") and not line.startswith("+++") for line in lines)
        summary["removed"] = sum(line.startswith("-") and not line.startswith("---") for line in lines)
    elif isinstance(before, t.Mapping) and isinstance(after, t.Mapping):
        names = [str(name) for name in {**before, **after} if before.get(name) != after.get(name)]
        if not names:
            return {}
        summary["fields"] = [redact(name, 60) for name in sorted(names)[:20]]
    elif isinstance(before, str) and isinstance(after, str):
        if before == after:
            return {}
        if len(before) + len(after) <= 1024 * 1024:
            had, has = Counter(before.splitlines()), Counter(after.splitlines())
            summary["added"], summary["removed"] = (has - had).total(), (had - has).total()
        else:
            summary["bytes"] = [len(before), len(after)]
    return summary


def items_of(result: t.Mapping[str, t.Any], named: bool = False) -> dict[str, t.Any]:
    """Return how many items of a loop there were, changed and failed, and if *named* the names of those two kinds."""
    items = _mappings(result.get("results"))
    if not items:
        return {}
    changed = [item for item in items if item.get("changed") and not item.get("failed")]
    failed = [item for item in items if item.get("failed") or item.get("unreachable")]
    summary: dict[str, t.Any] = {"total": len(items), "changed": len(changed), "failed": len(failed)}
    if not named:
        return summary
    labels = [
        item.get("_ansible_item_label", item.get("item")) for item in (failed + changed)[:20] if "censored" not in item
    ]
    names = [redact(label, 80) for label in labels if isinstance(label, str | int)]
    if names:
        summary["names"] = names
    return summary


def is_hidden(result: t.Mapping[str, t.Any]) -> bool:
    """Say whether ``no_log`` has hidden the result, or a part of it."""
    return "censored" in result or any("censored" in item for item in _mappings(result.get("results")))


def _mappings(values: t.Any) -> list[t.Mapping[str, t.Any]]:
    return [value for value in values if isinstance(value, t.Mapping)] if isinstance(values, list | tuple) else []


def _is_plain(value: t.Any) -> bool:
    """Say whether *value* is what it seems; a vaulted value is an object of its own kind, or begins with its mark."""
    if isinstance(value, list | tuple):
        return all(_is_plain(part) for part in value)
    return isinstance(value, str | int | float | bool) and not str(value).lstrip().startswith("$ANSIBLE_VAULT")
