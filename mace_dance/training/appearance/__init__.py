"""Fine-tuning of the Appearance Expert in two stages.

The *Kinematic* stage trains the Body Adapter alone, the convolution ``pose_patch_embedding`` that turns pose latents
into tokens. The *Aesthetic* stage freezes it and trains a LoRA on the attention and feed-forward layers of every
block. Both minimise the flow-matching loss on latents that are encoded once and kept on disk, with the loop of
:mod:`mace_dance.training`.
"""
