"""A job of madance -> SteadyDancer's command line -> the clip. Runs in SteadyDancer's environment."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import imageio
from skeleton import draw, held, openpose_points


def main(job):
    options, size, wanted = job["options"], job["size"], job["num_frames"]
    checkout, scratch = Path(options["checkout"]).resolve(), Path(job["scratch"])
    frames = -(-(wanted - 1) // 4) * 4 + 1  # it makes 4 n + 1
    poses = scratch / "poses"
    poses.mkdir()
    for index, points in enumerate(held(openpose_points(job), frames)):
        cv2.imwrite(str(poses / f"{index:04d}.jpg"), draw(points, size)[..., ::-1])
    # The README steers away from a pose of wrong proportions between steps 0.1 and 0.4, which its own tools make of
    # a driving video. There is none here: with an end at 0 no step does so.
    made = scratch / "made.mp4"
    command = [
        sys.executable, "generate_dancer.py", "--task", "i2v-14B", "--size", f"{size[1]}*{size[0]}",
        "--frame_num", str(frames), "--ckpt_dir", "SteadyDancer-14B", "--prompt", options["prompt"],
        "--image", job["image"], "--cond_pos_folder", str(poses), "--cond_neg_folder", str(poses),
        "--sample_guide_scale", str(options["guidance"]), "--end_cond_cfg", "0",
        "--base_seed", str(job["seed"]), "--save_file", str(made),
    ]  # fmt: skip
    subprocess.run(command, cwd=checkout, check=True)
    with imageio.get_writer(job["output"], fps=job["fps"], codec="libx264", quality=9) as writer:
        for index, frame in enumerate(imageio.get_reader(made)):
            if index < wanted:
                writer.append_data(frame)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
