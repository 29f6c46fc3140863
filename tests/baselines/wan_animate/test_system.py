"""Plain Wan-Animate: upstream's settings, and nothing of the fine-tuning."""

import pytest

from baselines.wan_animate.system import UPSTREAM_PROMPT, WanAnimate
from evaluation.systems import find
from madata.errors import MadanceError


def test_it_is_registered_with_upstreams_settings_and_takes_no_fine_tuning():
    plugin = find("wan-animate")
    assert (plugin.declaration.tasks, plugin.declaration.fps) == (("animation",), 30)
    assert plugin.declaration.weights == ("wan-animate-14b",)
    made = WanAnimate("somewhere", face="none")
    assert made._prompt == UPSTREAM_PROMPT
    assert (made._preset, made._given[1:], made.tuned) == ("upstream", (None, None), False)
    assert made._on_top(None, "mace-dance-lora", is_tiny=False) is None
    for option in ("adapter", "lora"):
        with pytest.raises(MadanceError, match=f"it has no {option}"):
            plugin.make({option: "file.safetensors"})
    with pytest.raises(MadanceError, match="did you mean 'steps'"):
        plugin.make({"stepps": 3})


def test_it_paints_any_motion_system_by_name():
    plugin = find("cascade:motion-expert+wan-animate")
    assert (plugin.declaration.tasks, plugin.declaration.fps) == (("video",), 30)
    made = plugin.make({"motion.beta": 0.5, "animation.face": "none", "animation.steps": 4}).instance
    assert made.animation.instance._overrides == {"steps": 4}
