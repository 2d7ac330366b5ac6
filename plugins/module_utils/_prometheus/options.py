# The options that say which server is asked: as the arguments of a module, and read from whoever has them.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import env_fallback

from ansible_collections.aidc.ops.plugins.module_utils._prometheus.client import PrometheusClient

# Documented in doc_fragments/_prometheus.py.
ARGUMENTS: t.Dict[str, t.Dict[str, t.Any]] = {  # noqa: UP006 - evaluated, on Python 3.8 too
    "url": {"type": "str", "required": True, "fallback": (env_fallback, ["AIDC_OPS_PROMETHEUS_URL"])},
    "ca_path": {"type": "path"},
    "client_cert": {"type": "path"},
    "client_key": {"type": "path"},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True, "fallback": (env_fallback, ["AIDC_OPS_PROMETHEUS_PASSWORD"])},
    "token": {"type": "str", "no_log": True, "fallback": (env_fallback, ["AIDC_OPS_PROMETHEUS_TOKEN"])},
    "headers": {"type": "dict", "default": {}},
    "validate_certs": {"type": "bool", "default": True},
    "timeout": {"type": "int", "default": 30},
}


def make_client(get: t.Callable[[str], t.Any], allow_partial: bool = False) -> PrometheusClient:
    """A client for the server that the options name; *get* gives the value of one. Raises PrometheusError."""
    return PrometheusClient(**{name: get(name) for name in ARGUMENTS}, allow_partial=allow_partial)
