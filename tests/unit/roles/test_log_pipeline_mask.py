# Tests of what is masked in log lines, with the rules that the role writes.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import importlib.util
import io
import json
import re
import sys
import time
from typing import Any

import pytest
from render import ROOT, render

PROGRAM = ROOT / "roles" / "log_pipeline" / "files" / "log_mask.py"
KEY = b"0123456789abcdef"


def _load() -> Any:
    spec = importlib.util.spec_from_file_location("log_mask_of_role", PROGRAM)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["log_mask_of_role"] = module
    spec.loader.exec_module(module)
    return module


mask = _load()


def rules(**variables: Any) -> str:
    return render("log_pipeline", "mask_rules.json.j2", **variables)


PLAIN = mask.Masker(rules())


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        ("Failed password for invalid user bob from 203.0.113.9 port 4242 ssh2",
         "Failed password for invalid user [user] from [ip] port 4242 ssh2"),
        ("Accepted publickey for alice from 2001:db8::17 port 50112 ssh2",
         "Accepted publickey for [user] from [ip] port 50112 ssh2"),
        ("pam_unix(sshd:session): session opened for user alice(uid=1004) by carol(uid=1005)",
         "pam_unix(sshd:session): session opened for user [user](uid=[uid]) by [user](uid=[uid])"),
        ("pam_unix(su:session): session opened for user root(uid=0) by (uid=0)",
         "pam_unix(su:session): session opened for user root(uid=0) by (uid=0)"),
        ("alice : TTY=pts/0 ; PWD=/home/alice/x ; USER=root ; COMMAND=/bin/env PASSWORD=hunter2 ls",
         "[user] : TTY=pts/0 ; PWD=/home/[user]/x ; USER=root ; COMMAND=/bin/env PASSWORD=[secret] ls"),
        ("(dave) CMD (/usr/local/bin/backup --token s3cr3t)", "([user]) CMD (/usr/local/bin/backup --token [secret]"),
        ("(to root) alice on pts/1", "(to root) [user] on pts/1"),
        ("New session 12 of user erin.", "New session 12 of user [user]."),
        ('password authentication failed for user "o\'brien x"',
         'password authentication failed for user "[user]"'),
        ('FATAL: role "frank" does not exist', 'FATAL: role "[user]" does not exist'),
        ("mail to alice.smith+x@mail.example.org!", "mail to [mail]!"),
        ("getty@tty1.service: started, user@1000.service too", "getty@tty1.service: started, user@[uid].service too"),
        ("postgresql://app:p@ss@db.example.org:5432/x", "postgresql://[secret]@db.example.org:5432/x"),
        ('{"user":"frank","password":"a b","n":1}', '{"user":"[user]","password":[secret],"n":1}'),
        (r'{\"token\":\"hunter2\"} tail', r'{\"token\":\"[secret] tail'),
        ("Authorization: Bearer abc.def.ghi next", "Authorization: [secret] next"),
        ("got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2ln here", "got [secret] here"),
        ("key AKIAIOSFODNN7EXAMPLE and ghp_" + "a" * 36, "key [secret] and [secret]"),
        ("AWS_SECRET_ACCESS_KEY=abc/def+ghi DBPASSWORD: 'x y'", "AWS_SECRET_ACCESS_KEY=[secret] DBPASSWORD: [secret]"),
        ("client [2001:db8::1]:443 2001:db8::2: refused, from:2001:db8::3 010.1.2.3 10.1.2.3.443",
         "client [[ip]]:443 [ip]: refused, from:[ip] [ip] [ip].443"),
        ("User Slice of UID 1000 below /run/user/1000/bus", "User Slice of UID [uid] below /run/user/[uid]/bus"),
        ("saved C:\\Users\\Grace\\model", "saved C:\\Users\\[user]\\model"),
    ],
)  # fmt: skip
def test_what_belongs_to_persons_is_masked(line: str, masked: str) -> None:
    assert PLAIN.mask(line) == masked


@pytest.mark.parametrize(
    "line",
    [
        "NVRM: Xid (PCI:0000:1b:00): 79, pid=1234, name=python, GPU has fallen off the bus.",
        "driver 550.54.15 at 12:30:45, mac aa:bb:cc:dd:ee:ff, gid fe80::1, guid b83f:d203:00c2:1234",
        "listening on 127.0.0.1:9090, [::1]:9090 and 0.0.0.0:22",
        "max_tokens=4096 tokenizer: loaded, std::vector<T>, 999.1.1.1, step 1.2.3",
        "EDAC MC0: 1 CE memory read error on CPU_SrcID#0_Ha#0 (channel:1 slot:0 page:0x1f offset:0x2 grain:32)",
        "slurmd: launch task StepId=12.0 request from UID:0 GID:0 HOST:ctl PORT:40000",
        "mlx5_core 0000:3b:00.0 ib0: Link down",
        "Started Session c1 of User root.",
    ],
)
def test_what_an_operator_needs_stays(line: str) -> None:
    assert PLAIN.mask(line) == line


def test_equal_values_have_equal_marks_with_the_key_alone() -> None:
    keyed = mask.Masker(rules(), KEY)
    first, second = keyed.mask("session of user alice, home /home/alice"), keyed.mask("for user bob from 10.1.1.1")
    marks = re.findall(r"\[user:([0-9a-f]{10})\]", first)
    assert len(marks) == 2 and marks[0] == marks[1]
    assert marks[0] not in second and "bob" not in second and "[ip:" in second
    other = mask.Masker(rules(), KEY[::-1])
    assert other.mask("for user bob from 10.1.1.1") != second
    # What is secret has no mark that a guess could be compared with.
    assert keyed.mask("password=hunter2") == "password=[secret]"


def test_no_rule_finds_something_in_a_mark() -> None:
    keyed = mask.Masker(rules(log_pipeline_mask_rules=[{"name": "word", "pattern": "user|[0-9a-f]{10}|secret"}]), KEY)
    line = keyed.mask("for user alice password=hunter2 \U000f0000")
    assert re.fullmatch(r"for \[word:\w{10}\] \[user:[0-9a-f]{10}\] password=\[secret\] \?", line), line


@pytest.mark.slow
def test_very_many_marks_stay_marks() -> None:
    masker = mask.Masker(rules(log_pipeline_line_length=60000), KEY)
    text = masker.mask(" ".join(f"10.{n // 65536}.{n // 256 % 256}.{n % 256}" for n in range(70000)))
    assert "10." not in text and text.startswith("[ip:")


def test_a_site_adds_rules_and_keeps_networks() -> None:
    masker = mask.Masker(
        rules(
            log_pipeline_mask_rules=[
                {"name": "project", "pattern": r"project-(?P<value>\w+)", "keep": ["open"]},
                {"name": "badge", "pattern": r"\bB\d{6}\b", "secret": True},
            ],
            log_pipeline_keep_networks=["10.0.0.0/8"],
            log_pipeline_keep_users=["svc"],
        )
    )
    assert masker.mask("project-apollo project-open badge B123456") == "project-[project] project-open badge [badge]"
    assert (
        masker.mask("10.1.2.3 for user svc, 192.0.2.1 for user root") == "10.1.2.3 for user svc, [ip] for user [user]"
    )


def test_a_site_rule_is_text_and_no_template() -> None:
    pattern = r"{{ lookup('ansible.builtin.pipe', 'touch /tmp/aidc_ops_hostile') }}"
    assert (
        json.loads(rules(log_pipeline_mask_rules=[{"name": "x", "pattern": pattern}]))["rules"][-1]["pattern"]
        == pattern
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "no JSON"),
        ("[]", "need the form"),
        ('{"rules": {}, "max_length": 500}', "need the form"),
        ('{"rules": [], "max_length": "500"}', "max_length"),
        ('{"rules": [], "max_length": 99}', "max_length"),
        ('{"rules": [7], "max_length": 500}', "a rule is a dictionary"),
        ('{"rules": [{"name": "A", "pattern": "a"}], "max_length": 500}', "lower-case"),
        ('{"rules": [{"name": "a"}], "max_length": 500}', "rule a: pattern"),
        ('{"rules": [{"name": "a", "pattern": "("}], "max_length": 500}', "rule a: pattern"),
        ('{"rules": [{"name": "a", "pattern": 7}], "max_length": 500}', "rule a: pattern"),
        ('{"rules": [{"name": "a", "pattern": "x*"}], "max_length": 500}', "empty text"),
        ('{"rules": [{"name": "a", "pattern": "x", "with": "y"}], "max_length": 500}', "unknown key with"),
        ('{"rules": [{"name": "a", "pattern": "x", "keep": "y"}], "max_length": 500}', "keep is a list"),
        ('{"rules": [{"name": "a", "pattern": "x", "address": true, "keep": ["y"]}], "max_length": 500}', "networks"),
    ],
)
def test_rules_that_cannot_work_are_refused(text: str, why: str) -> None:
    with pytest.raises(mask.RuleError, match=re.escape(why)):
        mask.Masker(text)


def test_a_short_key_is_refused() -> None:
    with pytest.raises(mask.RuleError, match="at least 16"):
        mask.Masker(rules(), b"short")


def test_what_does_something_on_a_screen_is_taken_out() -> None:
    assert PLAIN.mask("a\x1b[2J\x00\nb\u2028c\tdé\U0001f600\x9b") == "a?[2J??b?c\tdé\U0001f600?"


def test_a_line_is_cut_after_it_was_masked() -> None:
    masker = mask.Masker(rules(log_pipeline_line_length=100))
    # The mail address lies across the cut.
    assert masker.mask("x" * 90 + " alice@example.org") == "x" * 90 + " [mail]"
    assert masker.mask("x" * 95 + " alice@example.org") == "x" * 95 + " [mai"


def test_each_message_has_one_line_of_answer() -> None:
    messages = [
        json.dumps({"msg": " for user bob\n", "programname": "sshd"}).encode(),
        b"\xff\xfe no json",
        b"[]",
        b"",
        b'{"msg": null, "programname": 7}',
        b"[" * 100000,
        json.dumps({"msg": "x" * 200000, "programname": "p" * 500}).encode(),
        json.dumps({"msg": "\ud800 \x00 alice@example.org", "programname": "alice@example.org"}).encode(),
    ]
    sink = io.BytesIO()
    mask.run(PLAIN, io.BytesIO(b"".join(message + b"\n" for message in messages)), sink)
    answers = [json.loads(line) for line in sink.getvalue().splitlines()]
    assert len(answers) == len(messages)
    assert answers[0] == {"$!": {"aidc": {"line": "for user [user]", "program": "sshd"}}}
    # Nothing to send.
    assert answers[1:4] == [{}, {}, {}] and answers[5] == {}
    assert answers[4]["$!"]["aidc"] == {"line": "", "program": "7"}
    assert len(answers[6]["$!"]["aidc"]["line"]) == 8000 and len(answers[6]["$!"]["aidc"]["program"]) == 64
    assert answers[7]["$!"]["aidc"] == {"line": "? ? [mail]", "program": "[mail]"}


HOSTILE = {
    text: text * (60000 // len(text))
    for text in (
        "a", "@", "a@", "a.", "x@b.", "1.", "f:", "::", "://a", " ", '"', "'", "password=", 'token:"', "--a", "--a-",
        "for user ", "user=", "bearer ", 'by "', "uid", "eyJaaaaaaaa.", "Failed x for ", "/home/", "\\", "of a(",
    )
} | {"long": "password" + " " * 60000, "sudo": "a : " + "x" * 60000, "mail": "x@" + "b." * 30000}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_no_line_takes_long(name: str) -> None:
    """What grows with the square of the length would take minutes."""

    def seconds(text: str) -> float:
        start = time.process_time()
        PLAIN.mask(text)
        return time.process_time() - start

    assert seconds(HOSTILE[name]) < 3


def test_the_program_checks_rules_and_tries_lines(
    tmp_path: Any, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    path, key = tmp_path / "rules.json", tmp_path / "key"
    path.write_text(rules())
    key.write_bytes(KEY + b"\n")
    assert mask.main(["check", str(path), str(key)]) == 0
    key.write_bytes(b"\n")
    assert mask.main(["check", str(path), str(key)]) == 1
    assert "is empty" in capsys.readouterr().err
    assert mask.main(["check", str(tmp_path / "none")]) == 1
    assert mask.main(["mask"]) == 2
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"for user bob\r\n\xff\n")))
    capsys.readouterr()
    assert mask.main(["line", str(path)]) == 0
    assert capsys.readouterr().out == "for user [user]\n\ufffd\n"
