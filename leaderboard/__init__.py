"""Tables, figures, the static site and submissions: what is published of results, and why it can be trusted.

Results are read (:mod:`~leaderboard.entries`), put into sections of what may be compared
(:mod:`~leaderboard.board`), and shown as Markdown, LaTeX, CSV, JSON and HTML (:mod:`~leaderboard.render`) or as a
page (:mod:`~leaderboard.site`). Whatever a result says is recomputed from its features
(:mod:`~leaderboard.recheck`) and its text is never trusted.
"""
