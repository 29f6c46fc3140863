"""Result files as VBench writes them."""

import json


def upstream(path, **changes):
    """A file as VBench writes it: three videos of 3, 3 and 9 frame pairs."""
    names, pairs = ["a", "b", "c"], [3, 3, 9]

    def rows(values):
        return [
            {"video_path": f"out/{name}.mp4", "video_results": value}
            for name, value in zip(names, values, strict=True)
        ]

    counted = [row | {"cnt_per_video": n} for row, n in zip(rows([0.9, 0.8, 0.6]), pairs, strict=True)]
    content = {
        "imaging_quality": [0.6, rows([50.0, 60.0, 70.0])],
        "subject_consistency": [0.72, rows([1.0, 0.8, 0.6])],
        "background_consistency": [0.7, counted],
        "motion_smoothness": [0.95, rows([0.94, 0.95, 0.96])],
        "temporal_flickering": [0.9, rows([0.9, 0.8, 1.0])],
        "dynamic_degree": [1.0, rows([True, True, True])],
    }
    path.write_text(json.dumps({**content, **changes}))
    return path
