"""Scores of pictures: each video is decoded once, and every metric that was asked for sees its frames."""
