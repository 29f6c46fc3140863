"""The reference of what a program of yours may import, from the docstrings.

What is not listed here may change in any version.
"""

from __future__ import annotations

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

PUBLIC = {
    "Data sets": (
        "madata.curation.curate",
        "madata.curation.load_config",
        "madata.curation.CurationSummary",
        "madata.dataset.DanceClips",
    ),
    "Motion and keypoints": (
        "madata.types.Motion3D",
        "madata.types.Keypoints2D",
        "madata.motion.read_motion",
        "madata.motion.write_motion",
        "madata.keypoints.read_keypoints",
        "madata.keypoints.write_keypoints",
    ),
    "Systems": (
        "evaluation.systems.system",
        "evaluation.systems.Card",
        "evaluation.systems.Request",
        "evaluation.systems.System",
        "evaluation.systems.find",
    ),
    "Scores": (
        "evaluation.scoring.score",
        "evaluation.scoring.rescore",
        "evaluation.scoring.write_scored",
        "evaluation.scoring.Scored",
        "evaluation.options.Options",
        "evaluation.protocol.load_protocol",
        "evaluation.result.read_result",
        "evaluation.result.Result",
        "evaluation.result.Metric",
        "evaluation.comparison.compare",
        "evaluation.comparison.load_run",
        "evaluation.comparison.Difference",
    ),
    "Tables": ("leaderboard.board.table", "leaderboard.board.Board"),
    "Parts of your own": (
        "evaluation.metrics.spec.MetricSpec",
        "madata.curation.filter.Filter",
        "madata.curation.filter.Rejection",
        "madata.pose.base.PoseBackend",
        "madata.errors.MadanceError",
    ),
}
SHORT = """
```python
from evaluation import compare, score
from leaderboard import table
from madata import curate
```

are the functions below under short names; they are imported when they are asked for.
"""


def name_of(title: str) -> str:
    """The page of a group."""
    return f"reference/{title.lower().replace(' ', '-')}.md"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """List the pages in the navigation."""
    (section,) = (entry for entry in config.nav or [] if "Python" in entry)
    section["Python"] = [name_of(title) for title in PUBLIC]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    for title, names in PUBLIC.items():
        text = "\n\n".join([f"# {title}", SHORT, *(f"::: {name}" for name in names)])
        files.append(File.generated(config, name_of(title), content=text))
    return files
