# The base that the inventory plugins of this collection share: cache, filters, constructed groups, merging of sources.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plugin derives from SourceInventory, says what its source is called and asks it; everything else is here.

* Hosts are added only after the whole source was read: a source that fails adds nothing and the error names it.
* What a source says is data. Its text is never trusted as a template, and a name that could be read as a pattern, a
  path or a group is an error.
* Two sources that know one node (the same ``aidc_ops_node_id``) make one host.
* Only the answer of the source is cached; filters and constructed groups are applied at each run.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import os
import re
import time
import typing as t

from ansible.errors import AnsibleParserError
from ansible.inventory.host import Host
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible.template import is_trusted_as_template
from ansible.utils.vars import combine_vars

from ansible_collections.aidc.ops.plugins.module_utils._errors import AidcOpsError

NODE_ID = "aidc_ops_node_id"
"""The variable with the stable id of a node; two sources are merged by it."""

CACHE_FORMAT = 1

# What changes only what is made of the answer, and what may not be written to a cache file even as a hash.
_NOT_IN_FINGERPRINT = frozenset(
    ("plugin", "strict", "compose", "groups", "keyed_groups", "leading_separator", "use_extra_vars", "filters")
    + ("allow_empty", "timeout", "cache", "cache_plugin", "cache_timeout", "cache_connection", "cache_prefix")
    + ("password", "token", "headers", "client_key")
)
_HOST_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,252}")
_NAMED_IN_MESSAGE = 5


class FoundHost(t.NamedTuple):
    """One host of a source: its inventory name, and variables that JSON can hold."""

    name: str
    variables: dict[str, t.Any]


class HostAdder:
    """Adds hosts to an inventory; a node that is there under another name is extended instead of doubled."""

    def __init__(self, inventory: t.Any) -> None:
        self._inventory = inventory
        self._name_of = {host.vars[NODE_ID]: name for name, host in inventory.hosts.items() if host.vars.get(NODE_ID)}
        self.renamed: list[str] = []
        self.replaced: list[str] = []

    def add_all(self, found: t.Sequence[FoundHost]) -> list[Host]:
        """Add these hosts, all or none: ValueError if one has a name that no host can have."""
        for name, _variables in found:
            check_name(name, self._inventory.groups)
        return [self._add(name, variables) for name, variables in found]

    def _add(self, name: str, variables: t.Mapping[str, t.Any]) -> Host:
        host = self._merge_target(name, variables.get(NODE_ID))
        # Not through set_variable: at 50,000 hosts, checking names that we chose ourselves and copying values that
        # nobody else holds costs more than all the rest of the plugin. combine_vars honours hash_behaviour.
        # What this source does not know replaces nothing that another one does.
        news = {key: value for key, value in variables.items() if value is not None or key not in host.vars}
        host.vars = combine_vars(host.vars, news)
        return host

    def _merge_target(self, name: str, node_id: str | None) -> Host:
        known = self._name_of.get(node_id, name) if node_id else name
        if known != name:
            self.renamed.append(f"{name} is {known}")
        host = self._inventory.hosts.get(known)
        if host is None:
            self._inventory.add_host(known)
            host = self._inventory.hosts[known]
        elif node_id and host.vars.get(NODE_ID, node_id) != node_id:
            self.replaced.append(f"{name} was {host.vars[NODE_ID]} and is {node_id}")
        if node_id:
            self._name_of[node_id] = known
        return t.cast(Host, host)


def check_name(name: t.Any, groups: t.Container[str]) -> None:
    """Raise ValueError if *name* cannot be the name of a host.

    A slash would lead vars plugins out of their folder, other signs make patterns, and what is set on a host that is
    called like a group would be set on the group.
    """
    if not isinstance(name, str) or not is_name_or_address(name):
        raise ValueError(
            f"{str(name)[:100]!r} cannot be the name of a host: letters, digits, '.', '-' and '_' can, and IP addresses"
        )
    if name in groups:
        raise ValueError(f"{name!r} cannot be the name of a host: a group has this name")


class SourceInventory(BaseInventoryPlugin, Constructable, Cacheable):
    """An inventory plugin that asks one source. A child sets NAME and STEM, and writes describe and fetch."""

    NAME: str
    STEM: str
    """Configuration files are called STEM.yml or end in .STEM.yml (or .yaml)."""

    def describe(self) -> str:
        """What the source is called in messages, such as its address; no secrets."""
        raise NotImplementedError

    def fetch(self) -> list[FoundHost]:
        """Ask the source for all of its hosts. Raises AidcOpsError if it does not give all of them."""
        raise NotImplementedError

    def verify_file(self, path: str) -> bool:
        stem, extension = os.path.splitext(os.path.basename(path))
        named = extension in (".yml", ".yaml") and (stem == self.STEM or stem.endswith(f".{self.STEM}"))
        return named and bool(super().verify_file(path))

    def parse(self, inventory: t.Any, loader: t.Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        try:
            hosts = self._add(self._hosts(path, cache))
        except (AidcOpsError, ValueError) as exc:
            # Whoever makes a fleet of this has to learn which part of it is missing. Ansible would repeat a cause.
            raise AnsibleParserError(
                f"{self.NAME}: {self.describe()}: {exc}. Nothing of this source is in the inventory ({path})."
            ) from None
        self._construct(hosts)

    def _hosts(self, path: str, use_cache: bool) -> list[FoundHost]:
        caching = self.get_option("cache")
        key = self.get_cache_key(path)
        fingerprint = self._fingerprint() if caching else ""
        if caching and use_cache:
            found = decode(self._cache.get(key), fingerprint)
            if found is not None:
                self.display.vv(f"{self.NAME}: {len(found)} hosts from the cache")
                return found
        began = time.monotonic()
        found = self.fetch()
        self.display.v(f"{self.NAME}: {len(found)} hosts from {self.describe()} in {time.monotonic() - began:.1f} s")
        if not found and not self.get_option("allow_empty"):
            raise AidcOpsError("it answered and knows no host; set allow_empty: true where that can be right")
        if caching:
            self._cache[key] = encode(found, fingerprint)
        return found

    def _fingerprint(self) -> str:
        """Changes with every option that changes what is asked, so that no answer to another question is used."""
        options = {name: value for name, value in self.get_options().items() if name not in _NOT_IN_FINGERPRINT}
        text = json.dumps([self.NAME, options], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    def _add(self, found: list[FoundHost]) -> list[Host]:
        if self.get_option("filters"):
            found = self._filter(found)
        adder = HostAdder(self.inventory)
        hosts = adder.add_all(found)
        self._warn("knows nodes that another source has under other names; they keep the first name", adder.renamed)
        self._warn("knows another node under a name that is in use; its id and variables replace those", adder.replaced)
        return hosts

    def _filter(self, found: list[FoundHost]) -> list[FoundHost]:
        # Here, since most inventories have no filter, and the collection is only there to be found when Ansible runs.
        from ansible_collections.community.library_inventory_filtering_v1.plugins.plugin_utils.inventory_filter import (
            filter_host,
            parse_filters,
        )

        filters = parse_filters(self.get_option("filters"))
        return [host for host in found if filter_host(self, host.name, host.variables, filters)]

    def _warn(self, what: str, cases: list[str]) -> None:
        if cases:
            more = f" and {len(cases) - _NAMED_IN_MESSAGE} more" if len(cases) > _NAMED_IN_MESSAGE else ""
            self.display.warning(f"{self.describe()} {what}: {', '.join(cases[:_NAMED_IN_MESSAGE])}{more}")

    def _construct(self, found: t.Sequence[Host]) -> None:
        compose, groups = self.get_option("compose"), self.get_option("groups")
        keyed_groups, strict = self.get_option("keyed_groups"), self.get_option("strict")
        if not (compose or groups or keyed_groups):
            return
        plain, templated = self._split_keyed_groups(keyed_groups or [], strict)
        for host in found:
            self._refuse_group_named_like(host)
            if compose:
                self._set_composite_vars(compose, host.get_vars(), host.name, strict=strict)
            if groups:
                self._add_host_to_composed_groups(groups, {}, host.name, strict=strict)
            rest = [key.entry for key in plain if not key.add(self.inventory, host)] + templated
            if rest:
                self._add_host_to_keyed_groups(rest, {}, host.name, strict=strict)
        for host in found:
            self._refuse_group_named_like(host)

    def _refuse_group_named_like(self, host: Host) -> None:
        """Ansible would set the host's next variables on the group, and so on every host in it."""
        if host.name in self.inventory.groups:
            raise AnsibleParserError(
                f"{self.NAME}: {host.name!r} is the name of a host and cannot be the name of a group: set a prefix"
            )

    def _split_keyed_groups(self, entries: list[t.Any], strict: bool) -> tuple[list[_PlainKey], list[t.Any]]:
        if strict or self.get_option("use_extra_vars"):
            return [], list(entries)
        plain = [entry for entry in entries if _PlainKey.can_do(entry)]
        bare = self.get_option("leading_separator") is False
        return [_PlainKey(entry, bare, self._sanitize_group_name) for entry in plain], [
            entry for entry in entries if entry not in plain
        ]


class _PlainKey:
    """A keyed group whose key is just the name of a variable, done without a template: about 100 times as fast."""

    def __init__(self, entry: t.Mapping[str, t.Any], bare: bool, sanitize: t.Callable[[str], str]) -> None:
        self.entry = entry
        self._key = str(entry["key"])
        self._default = entry.get("default_value")
        prefix = entry.get("prefix", "")
        separator = "" if bare and prefix == "" else entry.get("separator", "_")
        self._before = f"{prefix}{separator}"
        self._sanitize = sanitize
        self._group_of: dict[str, str] = {}

    @staticmethod
    def can_do(entry: t.Any) -> bool:
        """Whether this entry needs no template. What is wrong with an entry is for Ansible's own code to say."""
        if not isinstance(entry, dict) or entry.get("parent_group") is not None:
            return False
        key = entry.get("key")
        return isinstance(key, str) and key.isidentifier() and entry.get("trailing_separator") is None

    def add(self, inventory: t.Any, host: Host) -> bool:
        """Put the host into its groups; False if Ansible's own code has to look at this value."""
        if self._key not in host.vars:
            # One of ours that is not set is not defined anywhere else either; that makes no group.
            return self._key.startswith("aidc_ops_")
        value = host.vars[self._key]
        values = value if isinstance(value, list) else [value]
        for item in values:
            # Text of another source may be a template, and then somebody has to evaluate it.
            if not (item is None or isinstance(item, str)) or is_trusted_as_template(item):
                return False
        for item in values:
            text = item or self._default
            # Ansible leaves an empty value out, but makes a group of an empty element of a list.
            if text or values is value:
                self._add_to(inventory, host, text or item)
        return True

    def _add_to(self, inventory: t.Any, host: Host, text: str | None) -> None:
        bare = str(text)
        group = self._group_of.get(bare)
        if group is None:
            group = self._group_of[bare] = inventory.add_group(self._sanitize(f"{self._before}{bare}"))
        inventory.add_host(host.name, group)


def encode(found: t.Sequence[FoundHost], fingerprint: str) -> dict[str, t.Any]:
    """The form in which hosts are cached.

    One JSON text, since cache plugins look at and copy every value they are given, which takes longer than reading
    the source again.
    """
    return {"format": CACHE_FORMAT, "fingerprint": fingerprint, "hosts": json.dumps(found, separators=(",", ":"))}


def decode(cached: t.Any, fingerprint: str) -> list[FoundHost] | None:
    """The hosts in a cached value; None if it is not ours, damaged, or the answer to another question."""
    if not isinstance(cached, dict) or cached.get("format") != CACHE_FORMAT:
        return None
    if cached.get("fingerprint") != fingerprint:
        return None
    try:
        return [FoundHost(str(name), dict(variables)) for name, variables in json.loads(cached["hosts"])]
    except (KeyError, TypeError, ValueError):
        return None


def is_name_or_address(text: str) -> bool:
    """Whether this can be a host's name or IP address; neither begins with a dash, so neither is an option of ssh."""
    if _HOST_NAME.fullmatch(text):
        return True
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    # A zone may hold anything.
    return "%" not in text
