"""Results in the formats of the field: written for others to read, and read as what others report.

What is read is evidence of its own kind, ``reported elsewhere``: shown with its source, never ranked, never verified.
"""

from leaderboard.exchange.elsewhere import ElsewhereRow, elsewhere_section, read_elsewhere
from leaderboard.exchange.every_eval_ever import EVERY_EVAL_EVER, to_every_eval_ever
from leaderboard.exchange.hub import benchmark_card, to_eval_results
from leaderboard.exchange.write import export_results

__all__ = [
    "EVERY_EVAL_EVER",
    "ElsewhereRow",
    "benchmark_card",
    "elsewhere_section",
    "export_results",
    "read_elsewhere",
    "to_eval_results",
    "to_every_eval_ever",
]
