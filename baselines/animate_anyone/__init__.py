"""Animate-Anyone (Hu et al., 2024): a picture of a person follows a skeleton."""
