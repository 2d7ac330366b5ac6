# Asks NVML one thing at a time, and tells "the GPU does not have it" from "the driver failed".
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

# nvmlReturn_t, from nvml.h.
INVALID_ARGUMENT = 2
NOT_SUPPORTED = 3
NO_PERMISSION = 4
NOT_FOUND = 6
DRIVER_NOT_LOADED = 9
LIBRARY_NOT_FOUND = 12
FUNCTION_NOT_FOUND = 13
GPU_IS_LOST = 15
VERSION_MISMATCH = 18
NO_DATA = 21
ARGUMENT_VERSION_MISMATCH = 25
DEPRECATED = 26
NOT_READY = 27

# With these a GPU, a driver or its library says that it has no such value; any other is a failure.
_ABSENT = frozenset(
    (
        INVALID_ARGUMENT,
        NOT_SUPPORTED,
        NOT_FOUND,
        FUNCTION_NOT_FOUND,
        NO_DATA,
        ARGUMENT_VERSION_MISMATCH,
        DEPRECATED,
        NOT_READY,
    )
)


def text(value: t.Any) -> t.Any:
    """Return bytes as text; a driver can answer with bytes of no encoding."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def member(structure: t.Any, name: str) -> t.Any:
    """Return a member of one of the library's structures, None if it has none of that name."""
    try:
        return text(getattr(structure, name, None))
    except UnicodeDecodeError as exc:
        return text(exc.object)


class Answer(t.NamedTuple):
    """A value, or None and the error in its place."""

    value: t.Any
    error: int | None


class Questions:
    """The questions to one GPU. C(failures) maps the function that failed to what it said."""

    def __init__(self, nvml: t.Any) -> None:
        self._nvml = nvml
        self.failures: dict[str, str] = {}

    def unheard(self) -> Questions:
        """Return a way to ask the same GPU whose failures nobody hears of."""
        return Questions(self._nvml)

    def answer(self, name: str, *arguments: t.Any) -> Answer:
        """Return the answer to one question. A lost GPU is passed on as an exception."""
        function = getattr(self._nvml, name, None)
        if function is None:
            return Answer(None, FUNCTION_NOT_FOUND)
        try:
            return Answer(text(function(*arguments)), None)
        except UnicodeDecodeError as exc:
            # nvidia-ml-py decodes strictly; the bytes are in its exception.
            return Answer(text(exc.object), None)
        except self._nvml.NVMLError as exc:
            if exc.value == GPU_IS_LOST:
                raise
            if exc.value not in _ABSENT:
                self.failures[name] = str(exc)
            return Answer(None, exc.value)

    def ask(self, name: str, *arguments: t.Any) -> t.Any:
        """Return the value, or None if this GPU or driver does not give it."""
        return self.answer(name, *arguments).value
