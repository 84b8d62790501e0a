"""`python3 -m facility.operator.render -f vo.yaml --site site.yaml`: what the operator would write for VOs, to read.

Nothing is asked of a cluster or an issuer: VOs are taken as they stand, without people.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from facility import site as sites
from facility.operator.build import everything
from facility.operator.objects import Manifest
from facility.operator.text import dump
from facility.operator.validate import ValidatedVO
from facility.vo import VirtualOrganization


def render(documents: Sequence[Manifest], site: sites.Site) -> list[Manifest]:
    """All manifests for these VirtualOrganization objects."""
    validated = [ValidatedVO(VirtualOrganization.parse(document)) for document in documents]
    built = [manifest for one in validated for manifest in everything.of_vo(one, site)]
    return everything.of_site(validated, site) + built


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the manifests as one YAML stream."""
    parser = argparse.ArgumentParser(prog="facility render", description="Print what the operator writes for VOs.")
    parser.add_argument("-f", "--file", type=Path, required=True, help="VirtualOrganization objects, YAML")
    parser.add_argument("--site", type=Path, default=sites.DEFAULT_PATH, help="the site's settings, YAML")
    options = parser.parse_args(arguments)
    documents = [one for one in yaml.safe_load_all(options.file.read_text()) if one]
    manifests = render(documents, sites.load(options.site))
    sys.stdout.write(dump(manifests))


if __name__ == "__main__":
    main()
