import pytest

from mace_dance.appearance.tiny import make_tiny
from mace_dance.training.appearance.backbone import Backbone
from mace_dance.training.appearance.preparation import prepare_training
from mace_dance.training.appearance.settings import training_settings
from tests.mace_dance.training.appearance.footage_made import TINY, ma_data


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "tiny"
    make_tiny(folder)
    return folder


@pytest.fixture(scope="session")
def backbone(model):
    return Backbone.find(model)


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    return ma_data(tmp_path_factory.mktemp("ma-data"))


@pytest.fixture(scope="session")
def encoded(tmp_path_factory):
    """Samples that several runs share."""
    return tmp_path_factory.mktemp("encoded")


@pytest.fixture
def prepared(data, model, encoded, tmp_path):
    """``prepared(stage, "key=value", ..., adapter=...)`` below the test's own folder."""

    def prepare(stage, *overrides, folder=data, cache=encoded, out="run", adapter=None, **flags):
        settings = training_settings(stage, overrides=(*TINY, *overrides), flags=flags)
        return prepare_training(settings, folder, model, tmp_path / out, adapter=adapter, cache=cache)

    return prepare
