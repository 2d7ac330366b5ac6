# The token of the account in docs/kubernetes/rights.yml.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64

from ansible_collections.aidc.ops.tests.kubernetes.cluster import Cluster


def account_token(cluster: Cluster) -> str:
    """Servers before Kubernetes 1.24 make a token for every account by themselves; waits for it."""
    account = "/api/v1/namespaces/aidc-ops/serviceaccounts/aidc-ops"
    cluster.wait(lambda: cluster.admin.get(account).get("secrets"), "the account has a token")
    name = cluster.admin.get(account)["secrets"][0]["name"]
    secret = f"/api/v1/namespaces/aidc-ops/secrets/{name}"
    cluster.wait(lambda: cluster.admin.get(secret).get("data", {}).get("token"), "the token is made")
    return base64.b64decode(cluster.admin.get(secret)["data"]["token"]).decode()
