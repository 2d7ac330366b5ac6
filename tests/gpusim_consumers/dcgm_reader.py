# Reads the values of all GPUs from the real DCGM engine: one JSON object for each line on standard input.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors
"""Usage: dcgm_reader.py LIBDCGM FIELD...   (libnvidia-ml.so.1 is found through LD_LIBRARY_PATH)

The engine runs inside this process, in manual mode: it asks NVML for the watched fields at each line that it is sent,
and answers ``{gpu: {field: value}}``; a field without a value is null.
"""

from __future__ import annotations

import ctypes
import json
import struct
import sys
import time

MANUAL_MODE = 2
BLANK_INTEGERS = 0x7FFFFFFFFFFFFFF0  # this and what follows it mean "no value"
BLANK_DOUBLES = 140737488355328.0
XID_FIELD = 230


class Value(ctypes.Structure):
    _fields_ = [
        ("version", ctypes.c_uint),
        ("field", ctypes.c_ushort),
        ("type", ctypes.c_ushort),
        ("status", ctypes.c_int),
        ("timestamp", ctypes.c_int64),
        ("raw", ctypes.c_char * 4096),
    ]


def check(library: ctypes.CDLL, code: int, what: str) -> None:
    if code:
        raise SystemExit(f"{what}: {library.errorString(code).decode()}")


def decode(value: Value) -> object:
    """The value of a field; None when DCGM has none."""
    raw = ctypes.string_at(ctypes.addressof(value) + Value.raw.offset, 256)
    if value.status:
        return None
    if chr(value.type) == "i":
        integer = struct.unpack("q", raw[:8])[0]
        return None if integer >= BLANK_INTEGERS else integer
    if chr(value.type) == "d":
        number = struct.unpack("d", raw[:8])[0]
        return None if number >= BLANK_DOUBLES else number
    return raw.split(b"\0")[0].decode()


def main(path: str, fields: list[int]) -> None:
    library = ctypes.CDLL(path)
    library.errorString.restype = ctypes.c_char_p
    handle, ids, count = ctypes.c_void_p(), (ctypes.c_uint * 32)(), ctypes.c_int()
    check(library, library.dcgmInit(), "init")
    check(library, library.dcgmStartEmbedded(MANUAL_MODE, ctypes.byref(handle)), "start")
    check(library, library.dcgmGetAllDevices(handle, ids, ctypes.byref(count)), "devices")
    gpus = ids[: count.value]
    for gpu in gpus:
        for field in fields:
            every, keep = ctypes.c_longlong(100_000), ctypes.c_double(60)
            code = library.dcgmWatchFieldValue(handle, gpu, ctypes.c_ushort(field), every, keep, 0)
            check(library, code, f"watch {field}")
    for _line in sys.stdin:
        time.sleep(0.2)  # longer than the watch period, so that every field is due
        check(library, library.dcgmUpdateAllFields(handle, 1), "update")
        answer = {}
        for gpu in gpus:
            values = (Value * len(fields))()
            wanted = (ctypes.c_ushort * len(fields))(*fields)
            code = library.dcgmGetLatestValuesForFields(handle, gpu, wanted, len(fields), values)
            check(library, code, "values")
            answer[gpu] = {value.field: decode(value) for value in values}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], [int(argument) for argument in sys.argv[2:]])
