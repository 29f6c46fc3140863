"""The six VBench dimensions of the paper's Table 1, from one pass over the frames of each video.

One module per dimension, each an update / compute pair that takes chunks of frames, and one per network, each
loading the official weights file as it is:

========  =====================================  ==================================
IQ        ``imaging_quality``                    ``musiq`` (MUSIQ, SPAQ)
AQ        ``aesthetic_quality``                  ``clip`` (ViT-L/14) and LAION's head
SC        ``consistency.subject_consistency``    ``dino`` (ViT-B/16)
BC        ``consistency.background_consistency`` ``clip`` (ViT-B/32)
MS        ``motion_smoothness``                  ``amt`` (AMT-S)
TF        ``temporal_flickering``                none
========  =====================================  ==================================

:mod:`~evaluation.features.video.one_pass` runs them together,
:mod:`~evaluation.features.video.scores` averages over a data set. Nothing heavy is imported here.
"""
