"""`make bench PART=cache`: what a cache costs its readers, beside the same server without tokens, and beside others.

P7: warm reads, of one file of 1 GiB and of 1,000 files of 100 kB, by root:// and https, over those of the same server
without token checks. P8: cold reads over those at the origin itself. All on the loopback of one machine, whose cores
readers, caches and origin share, in turns; a figure is the middle of its rounds. No cluster is needed, only the engine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import median

import matplotlib.pyplot as plt
import pytest

from facility.dev.lake import made
from tests.bench import cache_reader, relay
from tests.bench.cache_rig import TAPE, UID, VO, Rig, Server, rig
from tests.bench.figures import RESULTS, Row, publish, row, table

pytestmark = pytest.mark.cluster
READER = Path(cache_reader.__file__)
BIG, SMALL, COUNT, CROWD = 1 << 30, 100_000, 1000, 10 << 20
AT_ONCE, ROUNDS = 4, 3
#: of the small files, warm: a second each, so that one counts for little
MANY_ROUNDS = 9
SCHEMES = ("root", "https")
#: what else serves the same files warm, and what that is
PEERS = {"root": ("bare",), "https": ("nginx", "squid")}
NAMES = {"bare": "XRootD without TLS, tokens, cache", "nginx": "nginx over TLS", "squid": "squid over TLS"}
#: seconds there and back
FAR = 0.04
#: files and events of the analysis; MiB a second of the slow origin
MADE, EVENTS, SLOW = 6, 500_000, 8


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """The rig with its files: the folders of cold reads are other names of the same."""
    folder = tmp_path_factory.mktemp("cache")
    with rig(folder) as found:
        files(found.lake / VO)
        yield found
    shutil.rmtree(folder)  # twenty gigabytes


def files(lake: Path) -> None:
    """What is read: for each round and protocol under a name of its own."""
    folders = [lake / "warm", *(lake / f"cold-{scheme}-{number}" for scheme in SCHEMES for number in range(ROUNDS))]
    for folder in folders:
        (folder / "small").mkdir(parents=True)
    warm = folders[0]
    for path, size in ((warm / "big", BIG), (warm / "crowd", CROWD)):
        subprocess.run(["sh", "-c", f"head -c {size} /dev/urandom > {path}"], check=True)
    for number in range(COUNT):
        (warm / "small" / str(number)).write_bytes(os.urandom(SMALL))
    for folder in folders[1:]:
        for path in (p for p in warm.rglob("*") if p.is_file()):
            os.link(path, folder / path.relative_to(warm))
    made.make(lake / "made", MADE, EVENTS)
    shutil.copytree(lake / "made", lake.with_name(TAPE) / "made")
    subprocess.run(["chown", "-R", f"{UID}:{UID}", lake.parent], check=True)


def test_a_cache_costs_little(stand: Rig) -> None:
    servers = {"ours": stand.cache("ours", tokens=True), "open": stand.cache("open", tokens=False)}
    servers |= {"origin": stand.origin(), "bare": stand.bare(), "nginx": stand.nginx()}
    servers |= {"tape": stand.origin(TAPE, f"{SLOW}m"), "squid": stand.squid(servers["nginx"])}
    rows: dict[str, Row] = {}
    for part in (warm, cold, far, crowds, analyses):
        rows |= part(stand, servers)
        print("\n" + table(rows), flush=True)  # should a later part fail, these figures are not lost
    publish("cache", rows)


@dataclass(frozen=True)
class Load:
    """What is read: `big`, one file (MB/s), or `small`, many (files a second)."""

    stand: Rig
    kind: str
    count: int = COUNT

    @property
    def unit(self) -> str:
        """Of its rate."""
        return "MB/s" if self.kind == "big" else "/s"

    @property
    def rounds(self) -> int:
        """Of warm reads."""
        return ROUNDS if self.kind == "big" else MANY_ROUNDS

    def rate(self, server: Server, scheme: str, folder: str) -> float:
        """Of one measurement of a server."""
        url = server.url(scheme, f"/{VO}/{folder}/{self.kind}")
        if self.kind == "big":
            return self.stand.read(READER, what="big", url=url, size=BIG)["rate"]
        return self.stand.read(READER, what="small", base=url, count=self.count, size=SMALL, at_once=AT_ONCE)["rate"]


def warm(stand: Rig, servers: dict[str, Server]) -> dict[str, Row]:
    """P7, and what stands beside it; CPU of the cache."""
    rows: dict[str, Row] = {}
    for load, scheme in product((Load(stand, "big"), Load(stand, "small")), SCHEMES):
        beside = ("ours", "open", *PEERS[scheme])
        for name in beside:
            load.rate(servers[name], scheme, "warm")  # caches have the files from now on
        seen: dict[str, list[float]] = {name: [] for name in beside}
        before = servers["ours"].cpu()
        for _, name in product(range(load.rounds), beside):  # in turns: a machine is not as fast in the next minute
            seen[name].append(load.rate(servers[name], scheme, "warm"))
        if load.kind == "big":
            used = (servers["ours"].cpu() - before) / (load.rounds * BIG / 1e9)
            rows[f"P7_{scheme}_cpu_s_per_GB"] = row(round(used, 2), "s", beside="CPU of the cache, warm, 1 GiB")
        rows |= ratios(f"P7_{scheme}_{load.kind}", {name: median(rates) for name, rates in seen.items()}, load.unit)
    return rows


def ratios(key: str, found: dict[str, float], unit: str) -> dict[str, Row]:
    """Ours over the same without tokens, which has a goal, and over the other peers."""
    ours, same = found["ours"], found["open"]
    told = f"{ours:.0f} {unit}; the same server without token checks {same:.0f}"
    rows = {key: row(round(ours / same, 2), "", goal=0.95, beside=told, least=True)}
    for peer, name in NAMES.items():
        if other := found.get(peer):
            rows[f"{key}_{peer}"] = row(round(ours / other, 2), "", beside=f"{ours:.0f} {unit}; {name} {other:.0f}")
    return rows


def cold(stand: Rig, servers: dict[str, Server]) -> dict[str, Row]:
    """P8: each round reads files that the cache has never seen; the same of squid, over what it has before it."""
    rows: dict[str, Row] = {}
    for load, scheme in product((Load(stand, "big"), Load(stand, "small")), SCHEMES):
        beside = ("ours", "origin", *(("squid", "nginx") if scheme == "https" else ()))
        seen: dict[str, list[float]] = {name: [] for name in beside}
        for number, name in product(range(ROUNDS), beside):
            seen[name].append(load.rate(servers[name], scheme, f"cold-{scheme}-{number}"))
            os.sync()  # what the cache has yet to write is not the next one's burden
        rates = {name: median(found) for name, found in seen.items()}
        key = f"P8_{load.kind}" if scheme == "https" else f"P8_{scheme}_{load.kind}"
        told = f"{rates['ours']:.0f} {load.unit} by {scheme}; at the origin {rates['origin']:.0f}"
        rows[key] = row(round(rates["ours"] / rates["origin"], 2), "", goal=0.8, beside=told, least=True)
        if squid := rates.get("squid"):
            told = f"squid {squid:.0f} {load.unit}; nginx, which it reads from, {rates['nginx']:.0f}"
            rows[f"{key}_squid"] = row(round(squid / rates["nginx"], 2), "", beside=told)
    return rows


def far(stand: Rig, servers: dict[str, Server]) -> dict[str, Row]:
    """P8 of small files whose storage is as far away as another country is, where what counts is how often it is asked:
    one that says of which version the bytes are (nginx, as dCache and StoRM do), and XRootD, which does not."""
    return {
        "P8_far": distant(stand, servers["nginx"], "nginx, which says of which version bytes are"),
        "P8_far_xrootd": distant(stand, servers["origin"], "XRootD, which does not"),
    }


def distant(stand: Rig, storage: Server, name: str) -> Row:
    """Cold small files of a storage at the end of a long way, over the same without a cache."""
    with relay.late(storage.port, FAR / 2) as port:
        stand.stored_at(port)
        there, ours = Server("there", port, ""), stand.cache(f"far-{storage.name}", tokens=True)
        load, folders = Load(stand, "small", COUNT // 5), [f"cold-https-{number}" for number in range(ROUNDS)]
        direct, cold = (median(load.rate(server, "https", folder) for folder in folders) for server in (there, ours))
    told = f"{cold:.0f} /s by https, {FAR * 1000:.0f} ms from the storage; there {direct:.0f}: {name}"
    return row(round(cold / direct, 2), "", goal=0.8, beside=told, least=True)


def crowds(stand: Rig, servers: dict[str, Server]) -> dict[str, Row]:
    """Many readers of one warm file, and what memory they cost."""
    rows: dict[str, Row] = {}
    quiet = servers["ours"].mebibytes()
    for scheme in SCHEMES:
        url = servers["ours"].url(scheme, f"/{VO}/warm/crowd")
        for readers in (10, 50, 200):
            rate = stand.read(READER, what="crowd", url=url, size=CROWD, readers=readers)["rate"]
            told = f"readers of one warm file of 10 MiB at once, each on its own connection: {readers}"
            rows[f"P7_{scheme}_{readers}_readers"] = row(round(rate), "MB/s", beside=told)
    highest = servers["ours"].mebibytes("VmHWM")
    rows["P7_MiB"] = row(round(highest), "MiB", beside=f"most memory of the cache; before the crowds {quiet:.0f}")
    return rows


def analyses(stand: Rig, servers: dict[str, Server]) -> dict[str, Row]:
    """Seconds of the demo's analysis of made files: at the origin, and through the cache the first and next time."""
    seconds: dict[str, dict[str, float]] = {}
    for lake, origin in ((VO, servers["origin"]), (TAPE, servers["tape"])):
        ways = {"no cache": origin, "cold": servers["ours"], "warm": servers["ours"]}
        seconds[lake] = {way: analysed(stand, server, lake) for way, server in ways.items()}
    plot(seconds)
    names = {VO: "", TAPE: f", whose origin gives {SLOW} MiB a second"}
    return {
        f"analysis_{lake}_{way.replace(' ', '_')}_s": row(
            round(took, 1), "s", beside=f"lake /{lake}{names[lake]}; {way}"
        )
        for lake, ways in seconds.items()
        for way, took in ways.items()
    }


def analysed(stand: Rig, server: Server, lake: str) -> float:
    """Seconds, by root://."""
    urls = [server.url("root", f"/{lake}/made/{name}") for name in made.names(MADE)]
    return stand.read(READER, what="analyse", urls=urls, events=EVENTS)["seconds"]


def plot(seconds: dict[str, dict[str, float]]) -> None:
    """The same as a picture, `results/cache-analysis.svg`."""
    plt.rcParams["svg.hashsalt"] = "bench"  # the same figures are the same file
    speeds = {VO: "", TAPE: f" (its origin gives {SLOW} MiB/s)"}
    figure, axes = plt.subplots(figsize=(6, 3))
    for at, (lake, ways) in enumerate(seconds.items()):
        places = [number + 0.4 * at for number in range(len(ways))]
        bars = axes.bar(places, list(ways.values()), 0.38, label=f"/{lake}{speeds[lake]}")
        axes.bar_label(bars, fmt="%.1f s")
    axes.set_xticks([number + 0.2 for number in range(3)], list(seconds[VO]))
    axes.set_ylabel("seconds")
    axes.margins(y=0.15)
    axes.set_title(f"The demo's analysis of {MADE} files with {EVENTS:,} events each", fontsize=10)
    axes.legend()
    figure.savefig(RESULTS / "cache-analysis.svg", bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
