# Stores the evidence of a case on the controller: one file for each item, and a manifest with checksums.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Usage: store_evidence.py DIRECTORY < bundle.json

The bundle is {"case": {…}, "problems": ["…"], "items": [{"name", "text", …}], "documents": {"gpu_info": {…}},
"attached": ["report.log.gz"]}. An item becomes NAME.txt, a document NAME.json, what is attached lies in the directory
already, and manifest.json lists every file with its size and SHA-256. Files are replaced one by one, the manifest last,
so that a manifest never names what is not there. Prints {"manifest", "sha256", "files"}.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from typing import Any

SCHEMA_VERSION = 1
_NAME = re.compile(r"^[a-z0-9][a-z0-9_-]{0,63}$")
_ATTACHED = re.compile(r"^[a-z0-9][a-z0-9_-]{0,63}(\.[a-z0-9]{1,8}){1,2}$")
_PIECE = 1024 * 1024


def files_of(bundle: dict[str, Any]) -> list[tuple[str, bytes, dict[str, Any]]]:
    """Return (file name, content, what the manifest says besides) of everything in the bundle. Raises ValueError."""
    files = []
    for item in bundle.get("items", []):
        about = {key: item.get(key) for key in ("argv", "rc", "seconds", "truncated", "error")}
        files.append((_checked(item["name"]) + ".txt", str(item.get("text") or "").encode("utf-8", "replace"), about))
    for name, document in bundle.get("documents", {}).items():
        files.append((_checked(name) + ".json", json.dumps(document, indent=2, sort_keys=True).encode() + b"\n", {}))
    names = [name for name, _content, _about in files]
    if len(set(names)) != len(names):
        raise ValueError("two items have the same name")
    return files


def store(directory: str, bundle: dict[str, Any]) -> dict[str, Any]:
    """Write the bundle and return {"manifest": path, "sha256": its checksum, "files": count}."""
    files = files_of(bundle)
    os.makedirs(directory, mode=0o750, exist_ok=True)
    entries = []
    for name, content, about in files:
        _replace(os.path.join(directory, name), content)
        entry = {"name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        entry.update({key: value for key, value in about.items() if value not in (None, False)})
        entries.append(entry)
    for name in bundle.get("attached", []):
        entries.append(attached(directory, name))
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "case": bundle.get("case", {}),
        "problems": bundle.get("problems", []),
        "files": entries,
    }
    path = os.path.join(directory, "manifest.json")
    content = json.dumps(manifest, indent=2, sort_keys=True).encode() + b"\n"
    _replace(path, content)
    return {"manifest": path, "sha256": hashlib.sha256(content).hexdigest(), "files": len(entries)}


def attached(directory: str, name: str) -> dict[str, Any]:
    """What the manifest says of a file that was put into the directory before. Raises ValueError and OSError."""
    if not _ATTACHED.match(name):
        raise ValueError(f"not a name for evidence: {name[:100]!r}")
    checksum, size = hashlib.sha256(), 0
    with open(os.path.join(directory, name), "rb") as stream:
        for piece in iter(lambda: stream.read(_PIECE), b""):
            checksum.update(piece)
            size += len(piece)
    return {"name": name, "bytes": size, "sha256": checksum.hexdigest()}


def _checked(name: str) -> str:
    # The name becomes a file name.
    if not _NAME.match(name):
        raise ValueError(f"not a name for evidence: {name[:100]!r}")
    return name


def _replace(path: str, content: bytes) -> None:
    temporary = path + ".new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, path)


if __name__ == "__main__":
    json.dump(store(sys.argv[1], json.load(sys.stdin)), sys.stdout)
