# Tests of the program that tells when certificates end, with certificates made by openssl.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import importlib.util
import ssl
import subprocess
from pathlib import Path
from types import ModuleType

import pytest
from prometheus_client.parser import text_string_to_metric_families
from render import ROOT, load_variables

PROGRAM = ROOT / "roles" / "node_exporter" / "files" / "certificates.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("certificates", PROGRAM)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


certificates = load()


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    """PEM text of certificates by the days for which they are valid."""
    folder = tmp_path_factory.mktemp("certificates")
    subprocess.run(
        ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(folder / "key")], check=True
    )
    made = {}
    for days in (3, 40):
        path = folder / str(days)
        command = [
            "openssl",
            "req",
            "-x509",
            "-new",
            "-key",
            str(folder / "key"),
            "-subj",
            "/CN=n1",
            "-days",
            str(days),
        ]
        subprocess.run([*command, "-out", str(path)], check=True, capture_output=True)
        made[days] = path.read_text()
    return made


def samples(path: Path) -> dict[str, float]:
    return {
        sample.labels["path"]: sample.value
        for family in text_string_to_metric_families(path.read_text(encoding="utf-8"))
        for sample in family.samples
    }


def now() -> float:
    done = subprocess.run(["date", "-u", "+%b %d %H:%M:%S %Y GMT"], capture_output=True, text=True, check=True)
    return ssl.cert_time_to_seconds(done.stdout.strip())


def test_every_certificate_that_matches_has_its_end_once(tmp_path: Path, ends: dict[int, str]) -> None:
    deep = tmp_path / "web" / "one"
    deep.mkdir(parents=True)
    (tmp_path / "web" / "tls.crt").write_text(ends[40])
    # A chain: the host's own certificate comes first.
    (deep / 'a "b".crt').write_text(ends[3] + ends[40])
    out = tmp_path / "aidc_certificates.prom"
    patterns = [f"{tmp_path}/web/**/*.crt", f"{tmp_path}/web/*.crt", f"{tmp_path}/nothing/*.crt"]
    assert certificates.main(["--output", str(out), *patterns]) == 0
    found = samples(out)
    assert set(found) == {str(tmp_path / "web" / "tls.crt"), str(deep / 'a "b".crt')}
    assert found[str(tmp_path / "web" / "tls.crt")] - now() == pytest.approx(40 * 86400, abs=300)
    assert found[str(deep / 'a "b".crt')] - now() == pytest.approx(3 * 86400, abs=300)


def test_what_is_no_certificate_is_named_and_hides_no_other(
    tmp_path: Path, ends: dict[int, str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "good.crt").write_text(ends[3])
    (tmp_path / "empty.crt").write_text("")
    (tmp_path / "odd.crt").write_bytes(b"-----BEGIN CERTIFICATE-----\n\xff\x00\n-----END CERTIFICATE-----\n")
    (tmp_path / "gone.crt").symlink_to(tmp_path / "nowhere")
    (tmp_path / "folder.crt").mkdir()
    out = tmp_path / "out.prom"
    assert certificates.main(["--output", str(out), f"{tmp_path}/*.crt"]) == 1
    assert list(samples(out)) == [str(tmp_path / "good.crt")]
    said = capsys.readouterr().err
    assert [name for name in ("empty", "odd", "folder", "good") if f"{name}.crt" in said] == ["empty", "odd", "folder"]


def test_without_openssl_the_reason_is_told(
    tmp_path: Path, ends: dict[int, str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.crt").write_text(ends[3])
    out = tmp_path / "out.prom"
    assert certificates.main(["--output", str(out), "--openssl", "/nowhere/openssl", f"{tmp_path}/*.crt"]) == 1
    assert "/nowhere/openssl cannot be asked" in capsys.readouterr().err
    assert samples(out) == {}


def test_a_pattern_that_matches_the_world_has_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(certificates.MOST + 3):
        (tmp_path / f"{number}.crt").touch()
    monkeypatch.setattr(certificates, "not_after", lambda _path, _openssl: 5)
    text, problems = certificates.collect([f"{tmp_path}/*"], "openssl")
    assert text.count("path=") == certificates.MOST
    assert len(problems) == 1 and "name fewer" in problems[0]


def test_a_directory_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(OSError, match="nowhere"):
        certificates.replace(tmp_path / "nowhere" / "out.prom", "x")
    assert certificates.main(["--output", str(tmp_path / "nowhere" / "out.prom")]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_a_file_that_cannot_be_replaced_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "out.prom").mkdir()
    with pytest.raises(OSError, match=r"out\.prom"):
        certificates.replace(tmp_path / "out.prom", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["out.prom"]


def test_the_default_finds_what_the_roles_place(tmp_path: Path) -> None:
    """Destinations of gpu_node, remediation_controller, slurm_exporter, grafana, the exporters, and pki's authority."""
    placed = (
        "etc/rsyslog.d/aidc_ops/ca.crt",
        "etc/rsyslog.d/aidc_ops/node.crt",
        "etc/aidc_ops/collector/server.crt",
        "etc/aidc_ops/secrets/webhook.crt",
        "etc/aidc_ops/slurm_exporter/tls.crt",
        "etc/grafana/tls.crt",
        "etc/prometheus/web/prometheus-blackbox-exporter/tls.crt",
        "etc/aidc_ops/pki/ca.crt",
    )
    for name in (*placed, "etc/aidc_ops/pki/n1.crt", "etc/rsyslog.d/aidc_ops/node.key"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    patterns = load_variables(ROOT / "roles" / "node_exporter" / "defaults" / "main.yml")["node_exporter_certificates"]
    found = certificates.find(f"{tmp_path}{pattern}" for pattern in patterns)
    assert found == sorted(str(tmp_path / name) for name in placed)
