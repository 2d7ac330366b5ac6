# Tokens of service accounts, first that of the account in docs/kubernetes/rights.yml.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64

from ansible_collections.aidc.ops.tests.kubernetes.cluster import Cluster


def account_token(cluster: Cluster, space: str = "aidc-ops", name: str = "aidc-ops") -> str:
    """Servers before Kubernetes 1.24 make a token for every account by themselves; waits for it."""
    account = f"/api/v1/namespaces/{space}/serviceaccounts/{name}"
    cluster.wait(lambda: cluster.admin.get(account).get("secrets"), "the account has a token")
    secret = f"/api/v1/namespaces/{space}/secrets/{cluster.admin.get(account)['secrets'][0]['name']}"
    cluster.wait(lambda: cluster.admin.get(secret).get("data", {}).get("token"), "the token is made")
    return base64.b64decode(cluster.admin.get(secret)["data"]["token"]).decode()
