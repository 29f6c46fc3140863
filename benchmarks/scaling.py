"""What a crawl of many hours needs: machines, time, disk, network, money, and what breaks first.

    python benchmarks/scaling.py
    python benchmarks/scaling.py --set crawled_hours=1000 --set machines=1 --set kept_share=0.2

The cost of each step is measured (`docs/curation.md`, one thread, 544 x 960 at 24 fps); sizes of a crawl, prices and
failures are assumptions, all of which `--set` changes. The run itself is simulated: sources of lognormal length go to
whoever is free, machines are lost now and then, and what a lost machine held is done again.
"""

from __future__ import annotations

import argparse
import heapq
from dataclasses import dataclass, fields, replace

import numpy as np

MEASURED_PIXELS, MEASURED_FPS = 544 * 960, 24.0
"""Of the video on which the steps were measured."""


@dataclass(frozen=True)
class Scenario:
    """A crawl, the machines, what a step costs, prices.

    CPU seconds are per second of video; those of ``decode``, ``cut`` grow with the pixels, those of the others do not:
    they look at thumbnails of a fixed size. Prices are US dollars.
    """

    crawled_hours: float = 100_000.0
    source_minutes: float = 10.0
    length_spread: float = 0.9
    width: int = 1280
    height: int = 720
    fps: float = 30.0
    source_mbit_per_s: float = 2.5
    kept_share: float = 0.05
    clip_mbit_per_s: float = 3.0

    shots_cpu_s: float = 0.153
    flow_cpu_s: float = 0.015
    people_cpu_s: float = 0.050
    decode_cpu_s: float = 0.053
    cut_cpu_s_per_kept_s: float = 0.19
    observed_bytes_per_s: float = 2200.0
    worker_mb: float = 890.0

    machines: int = 32
    cores: int = 64
    memory_gb: float = 128.0
    network_gbit_per_s: float = 10.0
    disk_mb_per_s: float = 500.0
    lost_per_machine_day: float = 0.05

    core_hour: float = 0.04
    disk_tb_month: float = 20.0
    download_gbit_per_s: float = 1.0


def per_second(of: Scenario) -> dict[str, float]:
    """CPU seconds that a second of crawled video costs, step by step."""
    rate = of.fps / MEASURED_FPS
    pixels = of.width * of.height / MEASURED_PIXELS * rate
    return {
        "decode and scale": of.decode_cpu_s * pixels,
        "shots": of.shots_cpu_s * rate,
        "flow": of.flow_cpu_s,
        "people": of.people_cpu_s,
        "cut": of.cut_cpu_s_per_kept_s * pixels * of.kept_share,
    }


def simulate(of: Scenario, seed: int = 0, most_sources: int = 20_000) -> tuple[float, float]:
    """(hours from start to end, share of the work done twice), by a run of at most so many sources.

    A larger crawl is scaled: so many sources to a core as there are in truth.
    """
    rng = np.random.default_rng(seed)
    workers = of.machines * of.cores
    sources = max(1, round(of.crawled_hours * 60 / of.source_minutes))
    scale = max(1.0, sources / most_sources)
    simulated = max(1, round(workers / scale))
    count = round(sources * simulated / workers)
    cost = sum(per_second(of).values())
    sigma = of.length_spread
    minutes = rng.lognormal(np.log(of.source_minutes) - sigma**2 / 2, sigma, count)
    free = [(0.0, worker) for worker in range(simulated)]
    lost_per_hour = of.lost_per_machine_day / 24
    again = total = end = 0.0
    for hours in minutes / 60 * cost:
        start, worker = heapq.heappop(free)
        while rng.random() < 1 - np.exp(-lost_per_hour * hours):
            wasted = rng.uniform(0, hours)
            again, start = again + wasted, start + wasted
        total += hours
        end = max(end, start + hours)
        heapq.heappush(free, (start + hours, worker))
    return end, again / total


def needs(of: Scenario) -> list[tuple[str, str]]:
    """Lines of the table."""
    seconds = of.crawled_hours * 3600
    steps = per_second(of)
    core_hours = seconds * sum(steps.values()) / 3600
    wall_hours, again = simulate(of)
    crawl_tb = seconds * of.source_mbit_per_s / 8e6
    kept_hours = of.crawled_hours * of.kept_share
    clips_tb = kept_hours * 3600 * of.clip_mbit_per_s / 8e6
    tables_gb = seconds * of.observed_bytes_per_s / 1e9
    per_core = sum(steps.values())
    inflow = of.cores / per_core * of.source_mbit_per_s / 1000
    rows = [(f"CPU s per s of video: {name}", f"{value:.3f}") for name, value in steps.items()]
    return [
        *rows,
        ("core hours", f"{core_hours:,.0f} (and {again:.2%} done twice)"),
        (f"time on {of.machines} machines of {of.cores} cores", f"{wall_hours:,.1f} h"),
        ("the same if nothing waited", f"{core_hours / of.machines / of.cores:,.1f} h"),
        ("crawl on disk", f"{crawl_tb:,.1f} TB"),
        ("clips kept", f"{kept_hours:,.0f} h, {kept_hours * 3600 / 6.34:,.0f} clips, {clips_tb:,.2f} TB"),
        ("observations, to decide again without a decode", f"{tables_gb:,.0f} GB"),
        ("memory of a machine", f"{of.cores * of.worker_mb / 1000:,.0f} of {of.memory_gb:,.0f} GB"),
        ("video a machine reads", f"{inflow:.2f} of {of.network_gbit_per_s:g} Gbit/s"),
        (
            "download of the crawl",
            f"{crawl_tb * 8000 / of.download_gbit_per_s / 3600:,.0f} h at {of.download_gbit_per_s:g} Gbit/s",
        ),
        ("machines, US$", f"{core_hours * of.core_hour:,.0f}"),
        ("disk for a month, US$", f"{(crawl_tb + clips_tb) * of.disk_tb_month:,.0f}"),
        ("what ends first", breaks_first(of, wall_hours)),
    ]


def breaks_first(of: Scenario, wall_hours: float) -> str:
    """The tightest of what was given, by how much of it is used."""
    crawl_tb = of.crawled_hours * 3600 * of.source_mbit_per_s / 8e6
    per_core = sum(per_second(of).values())
    inflow_mbit = of.cores / per_core * of.source_mbit_per_s
    files = of.crawled_hours * 60 / of.source_minutes
    used = {
        "the download takes longer than the work": crawl_tb
        * 8000
        / of.download_gbit_per_s
        / 3600
        / wall_hours,
        "memory of a machine": of.cores * of.worker_mb / 1000 / of.memory_gb,
        "network of a machine": inflow_mbit / 1000 / of.network_gbit_per_s,
        "disk of a machine": inflow_mbit / 8 / of.disk_mb_per_s,
        "files in one folder (of 100,000): take --shard": files / 100_000,
    }
    ordered = sorted(used.items(), key=lambda item: -item[1])
    return "; ".join(f"{name} ({share:.1f}x)" for name, share in ordered[:3])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="changes")
    given = parser.parse_args()
    kinds = {field.name: type(field.default) for field in fields(Scenario)}
    changes = {}
    for text in given.changes:
        key, _, value = text.partition("=")
        if key not in kinds:
            parser.error(f"no {key!r}; there are {', '.join(kinds)}")
        changes[key] = kinds[key](value)
    rows = needs(replace(Scenario(), **changes))
    width = max(len(what) for what, _ in rows)
    for what, how_much in rows:
        print(f"{what:{width}}  {how_much}")


if __name__ == "__main__":
    main()
