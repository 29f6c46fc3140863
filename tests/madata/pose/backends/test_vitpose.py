import numpy as np
import pytest

from madata.errors import WeightsError
from madata.pose import Detections, crops, heatmaps, load

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def vitpose_folder(tmp_path_factory):
    """A ViTPose of the right layout with random weights."""
    torch.manual_seed(0)
    backbone = transformers.VitPoseBackboneConfig(
        image_size=[256, 192],
        patch_size=[16, 16],
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        mlp_ratio=2,
        out_indices=[1],
    )
    config = transformers.VitPoseConfig(
        backbone_config=backbone, num_labels=17, use_simple_decoder=True, scale_factor=4
    )
    folder = tmp_path_factory.mktemp("vitpose")
    transformers.VitPoseForPoseEstimation(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def detector_folder(tmp_path_factory):
    """A YOLOS with random weights that knows two classes."""
    torch.manual_seed(0)
    config = transformers.YolosConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=[64, 96],
        num_detection_tokens=12,
        id2label={0: "sofa", 1: "Person"},
        label2id={"sofa": 0, "Person": 1},
    )
    folder = tmp_path_factory.mktemp("yolos")
    network = transformers.YolosForObjectDetection(config)
    with torch.no_grad():  # far enough from zero that every class wins somewhere
        network.vit.embeddings.detection_tokens.normal_(std=2.0)
        network.class_labels_classifier.layers[-1].weight.normal_(std=2.0)
    network.save_pretrained(folder)
    from transformers.models.yolos.image_processing_pil_yolos import YolosImageProcessorPil

    YolosImageProcessorPil(size={"shortest_edge": 64, "longest_edge": 96}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def backend(vitpose_folder, detector_folder):
    return load("vitpose", model=str(vitpose_folder), detector=str(detector_folder), min_score=0.01)


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (120, 160, 3), np.uint8) for _ in range(3)]


def test_detector_boxes_lie_in_the_picture_best_first(backend, images):
    for people in backend.detect(images):
        assert people.boxes.shape == (len(people), 4) and (np.diff(people.score) <= 0).all()
        assert (people.boxes[:, 2:] <= np.array([160, 120]) * 1.01).all()
        assert people.size == pytest.approx((people.boxes[:, 2:] - people.boxes[:, :2]).max(1, initial=0) / 2)


def test_only_people_are_kept(backend, images):
    inputs = backend._detector._processor(images=images, return_tensors="np")
    logits = torch.from_numpy(backend._detector._network(inputs["pixel_values"])[0])
    best = logits.softmax(-1)[..., :-1].max(-1)
    expected = ((best.indices == 1) & (best.values > 0.01)).sum(1).tolist()
    assert [len(people) for people in backend.detect(images)] == expected
    assert 0 < sum(expected) < best.values.numel()  # the random network must not make this test empty


def test_poses_of_each_box_do_not_depend_on_the_batch(backend, images):
    boxes = np.array([[10, 5, 60, 110], [70, 10, 150, 100], [0, 0, 160, 120]], np.float32)
    people = [Detections(boxes[:n], np.ones(n, np.float32), np.ones(n, np.float32)) for n in (3, 0, 2)]
    together = backend.estimate(images, people)
    assert [poses.xy.shape for poses in together] == [(3, 17, 2), (0, 17, 2), (2, 17, 2)]
    for image, some, poses in zip(images, people, together, strict=True):
        for row in range(len(some)):
            (alone,) = backend.estimate([image], [some.take([row])])
            assert alone.xy[0] == pytest.approx(poses.xy[row], abs=1e-2)
            assert alone.presence[0] == pytest.approx(poses.presence[row], abs=1e-4)


def test_crop_agrees_with_the_networks_own_processor(images):
    """The reference counts from pixel centres, this package from the corner: half a pixel."""
    processor = transformers.VitPoseImageProcessor()
    x0, y0, x1, y1 = 20.0, 10.0, 110.0, 118.0
    reference = processor(
        images[0], boxes=[[[x0 - 0.5, y0 - 0.5, x1 - x0, y1 - y0]]], return_tensors="np", do_normalize=False
    )["pixel_values"][0].transpose(1, 2, 0)
    crop = crops.warp(images[0], crops.box_crop((x0, y0, x1, y1), (192, 256), 1.25), (192, 256)) / 255.0
    assert (
        np.abs(crop - reference)[8:-8, 8:-8].mean() < 0.01
    )  # 1/32 px interpolation tables against exact ones


def test_decoding_agrees_with_the_networks_own_processor():
    rng = np.random.default_rng(3)
    places = rng.uniform([8, 8], [40, 56], (17, 2))
    x, y = np.meshgrid(np.arange(48), np.arange(64))
    maps = np.stack([np.exp(-((x - a) ** 2 + (y - b) ** 2) / 8.0) for a, b in places]).astype(np.float32)
    box = (20.0, 10.0, 110.0, 118.0)

    class Outputs:
        heatmaps = torch.from_numpy(maps[None])

    coco_box = [box[0] - 0.5, box[1] - 0.5, box[2] - box[0], box[3] - box[1]]
    reference = transformers.VitPoseImageProcessor().post_process_pose_estimation(
        Outputs, boxes=[[coco_box]]
    )[0][0]
    cells, score = heatmaps.decode_heatmaps(maps[None])
    ours = heatmaps.to_picture(cells[0], (48, 64), (192, 256), crops.box_crop(box, (192, 256), 1.25))
    assert ours - 0.5 == pytest.approx(reference["keypoints"].numpy(), abs=0.15)
    assert score[0] == pytest.approx(reference["scores"].numpy(), abs=1e-5)


def test_identity_names_both_networks(backend):
    assert backend.skeleton == "coco-17"
    assert len(backend.identity["weights"]) == 64
    assert backend.identity["detector"]["architecture"] == "YolosForObjectDetection"


def test_a_folder_of_another_network_is_refused(vitpose_folder, detector_folder, tmp_path):
    with pytest.raises(WeightsError, match="object detector"):
        load("vitpose", model=str(vitpose_folder), detector=str(vitpose_folder))
    with pytest.raises(WeightsError, match="ViTPose"):
        load("vitpose", model=str(tmp_path), detector=str(detector_folder))
    with pytest.raises(WeightsError, match="someone/unknown"):
        load("vitpose", model="someone/unknown", detector=str(detector_folder))
