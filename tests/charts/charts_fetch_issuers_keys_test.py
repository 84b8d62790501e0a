"""Charts whose pods judge tokens by libscitokens have issuers' keys fetched beside it, where it looks for them."""

from __future__ import annotations

import pytest

from facility.condor import layout
from facility.dev.lake import origin
from facility.keycache import settings
from tests.charts.rendering import Case, Charts, containers

#: what makes the pod, by the container that judges
MAKERS = {"cm": "StatefulSet cm", "origin": "Deployment origin"}


@pytest.mark.parametrize(
    ("values", "judge", "home"),
    [
        (Case("condor", "02-every-option-values.yaml"), "cm", str(layout.KEYCACHE)),
        (Case("demo", "02-every-option-values.yaml"), "origin", origin.RUN),
    ],
    ids=["central manager", "the demo's origin"],
)
def test_whoever_judges_tokens_reads_keys_that_another_container_fetches(
    charts: Charts, values: Case, judge: str, home: str
) -> None:
    found = {one["name"]: one for of, one in containers(charts.objects(values)) if of.startswith(MAKERS[judge])}
    for name, value in settings.environment().items():
        assert {"name": name, "value": value} in found[judge]["env"]
        assert {"name": name, "value": value} in found["keys"]["env"]
    issuers = {"cm": str(layout.ISSUERS), "origin": f"{origin.RUN}/{settings.ISSUERS}"}[judge]
    assert found["keys"]["args"] == settings.command(home, issuers)
