"""The glossary of metrics, from the registry."""

from __future__ import annotations

import html
import math

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from evaluation.metrics.printed import unit_of
from evaluation.metrics.registry import installed_metrics
from evaluation.metrics.spec import MetricSpec
from evaluation.protocol import load_protocol, protocol_names

HEAD = """# Glossary of metrics

For readers of tables. ↑: higher is better, ↓: lower is better, →: the nearer to the value of the real clips the better.
Values and bounds are as they are printed. What a metric sees: `keypoints` are joints in 2D or 3D, `motion` joints in
metres, `pictures` the frames of a video, `pairs` videos beside their own references, `music` the beats. How a metric is
defined, and what it can be fooled by: [metrics of motion](motion-metrics.md), [of pictures](appearance-metrics.md),
[of bodies](bodies.md), [of rhythm](rhythm.md); how sure a value is: [statistics](statistics.md).
"""
COLUMNS = """| metric | in tables | what it is | better | unit | bounds | sees | asked for by |
|---|---|---|---|---|---|---|---|"""
DIRECTIONS = {"higher": "↑ higher", "lower": "↓ lower", "reference": "→ nearer", "none": "none"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page."""
    files.append(File.generated(config, "glossary.md", content=glossary()))
    return files


def glossary() -> str:
    """A table for each group, in the order of the registry."""
    groups: dict[str, list[MetricSpec]] = {}
    for entry in installed_metrics():
        if entry.spec is not None:
            groups.setdefault(entry.spec.group, []).append(entry.spec)
    users: dict[str, list[str]] = {}
    for name in protocol_names():
        for metric in load_protocol(name).metrics:
            users.setdefault(metric, []).append(name)
    parts = [HEAD]
    for group, specs in groups.items():
        parts.append(f"## {group}\n\n{COLUMNS}")
        parts += [row(spec, users.get(spec.name, [])) for spec in specs]
        parts.append("")
    return "\n".join(parts)


def row(spec: MetricSpec, protocols: list[str]) -> str:
    """One metric, with what its reader must always be told."""
    label, _, subscript = html.escape(spec.label).partition("_")
    title = html.escape(spec.title) + (f". {html.escape(spec.caution)}" if spec.caution else "")
    cells = (
        f"`{spec.name}`",
        label + (f"<sub>{subscript}</sub>" if subscript else ""),
        title,
        DIRECTIONS[spec.direction],
        unit_of(spec),
        bounds(spec),
        ", ".join(sorted(spec.needs)),
        ", ".join(protocols) or "no protocol of ours",
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def bounds(spec: MetricSpec) -> str:
    """``0 .. 100``; open ends are left out."""
    low, high = (bound * spec.scale for bound in spec.bounds)
    if math.isinf(low) and math.isinf(high):
        return "none"
    if math.isinf(high):
        return f"{low:g} or more"
    return f"{high:g} or less" if math.isinf(low) else f"{low:g} .. {high:g}"
