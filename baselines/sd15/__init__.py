"""What the video methods on Stable Diffusion 1.5 have in common; no method stands here."""
