"""What Hallo2 moves: soft masks, faces and lips whose places are known, masks of the user's own."""

import cv2
import numpy as np
import pytest
import torch

from baselines.hallo2.masks import face_regions, find_face, level_masks, read_mask, region_of
from madata.errors import MadanceError, MissingDependencyError, WeightsError
from madata.pose import load
from madata.render import CapsuleRenderer, front_camera, make_stage
from madata.synthetic.dance import make_dance
from madata.video import write_video


def box(region):
    """left, top, right, bottom of what is white."""
    rows, columns = np.nonzero(region)
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def test_masks_are_soft_and_of_every_level():
    region = np.zeros((512, 512), np.uint8)
    region[100:400, 200:300] = 255
    masks = level_masks(region, 4)
    assert list(masks) == [64 * 64, 32 * 32, 16 * 16, 8 * 8]
    for places, (background, body, lips) in masks.items():
        assert {len(kind) for kind in (background, body, lips)} == {places}
        torch.testing.assert_close(background + body, torch.ones(places), atol=0.01, rtol=0)
        assert lips.max() == 0
        side = int(places**0.5)
        row, column = divmod(int(body.argmax()), side)
        assert abs(row / side - 250 / 512) < 0.15
        assert abs(column / side - 250 / 512) < 0.15
    assert masks[64 * 64][1].max() == 1
    assert 0.2 < masks[64 * 64][1].mean() < 0.6


def test_lips_are_taken_from_the_face_and_are_narrower():
    region, lips = (np.zeros((512, 512), np.uint8) for _ in range(2))
    region[100:400, 150:360] = 255
    lips[300:350, 220:290] = 255
    alone, told = level_masks(region, 4), level_masks(region, 4, lips)
    for places, (background, face, mouth) in told.items():
        torch.testing.assert_close(background, alone[places][0])
        expected = (alone[places][1] - mouth).clamp(min=0)
        torch.testing.assert_close(face, expected, atol=0.05, rtol=0)
        side = int(places**0.5)
        row, column = divmod(int(mouth.argmax()), side)
        assert abs((row + 0.5) / side - 325 / 512) <= 0.5 / side + 0.01
        assert abs((column + 0.5) / side - 255 / 512) <= 0.5 / side + 0.01
    # blurred over 31 places, not 51: nothing of the lips is left 16 places beyond their edge
    mouth = told[64 * 64][2].reshape(64, 64)
    assert mouth.max() == 1 and (mouth[:20] == 0).all() and mouth[24, 31] > 0


def test_boxes_are_as_large_as_upstreams():
    points = np.full((68, 2), (200.0, 200.0))
    points[0], points[8], points[16], points[19] = (150, 180), (200, 250), (250, 180), (190, 150)
    points[48:60] = (200, 230)
    points[48], points[51], points[54], points[57] = (180, 230), (200, 225), (220, 230), (200, 235)
    region, lips = face_regions(points, (512, 400))
    assert region.shape == lips.shape == (400, 512)
    assert box(lips) == (160, 220, 240, 240)  # twice 40 x 10 about (200, 230)
    # 100 x 100 with a forehead of 19 is 100 x 119 about (200, 190.5); 1.2 times that
    assert box(region) == (140, 119, 260, 262)
    cut, _ = face_regions(points - 140, (512, 400))
    assert box(cut) == (0, 0, 120, 122)


@pytest.fixture(scope="module")
def dancer():
    """A drawn dancer who shows his face: figure, camera, the frame, picture."""
    frame, size = 102, (540, 960)
    figure = CapsuleRenderer().figure(make_dance(4.0, style="jazz", seed=3).motion, 3)
    camera = front_camera([figure.joints], size)
    stage = make_stage("room", camera, [figure.joints], figure.lowest())
    return figure, camera, frame, CapsuleRenderer().draw([figure], frame, stage)


def test_face_and_lips_lie_where_they_were_drawn(dancer):
    try:
        load("wholebody")
    except (MissingDependencyError, WeightsError) as error:
        pytest.skip(str(error))
    figure, camera, frame, picture = dancer
    region, lips = find_face(picture, (512, 512))
    scale, shift = 512 / 960, np.array([(512 - 540 * 512 / 960) / 2, 0])  # letterboxed
    places = {
        part: camera.project(figure.part(part)[1][frame : frame + 1])[0] * scale + shift
        for part in ("left_pupil", "right_pupil", "left_mouth", "right_mouth")
    }
    for shown, inside in ((region, places), (lips, ("left_mouth", "right_mouth"))):
        for part in inside:
            column, row = np.round(places[part]).astype(int)
            assert shown[row, column] == 255, part
    mouth = np.linalg.norm(places["left_mouth"] - places["right_mouth"])
    left, top, right, bottom = box(lips)
    assert right - left < 3 * mouth
    middle = (places["left_mouth"] + places["right_mouth"]) / 2
    assert np.linalg.norm([(left + right) / 2, (top + bottom) / 2] - middle) < mouth / 2
    assert (region[lips > 0] == 255).mean() > 0.9 and (lips > 0).sum() < 0.3 * (region > 0).sum()
    eyes = (places["left_pupil"] + places["right_pupil"]) / 2
    assert box(region)[1] < eyes[1] < top and bottom - 3 < box(region)[3]
    assert (region > 0).mean() < 0.05  # a face of a whole body is small

    covered = picture.copy()
    low, high = ((np.array(edge) - shift) / scale for edge in (box(region)[:2], box(region)[2:]))
    covered[int(low[1]) : int(high[1]), int(low[0]) : int(high[0])] = 90
    with pytest.raises(MadanceError, match=r"no face was found .* give masks .* --set lips_mask=FILE"):
        find_face(covered, (512, 512))


def test_a_mask_video_counts_with_all_of_its_frames(tmp_path):
    frames = np.zeros((3, 64, 64, 3), np.uint8)
    for index in range(3):
        frames[index, :, index * 16 : index * 16 + 16] = 255
    write_video(tmp_path / "mask.mp4", frames, 25)
    region = region_of(read_mask(tmp_path / "mask.mp4", (64, 64)))
    assert (region[:, :46] == 255).all()
    assert (region[:, 50:] == 0).all()


@pytest.mark.parametrize("suffix", [".png", ".mp4"])
def test_a_mask_of_another_shape_goes_where_the_picture_below_it_goes(tmp_path, suffix):
    painted = np.zeros((128, 64, 3), np.uint8)
    painted[48:80, 16:48] = 255
    path = tmp_path / f"mask{suffix}"
    if suffix == ".png":
        cv2.imwrite(str(path), painted)
    else:
        write_video(path, np.repeat(painted[None], 2, axis=0), 25)
    for fit, (low, high) in {"pad": (24, 40), "crop": (16, 48)}.items():
        rows, columns = np.nonzero(region_of(read_mask(path, (64, 64), fit)))
        for found in (rows, columns):
            assert abs(found.min() - low) <= 1 and abs(found.max() + 1 - high) <= 1


def test_nobody_is_no_region(tmp_path):
    with pytest.raises(MadanceError, match="no person was found in the reference picture"):
        region_of(np.zeros((8, 8), np.float32))
    cv2.imwrite(str(tmp_path / "dark.png"), np.zeros((8, 8), np.uint8))
    with pytest.raises(MadanceError, match=r"dark.png: is white nowhere"):
        read_mask(tmp_path / "dark.png", (64, 64))
