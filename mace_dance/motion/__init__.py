"""The Motion Expert: music -> 3D dance by diffusion with a BiMamba-Transformer network (paper section 3.2)."""
