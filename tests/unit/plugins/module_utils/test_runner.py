# Tests of running programs: arguments stay arguments, time is bounded, failures are explained.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import sys

import pytest

from ansible_collections.aidc.ops.plugins.module_utils import _runner
from ansible_collections.aidc.ops.plugins.module_utils._errors import CommandError


def test_arguments_are_no_shell_words() -> None:
    answer = _runner.run(["/bin/echo", "$(id)", "a; b", "{{ 1 }}"], 10)
    assert (answer.rc, answer.stdout) == (0, "$(id) a; b {{ 1 }}\n")


def test_exit_status_and_both_streams() -> None:
    script = "import sys; sys.stdout.buffer.write(b'o\\xff'); sys.stderr.write('e'); sys.exit(3)"
    assert _runner.run([sys.executable, "-c", script], 20) == _runner.Result(3, "o\\xff", "e")


def test_environment_is_added() -> None:
    script = "import os; print(os.environ['SECRET'], os.environ['LC_ALL'], 'PATH' in os.environ)"
    assert _runner.run([sys.executable, "-c", script], 20, {"SECRET": "s3"}).stdout == "s3 C True\n"


def test_time_is_bounded() -> None:
    with pytest.raises(CommandError, match="did not answer within"):
        _runner.run(["/bin/sleep", "60"], 0.2)


@pytest.mark.parametrize("program", ["/none/such", "/etc/passwd", "/tmp"])
def test_what_cannot_be_started(program: str) -> None:
    with pytest.raises(CommandError, match=f"{program} cannot be started"):
        _runner.run([program], 1)
