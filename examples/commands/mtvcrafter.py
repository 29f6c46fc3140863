"""A job of madance -> MTVCrafter's command line -> the clip. Runs in MTVCrafter's environment."""

import json
import math
import pickle
import subprocess
import sys
from pathlib import Path

import cv2
import imageio
import numpy as np
from skeleton import held

FRAMES = 49
FIELD_OF_VIEW_DEG = 55.0  # of the pose estimator it was trained with
PANELS, GAP_PX = 5, 2  # picture, driving video, two skeletons, result


def joints_mm(job):
    """(49, 24, 3) in its camera, mm: brought nearer, so that the person is as large as ours shows them."""
    file = np.load(job["seen"])
    positions = np.stack(held(file["positions"].astype(np.float64), FRAMES))
    width, height = job["size"]
    focal_px = max(width, height) / 2 / math.tan(math.radians(FIELD_OF_VIEW_DEG) / 2)
    depth = positions[..., 2].mean()
    positions[..., 2] += depth * (focal_px / float(file["focal_px"]) - 1)
    return (positions * 1000).astype(np.float32)


def main(job):
    if job["seen"] is None:
        sys.exit("MTVCrafter follows a 3D motion; only keypoints are known of this pose")
    scratch = Path(job["scratch"])
    width, height = job["size"]
    motion = scratch / "motion.pkl"
    about = {"video_path": "pose.mp4", "video_length": FRAMES, "video_width": width, "video_height": height}
    motion.write_bytes(pickle.dumps({**about, "pose": joints_mm(job)}))
    out = scratch / "made"
    command = [
        sys.executable, "infer_7b.py", "--ref_image_path", job["image"], "--motion_data_path", str(motion),
        "--output_dir", str(out),
    ]  # fmt: skip
    subprocess.run(command, cwd=Path(job["options"]["checkout"]).resolve(), check=True)
    (made,) = out.glob("*.mp4")
    written = PANELS * width + (PANELS - 1) * GAP_PX
    with imageio.get_writer(job["output"], fps=job["fps"], codec="libx264", quality=9) as writer:
        for index, frame in enumerate(imageio.get_reader(made)):
            if index < job["num_frames"]:  # the writer had stretched it to a multiple of 16
                writer.append_data(cv2.resize(frame, (written, height))[:, -width:])


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
