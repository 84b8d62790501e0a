"""Which servers a person may choose, what each gives, and what the page of the choice says."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from facility.hub import profiles, start_page
from facility.hub.refusals import Refused
from tests.fakes import vo_spawner
from tests.fakes.vo_spawner import SITE, Pods, environment, manifest, notebook, site, spawner, vo

SMALL = {"name": "small", "displayName": "Small", "description": "For a look", "cpu": "500m", "memory": "1Gi"}
GPU = {
    "name": "gpu",
    "displayName": "GPU <fast>",
    "groups": ["/cms/gpu"],
    "image": "registry.example/ml:7",
    "cpu": "4",
    "cpuLimit": "8",
    "memory": "16Gi",
    "gpus": 1,
    "environment": {"MODEL": "{a}"},
    "nodeSelector": {"example.org/gpu": "a100"},
}
CMS = vo(displayName="CMS", profiles=[SMALL, GPU])


@pytest.fixture(autouse=True)
def pods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pods]:
    with vo_spawner.cluster(tmp_path, monkeypatch) as found:
        yield found


@pytest.mark.parametrize(
    ("groups", "names"),
    [
        ((), ["small"]),
        (("/cms/gpu",), ["small", "gpu"]),
        (("/cms",), ["small"]),
        (("/cms/gpu/sub",), ["small"]),
        (("/CMS/GPU",), ["small"]),
    ],
)
async def test_a_profile_is_offered_to_those_whose_group_it_names(groups: tuple[str, ...], names: list[str]) -> None:
    one = spawner("cms-alice", CMS, groups=groups)
    assert [entry["slug"] for entry in await one.profile_list(one)] == names


async def test_a_group_of_that_name_in_another_vo_opens_nothing() -> None:
    one = spawner("cms-alice", CMS)
    one.user.groups.append(type(one.user.groups[0])(name="atlas:/cms/gpu"))
    assert [entry["slug"] for entry in await one.profile_list(one)] == ["small"]


async def test_a_profile_says_what_the_server_is() -> None:
    made = await manifest(spawner("cms-alice", CMS, groups=("/cms/gpu",), profile="gpu"))
    container = notebook(made)
    assert container["image"] == "registry.example/ml:7"
    assert container["resources"] == {
        "requests": {"cpu": 4.0, "memory": 16 * 1024**3, "nvidia.com/gpu": "1"},
        "limits": {"cpu": 8.0, "memory": 16 * 1024**3, "nvidia.com/gpu": "1"},
    }
    assert environment(container)["MODEL"] == "{a}"
    assert environment(container)["LAKE_HOSTS"] == "xcache-cms.facility.svc"
    assert made["spec"]["nodeSelector"] == {"example.org/gpu": "a100"}


async def test_gpus_have_the_sites_name() -> None:
    one = spawner("cms-alice", CMS, at=site(gpuResource="amd.com/gpu"), groups=("/cms/gpu",), profile="gpu")
    assert notebook(await manifest(one))["resources"]["limits"]["amd.com/gpu"] == "1"


async def test_without_a_choice_it_is_the_default_or_the_first() -> None:
    assert notebook(await manifest(spawner("cms-alice", CMS)))["resources"]["requests"]["cpu"] == 0.5
    other = vo(profiles=[SMALL, {"name": "usual", "cpu": "2", "default": True}])
    assert notebook(await manifest(spawner("cms-alice", other)))["resources"]["requests"]["cpu"] == 2.0


async def test_a_vo_without_profiles_has_the_sites_server() -> None:
    container = notebook(await manifest(spawner("cms-alice", vo())))
    assert (container["image"], container["resources"]["requests"]["cpu"]) == ("n:1", 0.25)


@pytest.mark.parametrize("wanted", ["gpu", "none", ["small"], {"slug": "small"}, "Small", "<script>"])
async def test_what_is_not_offered_is_refused_whoever_asks(wanted: Any) -> None:
    with pytest.raises(Refused, match="There is no profile") as refused:
        await manifest(spawner("cms-alice", CMS, profile=wanted))
    assert "There are: small." in refused.value.jupyterhub_message


async def test_whoever_has_no_profile_in_their_groups_is_told_so() -> None:
    with pytest.raises(Refused, match="CMS offers no server to your groups"):
        await manifest(spawner("cms-alice", vo(displayName="CMS", profiles=[GPU])))


def test_the_sites_limit_gives_way_to_what_a_profile_is_sure_to_have() -> None:
    (gpu,) = (one for one in CMS.spec.profiles if one.name == "gpu")
    assert profiles.told(profiles.size(gpu, SITE)) == "4 to 8 CPU cores, 16 GiB of memory, 1 GPU"
    assert profiles.told(profiles.size(None, SITE)) == "0.25 CPU cores, 512 MiB to 4 GiB of memory"


class Form(HTMLParser):
    """The inputs of a form, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.inputs: list[dict[str, str | None]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "input":
            self.inputs.append(dict(attrs))

    def handle_data(self, data: str) -> None:
        self.text += data


async def page(**more: Any) -> Form:
    one = spawner("cms-alice", more.pop("of", CMS), **more)
    return Form(await one.get_options_form())


async def test_the_page_has_a_button_for_each_profile_and_says_what_it_gives() -> None:
    found = await page(groups=("/cms/gpu",))
    assert [(one["type"], one["name"], one["value"], "checked" in one) for one in found.inputs] == [
        ("radio", "profile", "small", True),
        ("radio", "profile", "gpu", False),
    ]
    assert "For a look" in found.text
    assert "4 to 8 CPU cores, 16 GiB of memory, 1 GPU" in found.text
    assert "GPU <fast>" in found.text  # escaped in the page, read back here


async def test_the_page_remembers_the_last_choice() -> None:
    found = await page(groups=("/cms/gpu",), last={"profile": "gpu"})
    assert [one["value"] for one in found.inputs if "checked" in one] == ["gpu"]


async def test_there_is_no_page_where_there_is_nothing_to_choose() -> None:
    assert await spawner("cms-alice", CMS).get_options_form() == ""
    assert await spawner("cms-alice", vo()).get_options_form() == ""


async def test_a_choice_that_is_gone_is_told_and_not_started_again() -> None:
    found = await page(last={"profile": "gpu"})
    assert "The profile gpu is not there for you any more." in found.text
    assert [one["value"] for one in found.inputs if "checked" in one] == ["small"]
    found = await page(of=vo(), last={"profile": "gpu"})
    assert [(one["type"], one["name"], one["value"]) for one in found.inputs] == [("hidden", "profile", "")]


@pytest.mark.parametrize("form", [{"profile": ["gpu"]}, {"profile": ["gpu"], "_xsrf": ["2|x"]}])
async def test_form_and_query_become_the_choice(form: dict[str, list[str]]) -> None:
    assert spawner("cms-alice", CMS).options_from_form(form) == {"profile": "gpu"}
    assert spawner("cms-alice", CMS).options_from_query({"profile": ["gpu"]}) == {"profile": "gpu"}


def test_nothing_of_an_object_is_markup() -> None:
    bad = vo(displayName="<b>", profiles=[{**SMALL, "description": "<script>x</script>", "displayName": '"><i>'}, GPU])
    text = start_page.page(bad, bad.spec.profiles, None, SITE, gone="<u>")
    assert not [tag for tag in ("<b>", "<i>", "<u>", "<script>") if tag in text]
