"""The Appearance Expert: one picture and a pose video -> a video of the person dancing.

The backbone is Wan-Animate as ``diffusers`` has it. Two things of the paper sit on top of it: the Body Adapter
(``pose_patch_embedding``, trained in the Kinematic stage) and a LoRA on the attention and feed-forward layers of
every block (trained in the Aesthetic stage).
"""
