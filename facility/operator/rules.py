"""What the API server refuses of a VirtualOrganization at `kubectl apply`, each with a sentence that says what to do.

Written in CEL (Kubernetes, "CRD validation rules"), for all that can be known from one object alone and that a schema
cannot say, or not in words that help. The models refuse the same: they are what the operator trusts, these are what a
person meets first. The API server bounds what rules may cost: every text and list in the schema has a longest length,
and no rule here compares more than each with each of one short list.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from pydantic import TypeAdapter

from facility import names
from facility.access import RESERVED_SERVICES, Audience, ClientName
from facility.lakes import Subject, VomsAttribute, VomsName
from facility.model import ObjectName, Quantity, Scope, Slug
from facility.operator.metadata import NETWORKS
from facility.operator.validate import RESERVED as RESERVED_SECRETS
from facility.profiles import MOUNT_ROOTS, RESERVED


class Rule(NamedTuple):
    """A CEL expression that is true of what is good, and what to tell a person whose object it is not true of."""

    rule: str
    message: str


def _pattern(kind: Any) -> str:
    return str(TypeAdapter(kind).json_schema()["pattern"])


def _matches(pattern: str) -> str:
    """CEL's regular expressions are RE2, which searches: the pattern says itself where it begins and ends."""
    return f"self.matches(r'{pattern}')"


def _once(field: str) -> str:
    return f"self.all(a, self.exists_one(b, b.{field} == a.{field}))"


def _at_most(lower: str, upper: str) -> str:
    given = f"has(self.{lower}) && has(self.{upper}) && isQuantity(self.{lower}) && isQuantity(self.{upper})"
    return f"!({given}) || quantity(self.{lower}).compareTo(quantity(self.{upper})) <= 0"


#: what is told instead of a pattern, where that would puzzle people
PATTERNS = {
    _pattern(Quantity): 'write an amount as Kubernetes does, such as 500m, "2" or 4Gi; never below 0',
    _pattern(Slug): "use 1 to 32 of a-z, 0-9 and hyphens, a letter or digit first and last",
    _pattern(ObjectName): "use lower-case letters, digits, hyphens and dots, a letter or digit first and last",
    _pattern(Scope): "a scope has printable ASCII characters without space, quote and backslash: list each by itself",
    _pattern(Audience): "an audience has printable ASCII characters without space",
    _pattern(Subject): "write a subject as /O=Example/CN=voms.example.org, without quotes and backslashes",
    _pattern(VomsName): "a VO's name has letters, digits, dots, underscores and hyphens, a letter or digit first",
    _pattern(VomsAttribute): "write an attribute as /cms/Role=production",
    _pattern(ClientName): "a client_id has printable ASCII characters without space",
}
_URL = (
    Rule("self.startsWith('https://')", "must be an https URL: keys and tokens never travel in the open"),
    Rule(
        r"!self.startsWith('https://') || self.matches(r'^https://[^/?#@]+(/[^?#]*)?$')",
        "must be a URL without user, query and fragment",
    ),
)
_PATH = Rule(
    r"self.startsWith('/') && !self.endsWith('/') && !self.contains('//') && !self.matches(r'/[.][.]?(/|$)')",
    "must be an absolute path such as /cms, without trailing slash, empty parts, '.' and '..'",
)
_SECRET = Rule(
    f"!self.matches(r'^({RESERVED_SECRETS.pattern})$')",
    "that is a Secret of the facility itself: name one of the VO's own",
)
_NO_COMPUTE = Rule(
    f"!self.matches(r'^{names.COMPUTE_AUDIENCE.pattern}$')",
    "that is the audience of the batch system: `batch` says who gets it",
)
_OURS = " || ".join(f"name.startsWith('{one}')" for one in RESERVED)
_METADATA = " || ".join(f"cidr('{one}').containsCIDR(cidr(self))" for one in NETWORKS)

#: of the object whole, its name included
OBJECT = (
    Rule(
        f"self.metadata.name.matches('^{names.VO_NAME.pattern}$')",
        "a VO's name has 1 to 15 of a-z and 0-9, beginning with a letter",
    ),
    Rule(
        "!has(self.spec.services) || !self.spec.services.exists(s, s.name == self.metadata.name)",
        "no service has the VO's own name: so is called what jobs have for the lake",
    ),
)
#: by the place in an object, [] for each of a list
CACHED_DATASET: dict[str, tuple[Rule, ...]] = {
    "spec.vo": (Rule(f"self.matches('^{names.VO_NAME.pattern}$')", "the name of a VirtualOrganization, such as cms"),),
    "spec.paths[]": (_PATH,),
}
VIRTUAL_ORGANIZATION: dict[str, tuple[Rule, ...]] = {
    "spec.logo": (
        Rule(
            "self == '' || self.startsWith('https://') || self.startsWith('data:image/')",
            "the logo is an https URL or a data:image/ URL",
        ),
    ),
    "spec.issuer": (
        *_URL,
        Rule(
            r"self.matches(r'^[\x21\x23-\x2B\x2D-\x5B\x5D-\x7E]*$')",
            "must have only printable ASCII characters, without space, quote, comma and backslash",
        ),
    ),
    "spec.clientSecret.name": (_SECRET,),
    "spec.tokens.exchangeClient.name": (_SECRET,),
    "spec.cache.robot.name": (_SECRET,),
    "spec.lakes": (
        Rule(
            "self.all(a, self.exists_one(b, b.prefix == a.prefix || b.prefix.startsWith(a.prefix + '/')))",
            "the prefixes of two lakes overlap: give each path to one lake",
        ),
    ),
    "spec.cache.quotas[].path": (_PATH,),
    "spec.lakes[].prefix": (_PATH,),
    "spec.lakes[].audience": (_NO_COMPUTE,),
    "spec.lakes[].origin": (
        Rule(
            r"self.matches(r'^(https|roots?)://')",
            "must be an https, root or roots URL: the cache's token never travels in the open",
        ),
        Rule(
            r"!self.matches(r'^(https|roots?)://') || self.matches(r'^[a-z]+://[^/?#@]+/*$')",
            "give https://host:port or root://host:port alone: paths at the origin are the same as in the lake",
        ),
    ),
    "spec.lakes[].scopeBase": (Rule(f"self == '/' || ({_PATH.rule})", f"{_PATH.message}; or / alone"),),
    "spec": (
        Rule(
            "!has(self.lakes) || !self.lakes.exists(l, has(l.credential) && l.credential == 'Robot') || "
            "(has(self.cache) && has(self.cache.robot))",
            "a lake's credential is Robot: name the robot's Secret in cache.robot",
        ),
        Rule(
            "!has(self.services) || !has(self.lakes) || "
            "self.services.all(s, !self.lakes.exists(l, l.audience == s.audience))",
            "a service has the audience of a lake: one token would open both",
        ),
    ),
    "spec.batch.shares": (Rule(_once("group"), "one group has two shares: give each group one"),),
    "spec.services": (
        Rule(_once("name"), "one service is there twice: give each service a name of its own"),
        Rule(_once("audience"), "two services have one audience: make one service of them"),
    ),
    "spec.services[].name": (
        Rule(
            f"!self.matches(r'^({RESERVED_SERVICES})$')",
            "lake, lake2 and so on, and compute are tokens of the facility itself: choose another name",
        ),
    ),
    "spec.services[].audience": (_NO_COMPUTE,),
    "spec.services[].consumers": (
        Rule("self.all(a, self.exists_one(b, b == a))", "a consumer is there twice: list each once"),
    ),
    "spec.profiles": (
        Rule(_once("name"), "one profile is there twice: give each profile a name of its own"),
        Rule(
            "self.filter(one, has(one.default) && one.default).size() <= 1",
            "more than one profile is the default: choose one",
        ),
    ),
    "spec.profiles[]": (
        Rule(_at_most("cpu", "cpuLimit"), "cpuLimit is less than cpu: no such server could start"),
        Rule(_at_most("memory", "memoryLimit"), "memoryLimit is less than memory: no such server could start"),
    ),
    "spec.profiles[].environment": (
        Rule(
            f"!self.exists(name, {_OURS})",
            f"names that begin with {', '.join(RESERVED)} are set by the facility itself",
        ),
    ),
    "spec.volumes": (
        Rule(_once("name"), "one volume is there twice: give each volume a name of its own"),
        Rule(_once("mountPath"), "two volumes have the same mountPath: give each a path of its own"),
    ),
    "spec.volumes[].mountPath": (
        _PATH,
        Rule(_matches(f"^/({'|'.join(MOUNT_ROOTS)})(/|$)"), f"mount at or below one of /{' /'.join(MOUNT_ROOTS)}"),
    ),
    "spec.network.allow[]": (
        Rule("has(self.host) != has(self.cidr)", "a destination is either a host or a cidr: give one of the two"),
    ),
    "spec.network.allow[].cidr": (
        Rule(
            "isCIDR(self) && cidr(self) == cidr(self).masked()",
            "write a network such as 192.0.2.0/24 or 2001:db8::/32, or one address as 192.0.2.7/32",
        ),
        Rule(
            f"!isCIDR(self) || !({_METADATA})",
            "that is the nodes' metadata service, which no pod may reach",
        ),
    ),
}
