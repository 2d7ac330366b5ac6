# Sends masked log lines to the collector over RELP with mutual TLS, as the program of rsyslog's module omprog.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""usage: log_send.py HOST PORT NAME CA CERTIFICATE KEY

NAME is the one in the collector's certificate. A batch is done with when the collector has acknowledged each line,
which it does when the line is in its queue on disk. rsyslog's own module omrelp takes a line for delivered as soon as
it is written to the connection; what is not acknowledged then is only in memory, and lost when the sender ends.

RELP: each frame is "number command length data", numbers go up by one, and the answer to a frame has its number.
"""

from __future__ import annotations

import socket
import ssl
import sys
from typing import Any, BinaryIO

import log_batches

OFFER = b"relp_version=0\nrelp_software=aidc.ops\ncommands=syslog"
LAST_NUMBER = 999999999
MAX_ANSWER = 65536
# Seconds for each step: to connect, to shake hands, to hear the next answer.
TIMEOUT = 10


class RelpError(Exception):
    """The collector does not speak RELP as it should, or refuses; the message says what came."""


def read_word(reader: BinaryIO) -> tuple[bytes, bytes]:
    """The next word of a frame's head, and what ended it, a space or the end of the line."""
    word = b""
    while True:
        byte = reader.read(1)
        if not byte:
            raise RelpError("the collector ended the connection")
        if byte in b" \n":
            return word, byte
        word += byte
        if len(word) > 32:
            raise RelpError(f"the collector sent no frame of RELP: {word!r}")


def read_frame(reader: BinaryIO) -> tuple[int, bytes, bytes]:
    """Number, command and data of the next frame."""
    number, _end = read_word(reader)
    command, _end = read_word(reader)
    length, end = read_word(reader)
    if not (number.isdigit() and length.isdigit() and int(length) <= MAX_ANSWER):
        raise RelpError(f"the collector sent no frame of RELP: {number!r} {command!r} {length!r}")
    data = b""
    if end == b" ":
        data = reader.read(int(length))
        reader.read(1)
    return int(number), command, data


class Session:
    """One connection that has been opened; any error ends it."""

    def __init__(self, reader: BinaryIO, writer: BinaryIO) -> None:
        self._reader = reader
        self._writer = writer
        self._number = 0
        self._ask([(b"open", OFFER)])

    def send(self, lines: list[bytes]) -> None:
        """Send lines, and return when each is acknowledged."""
        self._ask([(b"syslog", line.rstrip(b"\n")) for line in lines])

    def _ask(self, frames: list[tuple[bytes, bytes]]) -> None:
        waiting = set()
        for command, data in frames:
            self._number = self._number % LAST_NUMBER + 1
            waiting.add(self._number)
            body = b" %d %s\n" % (len(data), data) if data else b" 0\n"
            self._writer.write(b"%d %s%s" % (self._number, command, body))
        self._writer.flush()
        while waiting:
            number, command, data = read_frame(self._reader)
            if command != b"rsp" or number not in waiting or data[:3] != b"200":
                raise RelpError(f"the collector answered {command!r} {data[:100]!r}")
            waiting.remove(number)


class Collector:
    """The collector: connected when it is needed, and anew after every failure."""

    def __init__(self, host: str, port: int, name: str, ca: str, certificate: str, key: str) -> None:
        self._address = (host, port)
        self._name = name
        self._files = (ca, certificate, key)
        self._socket: Any = None
        self._session: Session | None = None

    def write(self, lines: list[bytes]) -> None:
        """Send one batch; any error is raised, and the connection closed."""
        try:
            if self._session is None:
                self._session = self._connect()
            self._session.send(lines)
        except BaseException:
            self._session = None
            if self._socket is not None:
                self._socket.close()
                self._socket = None
            raise

    def _connect(self) -> Session:
        ca, certificate, key = self._files
        # Read each time: they may have been renewed.
        context = ssl.create_default_context(cafile=ca)
        context.load_cert_chain(certificate, key)
        self._socket = socket.create_connection(self._address, TIMEOUT)
        self._socket = context.wrap_socket(self._socket, server_hostname=self._name)
        return Session(self._socket.makefile("rb"), self._socket.makefile("wb"))


def main(arguments: list[str]) -> int:
    """Entry point of the program."""
    if len(arguments) != 6 or not arguments[1].isdigit():
        print(__doc__, file=sys.stderr)
        return 2
    host, port, *rest = arguments
    log_batches.serve(Collector(host, int(port), *rest), "not sent", sys.stdin.buffer, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
