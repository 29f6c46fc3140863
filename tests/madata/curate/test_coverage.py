from madata.curate.coverage import timeline
from madata.curate.journal import Entry


def span(start, end, **more):
    return {"start_frame": start, "end_frame": end, "start_s": start / 10, "end_s": end / 10, **more}


def test_no_frame_is_left_out():
    entry = Entry(
        "done",
        {},
        clips=[span(5, 60, clip_id="a"), span(50, 95, clip_id="b")],
        dropped=[span(0, 3, reason="damaged"), span(120, 150, reason="short")],
        shots=[span(0, 100), span(120, 150), span(150, 170)],
        transitions=[span(100, 120)],
    )
    rows = timeline("s", entry)
    fates = [(row["start_frame"], row["end_frame"], row["fate"]) for row in rows]
    assert fates == [
        (0, 3, "dropped"),
        (3, 5, "rest"),
        (5, 60, "kept"),
        (50, 95, "kept"),
        (95, 100, "rest"),
        (100, 120, "transition"),
        (120, 150, "dropped"),
        (150, 170, "rest"),
    ]
    assert {frame for start, end, _ in fates for frame in range(start, end)} == set(range(170))
    assert all(row["start_s"] == row["start_frame"] / 10 for row in rows)
    assert all(row["end_s"] == row["end_frame"] / 10 for row in rows)
    assert [row.get("clip_id") for row in rows if row["fate"] == "kept"] == ["a", "b"]
