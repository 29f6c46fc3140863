"""BVH files: parsed, mapped onto SMPL by the names of their joints, written."""

from madata.motion.bvh.read import Bvh, bvh_world, read_bvh
from madata.motion.bvh.retarget import bvh_to_motion
from madata.motion.bvh.write import write_bvh

__all__ = ["Bvh", "bvh_to_motion", "bvh_world", "read_bvh", "write_bvh"]
