"""One archive that holds a result with everything it rests on, and what it takes to believe it.

An archive holds ``submission.json`` (the hash of every file), ``result.json``, ``features.npz``, ``samples.parquet``,
``card.json`` and, if wanted, the scored files themselves as ``predictions/<clip_id>.<suffix>``.

Four levels of verification:

0 reported      the numbers are stated
1 re-scored     every number comes out of the features again
2 re-measured   the features come out of the scored files again
3 re-generated  the scored files come out of code and weights again
"""

from leaderboard.submission.board_folder import Addition, BoardFolder, add_submissions, is_board, open_board
from leaderboard.submission.contents import SystemCard
from leaderboard.submission.pack import pack
from leaderboard.submission.verify import ArchiveVerdict, Expected, verify, verify_all

__all__ = [
    "Addition",
    "ArchiveVerdict",
    "BoardFolder",
    "Expected",
    "SystemCard",
    "add_submissions",
    "is_board",
    "open_board",
    "pack",
    "verify",
    "verify_all",
]
