"""Hallo2 (Cui et al., ICLR 2025) with masks of the body in place of the face: music moves a person of a picture."""
