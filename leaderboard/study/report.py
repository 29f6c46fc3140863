"""A report of votes as a text: who is preferred, how sure that is, which raters count, which metrics agree."""

from __future__ import annotations

from leaderboard.render.markdown import escape_markdown
from leaderboard.study.score import QuestionReport, VoteReport

__all__ = ["report_text"]


def report_text(report: VoteReport) -> str:
    """The whole report in Markdown."""
    out = [f"# {escape_markdown(report.title)}", ""]
    counted = [rater for rater in report.raters if not rater.faults]
    out += [f"{len(counted)} of {len(report.raters)} raters pass the checks.", ""]
    out += [
        f"- {escape_markdown(rater.file)}: {'; '.join(rater.faults)}"
        for rater in report.raters
        if rater.faults
    ]
    for question in report.questions:
        out += ["", f"## {question.question}", "", *_question(question)]
    return "\n".join(out).rstrip() + "\n"


def _question(question: QuestionReport) -> list[str]:
    lines = [f"{question.votes} votes of {question.raters} raters, {question.ties:.0%} without a preference."]
    if question.reason is not None:
        return [*lines, f"Not ranked: {question.reason}."]
    lines += ["", "| rank | system | preferred | 95 % |", "|---|---|---|---|"]
    for one in question.systems:
        rank = "-".join(map(str, dict.fromkeys(one.ranks)))
        low, high = one.interval
        lines.append(
            f"| {rank} | {escape_markdown(one.system)} | {one.share:.1%} | {low:.1%} .. {high:.1%} |"
        )
    lines += ["", *_remarks(question)]
    if question.metrics:
        lines += [
            "",
            "| metric | protocol | agrees with votes | 95 % | votes | tau of systems | 95 % | p |",
            "|---|---|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {one.metric} | {one.protocol} | {_share(one.of_clips)} | {_ends(one.interval, '.1%')} | {one.votes} | "
            f"{'-' if one.of_systems is None else f'{one.of_systems:.2f}'} | {_ends(one.systems_interval, '.2f')} | "
            f"{'-' if one.systems_p is None else f'{one.systems_p:.2g}'} |"
            for one in sorted(question.metrics, key=lambda one: -(one.of_clips or 0.0))
        ]
        lines += [
            "",
            "50 % is what a coin agrees; a metric whose interval holds 50 % is not shown to follow people. p: how "
            "often so few systems stand in so like an order by chance.",
        ]
    return lines


def _remarks(question: QuestionReport) -> list[str]:
    said = []
    if question.alpha is not None:
        said.append(
            f"Raters agree with each other: Krippendorff's alpha {question.alpha:.2f} (1 wholly, 0 as by chance)."
        )
    if question.left is not None:
        share, p = question.left
        bias = "" if p >= 0.01 else ", more than chance: position bias"
        said.append(
            f"Left was preferred in {share:.0%} of decided votes (p {p:.2g}{bias}); sides are balanced."
        )
    if question.intransitive is not None and question.intransitive < 0.05:
        said.append(
            f"One scale does not fit the votes (p {question.intransitive:.2g}): some preferences go in circles."
        )
    if question.needed is not None:
        said.append(f"About {question.needed} votes in all would separate the first two (80 % power).")
    return said


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _ends(interval: tuple[float, float] | None, style: str) -> str:
    return "-" if interval is None else " .. ".join(format(end, style) for end in interval)
