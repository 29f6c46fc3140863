"""3D motion: reading and writing it, motion vectors, contacts, frame rate, joint positions.

A :class:`~madata.types.Motion3D` carries its up axis, frame rate and skeleton; all functions look at them.
"""

from madata.motion.bvh import Bvh, bvh_to_motion, bvh_world, read_bvh
from madata.motion.contacts import FEET, contacts_by_height, contacts_by_speed, floor_height_m
from madata.motion.fit import motion_of_positions
from madata.motion.formats import (
    MOTION_FORMATS,
    WRITTEN_SUFFIXES,
    Hints,
    read_any_motion,
    read_motion,
    read_positions,
    write_motion,
)
from madata.motion.kinematics import (
    body_height_m,
    check_motion,
    joint_positions,
    mirror,
    rest_offsets,
    with_skeleton,
    with_up,
)
from madata.motion.timing import resample
from madata.motion.vectors import LAYOUTS, VectorLayout, decode, encode, layout

__all__ = [
    "FEET",
    "LAYOUTS",
    "MOTION_FORMATS",
    "WRITTEN_SUFFIXES",
    "Bvh",
    "Hints",
    "VectorLayout",
    "body_height_m",
    "bvh_to_motion",
    "bvh_world",
    "check_motion",
    "contacts_by_height",
    "contacts_by_speed",
    "decode",
    "encode",
    "floor_height_m",
    "joint_positions",
    "layout",
    "mirror",
    "motion_of_positions",
    "read_any_motion",
    "read_bvh",
    "read_motion",
    "read_positions",
    "resample",
    "rest_offsets",
    "with_skeleton",
    "with_up",
    "write_motion",
]
