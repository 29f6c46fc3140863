"""Scores of pictures: each video is decoded once, and every metric that was asked for sees its frames.

``instruments`` loads the networks of a protocol and says which are missing; ``watching`` feeds one video, or a
generated video and its reference, to all of them; ``shelf`` keeps what was seen, so that a killed run goes on;
``numbers`` makes metrics of it; ``run`` is the whole way, ``imported`` takes the files VBench wrote.
"""
