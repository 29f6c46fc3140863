"""The systems of the paper, as the entry points of ``madance.systems`` name them."""

from mace_dance.appearance.system import AppearanceExpert
from mace_dance.cascade import MaceDance
from mace_dance.motion.system import BiMambaToMamba, BiMambaToTransformer, GftToCfg, MotionExpertSystem

__all__ = [
    "AppearanceExpert",
    "BiMambaToMamba",
    "BiMambaToTransformer",
    "GftToCfg",
    "MaceDance",
    "MotionExpertSystem",
]
