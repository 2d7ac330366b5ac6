# Masks personal data and secrets in log lines, as the helper program of rsyslog's module mmexternal.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""usage: log_mask.py run RULES [KEY]    mask messages until the input ends
          log_mask.py check RULES [KEY]  say what is wrong with the rules
          log_mask.py line RULES [KEY]   mask lines of text, to try rules by hand

Each input line of "run" is one message of rsyslog as JSON, and has exactly one line of answer, whatever the message
holds: rsyslog counts on it. The answer sets ``$!aidc!line`` and ``$!aidc!program``, and only these two are sent on. So
a message that was not masked has nothing to send.

RULES is a JSON file: {"max_length": 8000, "rules": [{"name": "mail", "pattern": "…"}, …]}. A pattern replaces its group
"value", or all of its match without such a group. With KEY, a file of at least 16 bytes, equal values have equal marks,
[mail:1f0c9a2b77], and nobody without the key can test a guess; a rule with "secret": true has the plain mark [mail]. A
rule with "address": true takes what is an IP address and not in one of the networks in "keep"; every other rule leaves
the values in "keep".
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import re
import sys
from typing import Any, BinaryIO, Callable

# Control characters move a reader's cursor and break files; the tab alone is ordinary.
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\U000f0000-\U000ffffd]")
# While rules work, each mark is one character of a private area, which no line has: no rule finds something in a mark.
PLACE = re.compile(r"[\U000f0000-\U000ffffd]")
FIRST_PLACE, PLACES = 0xF0000, 0xFFFD
NAME = re.compile(r"[a-z][a-z0-9_]{0,31}\Z")
KEYS = {"name", "pattern", "keep", "secret", "address"}
KEY_BYTES = 16
PROGRAM_LENGTH = 64


class RuleError(ValueError):
    """A rule cannot be used; the message names it and says why."""


def is_kept_address(text: str, networks: list[Any]) -> bool:
    """Whether a text is no IP address, or one in a network that is left alone."""
    if ":" not in text:
        # 010.0.0.1 is how some programs write 10.0.0.1.
        text = ".".join(part.lstrip("0") or "0" for part in text.split("."))
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return True
    return any(address in network for network in networks)


class Marks:
    """The marks of one line, each with the character that stands for it meanwhile."""

    def __init__(self) -> None:
        self._places: dict[str, str] = {}
        self._texts: list[str] = []

    def place(self, mark: str) -> str:
        """The character for a mark; a line with too many different ones goes on with the last."""
        if mark not in self._places:
            if len(self._texts) >= PLACES:
                mark = self._texts[-1]
            else:
                self._places[mark] = chr(FIRST_PLACE + len(self._texts))
                self._texts.append(mark)
        return self._places[mark]

    def fill(self, text: str) -> str:
        """The text with its marks."""
        return PLACE.sub(lambda found: self._texts[ord(found.group()) - FIRST_PLACE], text)


class Rule:
    """One pattern and what becomes of its matches."""

    def __init__(self, data: Any, key: bytes) -> None:
        if not isinstance(data, dict) or not NAME.match(str(data.get("name", ""))):
            raise RuleError(
                f"a rule is a dictionary with a name of 1 to 32 lower-case letters, digits, underscores: {data!r:.99}"
            )
        self.name: str = data["name"]
        unknown = sorted(set(data) - KEYS)
        if unknown:
            raise RuleError(
                f"rule {self.name}: unknown key {', '.join(map(str, unknown))}; known: {', '.join(sorted(KEYS))}"
            )
        keep = data.get("keep", [])
        if not isinstance(keep, list) or not all(isinstance(item, str) for item in keep):
            raise RuleError(f"rule {self.name}: keep is a list of texts")
        try:
            self._pattern = re.compile(data["pattern"])
        except (KeyError, TypeError, re.error, RecursionError, OverflowError) as exc:
            raise RuleError(f"rule {self.name}: pattern is no regular expression of Python: {exc}") from None
        if self._pattern.match(""):
            raise RuleError(f"rule {self.name}: pattern matches an empty text, so it would match everywhere")
        self._group = "value" if "value" in self._pattern.groupindex else 0
        self._key = b"" if data.get("secret") else key
        self._keeps: Callable[[str], bool]
        if data.get("address"):
            try:
                networks = [ipaddress.ip_network(item) for item in keep]
            except ValueError as exc:
                raise RuleError(f"rule {self.name}: keep has to list networks: {exc}") from None
            self._keeps = lambda value: is_kept_address(value, networks)
        else:
            self._keeps = frozenset(keep).__contains__

    def apply(self, text: str, marks: Marks) -> str:
        """The text with every match replaced."""
        return self._pattern.sub(lambda match: self._replace(match, marks), text)

    def _replace(self, match: re.Match[str], marks: Marks) -> str:
        value = match.group(self._group)
        whole = match.group()
        if not value or self._keeps(value):
            return whole
        start = match.start(self._group) - match.start()
        return whole[:start] + marks.place(self._mark(marks.fill(value))) + whole[start + len(value) :]

    def _mark(self, value: str) -> str:
        if not self._key:
            return f"[{self.name}]"
        digest = hmac.new(self._key, value.encode("utf-8", "replace"), hashlib.sha256).hexdigest()
        return f"[{self.name}:{digest[:10]}]"


class Masker:
    """All rules in their order."""

    def __init__(self, text: str, key: bytes = b"") -> None:
        try:
            data = json.loads(text)
        except ValueError as exc:
            raise RuleError(f"the rules are no JSON: {exc}") from None
        if not isinstance(data, dict) or not isinstance(data.get("rules"), list):
            raise RuleError('the rules need the form {"max_length": 8000, "rules": [{"name": …, "pattern": …}]}')
        length = data.get("max_length")
        if not isinstance(length, int) or not 100 <= length <= 60000:
            raise RuleError(f"max_length must be a number from 100 to 60000, not {length!r}")
        if key and len(key) < KEY_BYTES:
            raise RuleError(f"the key has {len(key)} bytes; it needs at least {KEY_BYTES}")
        self._length = length
        self._rules = [Rule(item, key) for item in data["rules"]]

    def mask(self, text: str, length: int = 0) -> str:
        """The line as it may leave the node."""
        marks = Marks()
        text = CONTROL.sub("?", text)
        for rule in self._rules:
            text = rule.apply(text, marks)
        # Only now: half of a mail address would not be known as one.
        return marks.fill(text)[: length or self._length]

    def answer(self, line: bytes) -> str:
        """What rsyslog is answered to one message; an unreadable one has no line to send."""
        try:
            message = json.loads(line.decode("utf-8", "replace"))
            masked = {
                "line": self.mask(str(message.get("msg") or "").strip()),
                "program": self.mask(str(message.get("programname") or ""), PROGRAM_LENGTH),
            }
        except (ValueError, AttributeError, RecursionError):
            return "{}"
        return json.dumps({"$!": {"aidc": masked}})


def run(masker: Masker, source: BinaryIO, sink: BinaryIO) -> None:
    """Answer messages until rsyslog closes the input."""
    for line in iter(source.readline, b""):
        sink.write(masker.answer(line).encode("ascii") + b"\n")
        sink.flush()


def main(arguments: list[str]) -> int:
    """Entry point of the program."""
    if len(arguments) not in (2, 3) or arguments[0] not in ("run", "check", "line"):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        key = b""
        if len(arguments) == 3:
            with open(arguments[2], "rb") as handle:
                key = handle.read().strip()
            if not key:
                raise RuleError(f"the key in {arguments[2]} is empty")
        with open(arguments[1], encoding="utf-8") as handle:
            masker = Masker(handle.read(), key)
    except (OSError, ValueError) as exc:
        print(f"log_mask: {exc}", file=sys.stderr)
        return 1
    if arguments[0] == "run":
        run(masker, sys.stdin.buffer, sys.stdout.buffer)
    elif arguments[0] == "line":
        for line in sys.stdin.buffer:
            print(masker.mask(line.decode("utf-8", "replace").rstrip("\r\n")))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
