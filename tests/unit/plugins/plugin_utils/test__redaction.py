# Tests of what an audit log may say.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import time
import typing as t

import pytest
from ansible.parsing.vault import EncryptedString

from ansible_collections.aidc.ops.plugins.plugin_utils import _redaction as redaction

HIDDEN = "hunter2hunter2"
VAULTED = EncryptedString(ciphertext=f"$ANSIBLE_VAULT;1.1;AES256\n{HIDDEN}")
COMMAND = "ansible.builtin.command"


@pytest.mark.parametrize(
    "text",
    [
        f"mysql -u root -p{HIDDEN} -e 'select 1'",
        f"mysqldump --password={HIDDEN} db",
        f"curl -u admin:{HIDDEN} https://example.com",
        f"curl -H 'Authorization: Bearer {HIDDEN}' https://example.com",
        f"curl https://admin:{HIDDEN}@example.com/path",
        f"git clone https://x-access-token:{HIDDEN}@example.com/a.git",
        f"sshpass -p {HIDDEN} ssh host",
        f"ipmitool -I lanplus -H bmc1 -U admin -P {HIDDEN} power status",
        f"ldapsearch -x -D cn=admin -w {HIDDEN}",
        f"redis-cli -a {HIDDEN} ping",
        f"docker login -u user -p {HIDDEN} registry",
        f"snmpwalk -v2c -c {HIDDEN} switch1",
        f"openssl rsa -passin pass:{HIDDEN} -in key.pem",
        f"echo {HIDDEN} | sudo passwd --stdin user",
        f"echo root:{HIDDEN} | chpasswd",
        f"PGPASSWORD={HIDDEN} psql",
        f"DB_PASSWORD='{HIDDEN} with blanks' run",
        f"tool --api-key {HIDDEN}",
        f"tool --auth-token={HIDDEN}",
        f"tool --client-secret '{HIDDEN}'",
        f"tool --private-key {HIDDEN}",
        f'{{"password": "{HIDDEN}", "user": "x"}}',
        f"token: {HIDDEN}",
        f"Login failed, passphrase = {HIDDEN}",
        f"$ANSIBLE_VAULT;1.1;AES256\n{HIDDEN}",
        f"-----BEGIN OPENSSH PRIVATE KEY-----\n{HIDDEN}",
        f"bearer {HIDDEN}",
        f"usermod -p '$6$salt${HIDDEN}' user",
        f"ghp_{HIDDEN}{HIDDEN}",
        f"glpat-{HIDDEN}{HIDDEN}",
        f"hf_{HIDDEN}{HIDDEN}",
        f"eyJ{HIDDEN}.eyJ{HIDDEN}.{HIDDEN}",
    ],
)
def test_secrets_in_text(text: str) -> None:
    found = redaction.redact(text, 1000)
    assert HIDDEN not in found and redaction.MASK in found


@pytest.mark.parametrize(
    "text",
    [
        "systemctl restart slurmd",
        "rsync -a /etc/a b:/c",
        "mkdir -p /var/lib/x",
        "nvidia-smi --gpu-reset -i 0",
        "grep -c processor /proc/cpuinfo",
        "non-zero return code",
        "cp -p a b; ls -u",
        "https://example.com/path?a=b",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redaction.redact(text) == text


def test_text_is_one_printable_line_of_limited_length() -> None:
    found = redaction.redact("a\x00b\x1b[31m\n\n  c" + "x" * 100_000)
    assert found.startswith("a b [31m cx") and len(found) == redaction.TEXT_LIMIT and found.isprintable()


@pytest.mark.parametrize(
    "text", ["-" * 99999, "a" * 99999, "pass" * 25000, "mysql " * 17000, '"' * 99999, "--key " * 17000, "://" * 33333]
)
def test_no_text_is_slow(text: str) -> None:
    began = time.perf_counter()
    redaction.redact(text)
    assert time.perf_counter() - began < 0.5


@pytest.mark.parametrize(
    ("written", "used", "told"),
    [
        ({"_raw_params": "rm -rf {{ where }}"}, None, "rm -rf {{ where }}"),
        ({"_raw_params": "rm -rf {{ where }}"}, {"_raw_params": "rm -rf /x"}, "rm -rf /x"),
        ({"cmd": "true"}, {}, "true"),
        ({"argv": ["echo", 1, "--token", "x1"]}, None, "echo 1 --token ***"),
        ({"argv": ["echo", VAULTED]}, {"argv": ["echo", HIDDEN]}, "echo ***"),
        ({"cmd": VAULTED}, {"cmd": HIDDEN}, "***"),
        ({"chdir": "/x"}, None, ""),
        ("nonsense", None, ""),
    ],
)
def test_commands(written: t.Any, used: t.Any, told: str) -> None:
    assert redaction.command_of(COMMAND, written, used) == told
    assert redaction.arguments_of(COMMAND, written, used) == {}
    assert redaction.command_of("ansible.builtin.copy", written, used) == ""


def test_only_harmless_arguments_are_told() -> None:
    written = {
        "name": "{{ vault_name }}",
        "path": "/etc/{{ x }}",
        "enabled": True,
        "mode": "0600",
        "url": "https://hooks.example.com/services/T0/B0/hidden",
        "state": VAULTED,
        "content": HIDDEN,
        "password": HIDDEN,
        "src": {"a": HIDDEN},
        "groups": ["a", "b"],
    }
    told = redaction.arguments_of("any.thing.module", written)
    assert told == {
        "enabled": True,
        "groups": ["a", "b"],
        "mode": "0600",
        "name": "{{ vault_name }}",
        "others": ["content", "password", "src", "state"],
        "path": "/etc/{{ x }}",
        "url": "https://hooks.example.com/…",
    }
    used = {**written, "name": HIDDEN, "path": "/etc/y", "state": HIDDEN}
    told = redaction.arguments_of("any.thing.module", written, used)
    assert told["path"] == "/etc/y" and HIDDEN not in str(told)


def test_many_arguments_are_not_a_long_line() -> None:
    assert len(str(redaction.arguments_of("m", {f"n{number}" + "x" * 500: 1 for number in range(9999)}))) < 5000


@pytest.mark.parametrize(
    ("diff", "told"),
    [
        (
            {"before": "a\nb\n", "after": "a\nc\nd\n", "after_header": "/etc/x"},
            {"path": "/etc/x", "added": 2, "removed": 1},
        ),
        ({"before": "a", "after": "a"}, None),
        ({"prepared": "--- a\n+++ b\n+x\n-y\n-z\n"}, {"added": 1, "removed": 2}),
        ({"before": {"mode": 1, "same": 2}, "after": {"mode": 3, "same": 2, "new": 4}}, {"fields": ["mode", "new"]}),
        ({"before": {"a": 1}, "after": {"a": 1}}, None),
        ({"before": "", "after": "x" * 1024 * 1024 * 2}, {"bytes": [0, 2 * 1024 * 1024]}),
        ("text", None),
        (None, None),
        ({"before": 1, "after": 2, "after_header": 5}, None),
    ],
)
def test_a_difference_is_numbers(diff: t.Any, told: dict[str, t.Any] | None) -> None:
    wanted = [told] if told else []
    assert redaction.difference_of({"diff": diff}) == wanted
    assert redaction.difference_of({"diff": [diff]}) == wanted
    assert redaction.difference_of({"results": [{"diff": diff}, 5]}) == wanted


def test_the_content_of_a_difference_is_never_told() -> None:
    told = redaction.difference_of({"diff": {"before": HIDDEN, "after": f"{HIDDEN}\n{HIDDEN}", "before_header": "x"}})
    assert HIDDEN not in str(told)


def test_items() -> None:
    result = {
        "results": [
            {"changed": True, "_ansible_item_label": "one"},
            {"changed": False, "_ansible_item_label": "two"},
            {"failed": True, "changed": True, "item": 3},
            {"changed": True, "item": {"password": HIDDEN}},
            {"changed": True, "item": "hidden", "censored": "x"},
            "odd",
        ]
    }
    assert redaction.items_of(result) == {"total": 5, "changed": 3, "failed": 1}
    assert redaction.items_of(result, named=True)["names"] == ["3", "one"]
    assert redaction.items_of({"results": []}) == {} == redaction.items_of({})


def test_no_log_hides() -> None:
    assert redaction.is_hidden({"censored": "x"})
    assert redaction.is_hidden({"results": [{"censored": "x"}]})
    assert not redaction.is_hidden({"results": [{"msg": "x"}]})
