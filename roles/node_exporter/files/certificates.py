# Writes when this host's certificates end, read through openssl, as metrics for node_exporter's textfile collector.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors
"""Read every certificate once and replace the text file; a timer runs it again and again.

Of a file with several certificates the first one counts, which is the host's own. A file that is no certificate is
named in the log, has no sample, and makes the run fail; the others are written all the same. Runs on Python 3.8 and
newer without other packages.
"""

from __future__ import annotations

import argparse
import glob
import os
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Iterable

METRIC = "aidc_certificate_not_after_timestamp_seconds"
HEAD = f"# HELP {METRIC} When the certificate in this file ends, in seconds since 1970.\n# TYPE {METRIC} gauge\n"
TIMEOUT_SECONDS = 10
# Beyond this it is no site's set of certificates but a pattern that matches too much.
MOST = 200


class CertificateError(Exception):
    """A file holds no certificate that can be read; the message says which and why."""


def find(patterns: Iterable[str]) -> list[str]:
    """The files that match, each once; what points to one that is gone is left to the reader."""
    return sorted({path for pattern in patterns for path in glob.glob(pattern, recursive=True)})


def not_after(path: str, openssl: str) -> int:
    """When the first certificate of the file ends, in seconds since 1970; CertificateError if that cannot be said."""
    try:
        done = subprocess.run(
            [openssl, "x509", "-noout", "-enddate", "-in", path],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise CertificateError(f"{path}: {openssl} cannot be asked: {exc}") from None
    words = done.stdout.decode("ascii", "replace").strip()
    if done.returncode != 0 or not words.startswith("notAfter="):
        said = (done.stderr.decode("utf-8", "replace").strip().splitlines() or ["it says nothing"])[0]
        raise CertificateError(f"{path} is no certificate that openssl can read: {said[:200]}")
    try:
        return int(ssl.cert_time_to_seconds(words[len("notAfter=") :]))
    except ValueError:
        raise CertificateError(f"{path} ends at a time that nobody can read: {words[:80]}") from None


def escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def collect(patterns: Iterable[str], openssl: str) -> tuple[str, list[str]]:
    """The text file's content, and what could not be read."""
    lines, problems = [], []
    paths = find(patterns)
    if len(paths) > MOST:
        problems.append(f"{len(paths)} files match, only {MOST} are read: name fewer in node_exporter_certificates")
    for path in paths[:MOST]:
        try:
            end = not_after(path, openssl)
        except CertificateError as exc:
            problems.append(str(exc))
        else:
            name = escaped(path.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
            lines.append(f'{METRIC}{{path="{name}"}} {end}\n')
    return HEAD + "".join(lines), problems


def replace(path: Path, text: str) -> None:
    """Put the text in place of the file at once; OSError if that fails, and then nothing is left behind."""
    handle, scratch = tempfile.mkstemp(prefix=f".{path.name}.", dir=str(path.parent))
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            os.fchmod(stream.fileno(), 0o644)
        os.replace(scratch, str(path))
    except OSError:
        os.unlink(scratch)
        raise


def main(argv: Iterable[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Write when certificates end as metrics.")
    parser.add_argument("--output", type=Path, required=True, help="file in the directory of text files, *.prom")
    parser.add_argument("--openssl", default="openssl", help="the program (default: %(default)s)")
    parser.add_argument("patterns", nargs="*", metavar="PATTERN", help="files; **/ stands for directories of any depth")
    options = parser.parse_args(None if argv is None else list(argv))

    text, problems = collect(options.patterns, options.openssl)
    for problem in problems:
        print(f"certificates: {problem}", file=sys.stderr)
    try:
        replace(options.output, text)
    except OSError as exc:
        print(f"certificates: {options.output} cannot be written: {exc.strerror}", file=sys.stderr)
        return 1
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
