"""`facility render -f vo.yaml --site site.yaml`: what the operator would write for VOs, to read.

Nothing is asked of a cluster, an issuer or a name server: VOs are taken as they stand, without people, as if their
issuers answered and their Secrets were there. What is wrong with them by themselves, or between them, is told.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import yaml

from facility import site as sites
from facility.operator.build import everything
from facility.operator.facts import Facts, Issuer, issuer_of, secrets_of
from facility.operator.objects import Manifest
from facility.operator.text import dump
from facility.operator.validate import NETWORK, RefusedVO, ValidatedVO, validate

_KEYS = frozenset({"client_id", "client_secret", "tls.crt", "tls.key"})


class RenderError(ValueError):
    """Objects for which nothing would be written; a line for each reason."""


def judged(documents: Iterable[object]) -> list[ValidatedVO]:
    """The VOs of a file. Raises RenderError."""
    vos = tuple(_object(document) for document in documents if document)
    issuers = {issuer: Issuer(issuer, keys=1) for one in vos if (issuer := issuer_of(one))}
    secrets = {secret: _KEYS for one in vos for secret in secrets_of(one)}
    verdicts = validate(Facts(vos, (), issuers, secrets))
    wrong = [one for one in verdicts if isinstance(one, RefusedVO)]
    if wrong:
        told = (f"{one.name}: {problem.reason}: {problem.message}" for one in wrong for problem in one.problems)
        raise RenderError("\n".join(told))
    return [one for one in verdicts if isinstance(one, ValidatedVO)]


def _object(document: object) -> Manifest:
    meta = document.get("metadata") if isinstance(document, dict) else None
    if not isinstance(document, dict) or document.get("kind") != "VirtualOrganization":
        raise RenderError("the file has a document that is not a VirtualOrganization")
    if not isinstance(meta, dict) or not isinstance(meta.get("name"), str):
        raise RenderError("the file has a VirtualOrganization without metadata.name")
    return document


def render(validated: Sequence[ValidatedVO], site: sites.Site) -> list[Manifest]:
    """All manifests for these VOs. Raises ValueError for one that cannot be written down."""
    built = [manifest for one in validated for manifest in everything.of_vo(one, site)]
    return everything.of_site(validated, site) + built


def notes(validated: Iterable[ValidatedVO]) -> str:
    """What differs from what the operator writes, as comments."""
    told = (
        f"# {one.name}: no host is looked up here, so the ways to these are left out: {', '.join(hosts)}\n"
        for one in validated
        if (hosts := [place.host for place in one.vo.spec.network.allow if place.host])
        and any(problem.condition == NETWORK for problem in one.warnings)
    )
    return "".join(told)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the manifests as one YAML stream; 1 with the reasons when there are none to print."""
    parser = argparse.ArgumentParser(prog="facility render", description="Print what the operator writes for VOs.")
    parser.add_argument("-f", "--file", type=Path, required=True, help="VirtualOrganization objects, YAML")
    parser.add_argument("--site", type=Path, default=sites.DEFAULT_PATH, help="the site's settings, YAML")
    options = parser.parse_args(arguments)
    try:
        validated = judged(yaml.safe_load_all(options.file.read_text()))
        manifests = render(validated, sites.load(options.site))
    except (OSError, ValueError, yaml.YAMLError) as error:
        print(error, file=sys.stderr)
        return 1
    sys.stdout.write(notes(validated) + dump(manifests))
    return 0


if __name__ == "__main__":
    sys.exit(main())
