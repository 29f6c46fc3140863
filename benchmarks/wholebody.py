"""Hands and faces of rendered dancers, held against where the renderer put them, and what they cost.

    python benchmarks/wholebody.py [--pictures 60] [--size 720x1280] [--out DIR]

The figures have four fingers (the last stands for ring and little finger), eyes, a nose and a mouth. Hands are asked
for where wrist and finger tips are in front of the rest of the body, faces where both eyes are. Errors are in lengths
of the hand (root to tip of the middle finger: 0.16 m) and widths of the face (between the outer ends of the jaw).
Networks without a thread of their own: CPU seconds are those of one core.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

STYLES = ("pop", "groove", "latin", "jazz")
HAND_M, FACE_M = 0.161, 0.15
SIDES = ("left", "right")


def main() -> None:
    import cv2
    import numpy as np

    from madata import pose
    from madata.render import OUTFITS, CapsuleRenderer, front_camera, make_stage
    from madata.render.backdrop import BACKDROPS
    from madata.skeletons import skeleton
    from madata.synthetic.dance import make_dance

    options = argparse.ArgumentParser()
    options.add_argument("--pictures", type=int, default=60)
    options.add_argument("--size", default="720x1280")
    options.add_argument("--out", type=Path)
    args = options.parse_args()
    width, height = map(int, args.size.split("x"))

    backend, body = pose.load("wholebody"), pose.load("blazepose")
    at = skeleton(backend.skeleton).index
    renderer = CapsuleRenderer()
    hands = dict.fromkeys(("shown", "found", "swapped"), 0)
    faces = dict.fromkeys(("shown", "found"), 0)
    hand_errors: dict[str, list[float]] = {}
    face_errors: dict[str, list[float]] = {}
    spent = {"blazepose": 0.0, "wholebody": 0.0}
    for number in range(args.pictures):
        outfit = number % len(OUTFITS)
        motion = make_dance(4.0, style=STYLES[number % len(STYLES)], seed=number).motion
        figure = renderer.figure(motion, outfit)
        camera = front_camera([figure.joints], (width, height))
        stage = make_stage(list(BACKDROPS)[number % len(BACKDROPS)], camera, [figure.joints], figure.lowest())
        frame = (number * 17) % len(figure.joints)
        picture = renderer.draw([figure], frame, stage)
        (people,) = body.detect([picture])
        people = people.take([int(people.size.argmax())] if len(people) else [])
        for which, network in (("blazepose", body), ("wholebody", backend)):
            begun = time.process_time()
            (poses,) = network.estimate([picture], [people])
            spent[which] += time.process_time() - begun
        if args.out is not None:
            args.out.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(args.out / f"{number:03d}.png"), picture[..., ::-1])
            np.savez(args.out / f"{number:03d}.npz", xy=poses.xy, score=poses.score)
        if not len(poses):
            continue
        xy, score = poses.xy[0], poses.score[0]

        def seen(points, reach_m=0.03, figure=figure, camera=camera, frame=frame):  # type: ignore[no-untyped-def]
            """Whether nothing lies before points (N, 3): no capsule's axis is nearer to the camera and in the way."""
            starts, ends = figure.a[frame], figure.b[frame]
            shares = np.linspace(0, 1, 9)[:, None, None]
            balls = (starts + (ends - starts) * shares).reshape(-1, 3)
            radii = np.tile(np.maximum(figure.ra, figure.rb), 9)
            there, away = camera.to_camera(points), camera.to_camera(balls)
            for point in there:
                before = -away[:, 2] < -point[2] - radii - reach_m
                apart = (
                    np.linalg.norm(away[:, :2] / away[:, 2:] - point[:2] / point[2:], axis=1) * -away[:, 2]
                )
                if (before & (apart < radii)).any():
                    return False
            return bool(camera.visible(points).all())

        px_per_m = camera.focal_px / abs(float(camera.to_camera(figure.joints[frame, :1])[0, 2]))
        for side, wrist in zip(SIDES, (20, 21), strict=True):
            parts = {
                finger: figure.part(f"{side}_{finger}") for finger in ("thumb", "index", "middle", "ring")
            }
            tips = {finger: part[1][frame] for finger, part in parts.items()}
            root = figure.joints[frame, wrist]
            if not seen(np.stack([root, *tips.values()])):
                continue
            hands["shown"] += 1
            if not score[at(f"{side}_hand_root")]:
                continue
            hands["found"] += 1
            found = {finger: xy[at(f"{side}_{finger}4")] for finger in tips}
            found["ring"] = (xy[at(f"{side}_ring4")] + xy[at(f"{side}_pinky4")]) / 2
            found["root"], tips["root"] = xy[at(f"{side}_hand_root")], root
            found["knuckle"], tips["knuckle"] = xy[at(f"{side}_middle1")], parts["middle"][0][frame]
            for point, where in tips.items():
                error = np.linalg.norm(found[point] - camera.project(where[None])[0]) / (HAND_M * px_per_m)
                hand_errors.setdefault(point, []).append(float(error))
            thumb, ring = (camera.project(tips[finger][None])[0] for finger in ("thumb", "ring"))
            across, along = thumb - ring, found["thumb"] - found["ring"]
            if np.linalg.norm(across) > 0.3 * HAND_M * px_per_m:
                hands["swapped"] += bool(across @ along < 0)
        eyes = {side: figure.part(f"{side}_pupil")[0][frame] for side in SIDES}
        nose = figure.part("nose")[1][frame]
        mouth = {side: figure.part(f"{side}_mouth")[1][frame] for side in SIDES}
        if seen(np.stack(list(eyes.values())), 0.02):
            faces["shown"] += 1
            if score[at("chin")]:
                faces["found"] += 1
                for side in SIDES:
                    lids = np.mean([xy[at(f"{side}_lid{i}")] for i in range(1, 7)], axis=0)
                    for point, got, where in (
                        ("eye", lids, eyes[side]),
                        ("mouth", xy[at(f"{side}_lip1")], mouth[side]),
                    ):
                        error = np.linalg.norm(got - camera.project(where[None])[0]) / (FACE_M * px_per_m)
                        face_errors.setdefault(point, []).append(float(error))
                error = np.linalg.norm(xy[at("nose_ridge4")] - camera.project(nose[None])[0]) / (
                    FACE_M * px_per_m
                )
                face_errors.setdefault("nose", []).append(float(error))
    print(f"{args.pictures} pictures of {width}x{height}, a hand of about {HAND_M * px_per_m:.0f} px")
    print(f"hands: {hands['found']} of {hands['shown']} found, {hands['swapped']} the wrong way round")
    for point, errors in hand_errors.items():
        print(
            f"  {point:8} median {np.median(errors):.3f}, 90 % within {np.quantile(errors, 0.9):.3f} hand lengths"
        )
    print(f"faces: {faces['found']} of {faces['shown']} found")
    for point, errors in face_errors.items():
        print(
            f"  {point:8} median {np.median(errors):.3f}, 90 % within {np.quantile(errors, 0.9):.3f} face widths"
        )
    for which, seconds in spent.items():
        print(
            f"{which}: {seconds / args.pictures * 1000:.0f} CPU ms a person and picture, the detector apart"
        )


if __name__ == "__main__":
    main()
