"""A job of madance -> One-to-All's own functions -> the clip. Runs in One-to-All's environment."""

import json
import os
import sys
from pathlib import Path

import imageio
import numpy as np
from PIL import Image
from skeleton import held, openpose_points

SHORTEST = 81  # frames of its first piece; it plans no shorter clip


def dwpose(points, size):
    """Points (18, 3) px in the form its drawing takes: shares of the picture; no hands, no face."""
    score = np.where(np.isfinite(points[:, 0]), points[:, 2], 0)
    subset = np.where(score > 0, np.arange(len(points), dtype=float), -1)
    bodies = {"candidate": np.nan_to_num(points[:, :2]) / size, "subset": subset[None], "score": score[None]}
    nothing = {"hands": np.zeros((2, 21, 2)), "hands_score": np.zeros((2, 21))}
    return {"bodies": bodies, **nothing, "faces": np.zeros((1, 68, 2)), "faces_score": np.zeros((1, 68))}


def main(job):
    options, (width, height), scratch = job["options"], job["size"], Path(job["scratch"])
    inside = Path(options["checkout"]).resolve() / "video-generation"  # all of its paths begin here
    os.chdir(inside)
    sys.path.insert(0, str(inside))
    from infer_utils import aaposemeta_to_dwpose, draw_pose_aligned, wanpose2d

    inference = __import__("inference_1.3b")  # a name that no import statement takes

    cache = scratch / "cache"
    cache.mkdir()
    picture = Image.open(job["image"]).convert("RGB")
    picture.save(cache / "image_input.png")
    pose = aaposemeta_to_dwpose(wanpose2d([np.array(picture)])[0])
    Image.fromarray(draw_pose_aligned(pose, height, width, without_face=True)).save(cache / "pose_input.png")
    Image.new("RGB", (width, height)).save(cache / "mask_input.png")
    points = held(openpose_points(job), max(job["num_frames"], SHORTEST))
    with imageio.get_writer(cache / "pose.mp4", fps=job["fps"], codec="libx264", quality=9) as writer:
        for each in points:
            frame = draw_pose_aligned(dwpose(each, (width, height)), height, width, without_face=True)
            writer.append_data(frame)

    inference.output_base_dir, inference.max_short = str(scratch / "made"), min(width, height)
    guidance = (options["image_guidance"], options["pose_guidance"])
    task = ("clip", str(cache), height, width, *guidance, options["prompt"])
    inference.unified_worker(0, 1, [task], inference.ckpt_paths[0])
    made = sorted((scratch / "made").rglob("frame_*.png"))[: job["num_frames"]]
    with imageio.get_writer(job["output"], fps=job["fps"], codec="libx264", quality=9) as writer:
        for path in made:
            writer.append_data(imageio.imread(path))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
