"""A VO's object becomes its cache's configuration, or is refused with what to change in it."""

from __future__ import annotations

import configparser
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facility.lakes import Lake, covers
from facility.site import Site
from facility.vo import VirtualOrganization
from facility.xcache import config, lakes, scitokens
from facility.xcache.accounting import quotas
from facility.xcache.text import CacheConfigError, size

SITE = Site.model_validate(
    {
        "images": {name: f"{name}:1" for name in ("facility", "hub", "notebook", "condor", "xcache")},
        "publicUrl": "https://hub.test",
        "cache": {"ram": "2g"},
    }
)
ORIGIN = "https://origin.demo.svc:1094"


def lake(prefix: str = "/cms", **fields: Any) -> dict[str, Any]:
    return {"prefix": prefix, "origin": ORIGIN, "audience": ORIGIN, "scopes": ["storage.read:/open"], **fields}


def vo(
    *lakes: dict[str, Any], name: str = "cms", issuer: str = "https://iam-cms.demo.svc:31441/", **cache: Any
) -> VirtualOrganization:
    spec = {"issuer": issuer, "clientSecret": {"name": "cms-client"}, "lakes": list(lakes), "cache": cache}
    return VirtualOrganization.parse({"metadata": {"name": name}, "spec": spec})


def directives(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line.strip()]


def values(text: str, key: str) -> list[str]:
    return [" ".join(words[1:]) for words in directives(text) if words[0] == key]


def sections(text: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.read_string(text)
    return parser


def test_one_port_serves_both_protocols_with_tls_and_the_vos_tokens_only() -> None:
    text = config.render(SITE)
    assert values(text, "xrd.port") == ["1094"]
    assert values(text, "xrd.protocol") == ["http libXrdHttp.so"]
    assert values(text, "xrootd.tls") == ["all"]
    assert values(text, "sec.protocol") == ["ztn"]
    assert values(text, "ofs.authlib") == ["libXrdAccSciTokens.so config=/etc/facility/xcache/scitokens.cfg"]
    assert values(text, "all.export") == ["/ r/o"]


def test_pages_have_checksums_on_disk_and_not_on_the_way() -> None:
    text = config.render(SITE)
    assert values(text, "pss.origin") == ["=https,roots,root"]
    assert values(text, "pfc.cschk") == ["nonet nocache"]
    assert values(text, "pfc.osslib") == ["++ libXrdOssCsi.so space=public nofill", "++ /usr/lib/facility/libdisk.so"]
    assert values(text, "pfc.ram") == ["2g"]


def test_paths_and_checksums_go_through_the_plugin_which_compares_files_each_minute() -> None:
    text = config.render(SITE)
    plugin = "++ /usr/lib/facility/liblakes.so"
    files = [f"/etc/facility/xcache/{name}" for name in ("lakes", "keeping", "replicas")]
    assert values(text, "ofs.osslib") == [
        "libXrdPss.so",
        f"{plugin} {' '.join(files)} /var/lib/xcache/data 60",
    ]
    assert values(text, "ofs.ckslib") == ["* libXrdPss.so", plugin]


def kept(made: VirtualOrganization) -> list[str]:
    return config.files(made, SITE)["keeping"].splitlines()


def test_files_come_ahead_of_their_readers_unless_the_vo_reads_parts_of_them() -> None:
    assert values(config.render(SITE), "pfc.prefetch") == ["10"]
    assert values(config.render(SITE), "pfc.urlcgi") == ["prefetch 0 10"]  # so the plug-in may say otherwise
    assert "prefetch ahead" in kept(vo(lake()))
    assert "prefetch as-read" in kept(vo(lake(), prefetch="AsRead"))


def test_files_that_nobody_reads_go_where_the_vo_says_so() -> None:
    assert "unused 0" in kept(vo(lake()))
    assert "unused 7" in kept(vo(lake(), dropUnusedDays=7))


def test_directories_are_kept_small_where_the_vo_says_so() -> None:
    assert values(config.render(SITE), "pfc.purgelib") == ["/usr/lib/facility/liblakes.so /etc/facility/xcache/keeping"]
    made = vo(lake(), quotas=[{"path": "/cms/sim/2025/raw", "size": "2Mi"}, {"path": "/cms/open", "size": "1Gi"}])
    assert kept(made)[2:] == ["quota /cms/sim/2025/raw/ 2097152", "quota /cms/open/ 1073741824"]
    assert quotas.directories("\n".join(kept(made))) == {"/cms/sim/2025/raw", "/cms/open"}


def test_what_is_kept_changes_without_another_configuration_of_xrootd() -> None:
    settings = {"prefetch": "AsRead", "dropUnusedDays": 1, "quotas": [{"path": "/cms/open", "size": "1Gi"}]}
    one, two = (config.files(made, SITE) for made in (vo(lake()), vo(lake(), **settings)))
    assert {name for name in one if one[name] != two[name]} == {"keeping"}


def test_a_quota_of_another_vos_lake_is_refused() -> None:
    with pytest.raises(ValueError, match="/atlas/x: it lies in none of the VO's lakes"):
        vo(lake(), quotas=[{"path": "/atlas/x", "size": "1Gi"}])


def test_lakes_come_and_go_without_another_configuration_of_xrootd() -> None:
    one, two = (config.files(vo(*lakes), SITE) for lakes in ([lake()], [lake(), lake("/cms2")]))
    assert {name for name in one if one[name] != two[name]} == {"lakes", "scitokens.cfg"}


def test_plain_http_is_refused_by_a_secret_that_is_in_no_configuration() -> None:
    text = config.render(SITE)
    assert values(text, "http.secretkey") == ["/run/xrootd/http.secret"]


def test_nothing_that_writes_tokens_to_the_log_is_switched_on() -> None:
    text = config.render(SITE)
    assert "pfc.httpcc" not in text
    assert "debug" not in text
    assert not any(words[0].endswith(".trace") and "all" in words for words in directives(text))


def test_only_capabilities_of_the_vos_issuer_for_its_audiences_open_anything() -> None:
    parsed = sections(scitokens.render(vo(lake())))
    assert parsed.sections() == ["Global", "Issuer cms"]
    assert dict(parsed["Global"]) == {"audience": ORIGIN, "onmissing": "deny"}
    assert dict(parsed["Issuer cms"]) == {
        "issuer": "https://iam-cms.demo.svc:31441/",
        "base_path": "/cms",
        "map_subject": "false",
        "default_user": "cms",
        "authorization_strategy": "capability",
    }


def test_absolute_scopes_are_restricted_to_the_prefix() -> None:
    issuer = sections(scitokens.render(vo(lake("/cms", scopeBase="/"))))["Issuer cms"]
    assert (issuer["base_path"], issuer["restricted_path"]) == ("/", "/cms")


def test_a_base_above_the_prefix_restricts_by_the_path_below_it() -> None:
    issuer = sections(scitokens.render(vo(lake("/store/cms", scopeBase="/store"))))["Issuer cms"]
    assert (issuer["base_path"], issuer["restricted_path"]) == ("/store", "/cms")


def test_bases_that_one_section_cannot_say_are_refused() -> None:
    with pytest.raises(CacheConfigError, match="single one above them all"):
        scitokens.render(vo(lake("/cms", scopeBase="/"), lake("/ctao")))
    with pytest.raises(CacheConfigError, match="scopeBase /atlas for prefixes /cms"):
        scitokens.render(vo(lake("/cms", scopeBase="/atlas")))


def test_a_vo_without_lakes_has_no_cache() -> None:
    with pytest.raises(CacheConfigError, match="no lakes"):
        config.files(vo(), SITE)
    with pytest.raises(CacheConfigError, match="without lakes"):
        scitokens.render(vo())


def test_a_line_that_xrootds_reader_would_cut_is_refused() -> None:
    lakes = [lake(f"/cms{number}", audience=f"https://lake{number}.test/{'x' * 200}") for number in range(3)]
    with pytest.raises(CacheConfigError, match="sure to read 500"):
        scitokens.render(vo(*lakes))


BREAKING = string.whitespace + "\0\x1b[](){}<>#;,$\\\"'`!^|*é\u2028"


@given(
    where=st.sampled_from(["audience", "prefix", "origin", "scopeBase", "issuer"]),
    before=st.text("ab/", max_size=4),
    sign=st.sampled_from(BREAKING),
    after=st.text(max_size=20),
)
def test_no_text_of_a_vo_can_break_out_of_its_line(where: str, before: str, sign: str, after: str) -> None:
    text = {"audience": "a", "prefix": "/p", "origin": "https://o/", "scopeBase": "/p/", "issuer": "https://i/"}[where]
    text += before.replace("//", "/") + sign + after
    try:
        made = vo(lake(), issuer=text) if where == "issuer" else vo(lake(**{where: text}))
    except ValueError:
        return  # the model refuses it already
    with pytest.raises(CacheConfigError):
        config.files(made, SITE)


WORD = st.text(string.ascii_letters + string.digits + "._~@+=%?&:-", min_size=1, max_size=12).filter(
    lambda word: word not in (".", "..")
)


@given(prefix=st.lists(WORD, min_size=1, max_size=3), audience=WORD, ending=WORD)
def test_whatever_is_accepted_says_exactly_what_the_object_says(prefix: list[str], audience: str, ending: str) -> None:
    path = "/" + "/".join(prefix)
    issuer = f"https://iam.test/{ending}".replace("?", "")
    made = vo(lake(path, audience=audience), issuer=issuer)
    parsed = sections(scitokens.render(made))
    assert parsed["Global"]["audience"] == audience
    assert parsed["Issuer cms"]["issuer"] == issuer
    assert parsed["Issuer cms"]["base_path"] == path
    assert lakes.render(made).splitlines() == [f"{path} {ORIGIN}"]


PART = st.sampled_from(["a", "b", "ab"])
PATHS = st.lists(PART, max_size=3).map(lambda parts: "/" + "/".join(parts))


def opened_by_xrootd(bases: tuple[str, ...], restricted: tuple[str, ...], scope: str, path: str) -> bool:
    """XRootD 6.2's rule, said again: restrictions cut the scope, then every base is put before what is left."""
    cuts = [scope] if not restricted else []
    for one in restricted:
        if one == "/" or covers(one, scope):
            cuts = [scope]
            break
        if scope == "/" or covers(scope, one):
            cuts.append(one)
    ends = [base.rstrip("/") + (cut if cut != "/" else "") or "/" for base in bases for cut in cuts]
    return any(end == "/" or covers(end, path) for end in ends)


@given(prefix=PATHS.filter(lambda path: path != "/"), base=st.none() | PATHS, scope=PATHS, path=PATHS)
def test_a_scope_opens_exactly_its_own_path_within_the_prefix(
    prefix: str, base: str | None, scope: str, path: str
) -> None:
    one = Lake.model_validate(lake(prefix, scopeBase=base))
    try:
        bases, restricted = scitokens.paths((one,))
    except CacheConfigError:
        return
    meant = one.base.rstrip("/") + (scope if scope != "/" else "") or "/"
    allowed = covers(prefix, path) and (meant == "/" or covers(meant, path))
    assert opened_by_xrootd(bases, restricted, scope, path) == allowed


@pytest.mark.parametrize(
    ("text", "expected"),
    [("20Gi", 20 * 2**30), ("1500M", 1_500_000_000), ("0.5Ti", 2**39), ("1024", 1024), ("64Ki", 65536)],
)
def test_the_size_of_the_cache_is_handed_on_in_bytes(text: str, expected: int) -> None:
    made = vo(lake())
    made = made.model_copy(
        update={"spec": made.spec.model_copy(update={"cache": made.spec.cache.model_copy(update={"size": text})})}
    )
    assert config.environment(made, SITE)["XCACHE_SIZE"] == str(expected)


def test_a_size_in_thousandths_is_refused() -> None:
    with pytest.raises(CacheConfigError, match="give bytes"):
        size("500m")


def test_the_environment_names_files_and_no_secret() -> None:
    found = config.environment(vo(lake()), SITE)
    assert found["BEARER_TOKEN_FILE"] == "/run/token/lake"
    assert found["XRD_HTTPSLOWRATEBYTESSEC"] == "0"
    assert "BEARER_TOKEN" not in found


def test_only_the_caches_own_process_has_the_client_plug_in_that_begins_files() -> None:
    assert config.environment(vo(lake()), SITE)["XRD_PLUGINCONFDIR"] == "/usr/lib/facility/client.plugins.d"


def several(count: int) -> VirtualOrganization:
    made = vo(lake())
    cache = made.spec.cache.model_copy(update={"replicas": count})
    return made.model_copy(update={"spec": made.spec.model_copy(update={"cache": cache})})


def test_a_cache_sends_readers_on_also_while_it_is_alone() -> None:
    assert values(config.render(SITE), "all.role") == ["manager"]
    assert values(config.render(SITE), "ofs.cmslib") == ["/usr/lib/facility/liblakes.so"]


def test_several_caches_know_each_other_by_the_names_that_readers_are_sent_to() -> None:
    files = config.files(several(3), SITE)
    assert files["replicas"].split() == [f"xcache-cms-{one}.facility.svc:1094" for one in range(3)]
    assert config.environment(several(3), SITE)["XCACHE_HERE"] == "$(POD_NAME).facility.svc:1094"
    assert config.files(several(1), SITE)["replicas"] == ""


def test_further_caches_come_without_another_configuration_of_xrootd() -> None:
    one, two = (config.files(several(count), SITE) for count in (1, 2))
    assert {name for name in one if one[name] != two[name]} == {"replicas"}
