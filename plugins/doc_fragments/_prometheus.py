# Documentation of the options that say which Prometheus-compatible server is asked, and how.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The argument spec is module_utils/_prometheus/options.py and the two have to agree.

    Plugins extend C(aidc.ops._prometheus.plugins) as well, which adds environment variables and variables.
    """

    DOCUMENTATION = r"""
options:
  url:
    description:
      - Address of the server, such as C(http://monitor:9090), with the path in front of C(/api/v1) if it has one.
      - Anything with Prometheus' query API will do.
      - A module also takes it from the environment variable E(AIDC_OPS_PROMETHEUS_URL).
    type: str
    required: true
  ca_path:
    description:
      - File with the authorities that may have signed the server's certificate. Without it those of the machine count.
    type: path
  client_cert:
    description: File with the certificate to show to the server.
    type: path
  client_key:
    description: File with the key of O(client_cert), if it is not in the same file.
    type: path
  username:
    description: Name for basic authentication.
    type: str
  password:
    description: Password for basic authentication. A module also takes it from E(AIDC_OPS_PROMETHEUS_PASSWORD).
    type: str
  token:
    description: Bearer token. A module also takes it from E(AIDC_OPS_PROMETHEUS_TOKEN).
    type: str
  headers:
    description: More HTTP headers, such as C(X-Scope-OrgID). They are not kept out of logs, so no secrets here.
    type: dict
    default: {}
  validate_certs:
    description: Whether the server's certificate is verified.
    type: bool
    default: true
  timeout:
    description: Seconds that each request may take in all.
    type: int
    default: 30
requirements:
  - prometheus-api-client on the host that asks
notes:
  - Proxies and C(.netrc) of the environment are not used.
  - An answer that is cut off, an error that comes with HTTP status 200, and a warning of the server that a part may be
    missing are errors.
  - A series that was not scraped for the lookback time of the server (5 minutes if nobody changed it) is not in an
    answer. No data is not zero.
"""

    PLUGINS = r"""
options:
  url:
    env:
      - name: AIDC_OPS_PROMETHEUS_URL
    vars:
      - name: aidc_ops_prometheus_url
  ca_path:
    env:
      - name: AIDC_OPS_PROMETHEUS_CA_PATH
    vars:
      - name: aidc_ops_prometheus_ca_path
  client_cert:
    env:
      - name: AIDC_OPS_PROMETHEUS_CLIENT_CERT
    vars:
      - name: aidc_ops_prometheus_client_cert
  client_key:
    env:
      - name: AIDC_OPS_PROMETHEUS_CLIENT_KEY
    vars:
      - name: aidc_ops_prometheus_client_key
  username:
    env:
      - name: AIDC_OPS_PROMETHEUS_USERNAME
    vars:
      - name: aidc_ops_prometheus_username
  password:
    env:
      - name: AIDC_OPS_PROMETHEUS_PASSWORD
    vars:
      - name: aidc_ops_prometheus_password
  token:
    env:
      - name: AIDC_OPS_PROMETHEUS_TOKEN
    vars:
      - name: aidc_ops_prometheus_token
  headers:
    vars:
      - name: aidc_ops_prometheus_headers
  validate_certs:
    env:
      - name: AIDC_OPS_PROMETHEUS_VALIDATE_CERTS
    vars:
      - name: aidc_ops_prometheus_validate_certs
  timeout:
    env:
      - name: AIDC_OPS_PROMETHEUS_TIMEOUT
    vars:
      - name: aidc_ops_prometheus_timeout
"""
