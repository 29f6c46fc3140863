"""Magic-Animate (Xu et al., CVPR 2024): a picture of a person follows a DensePose video."""
