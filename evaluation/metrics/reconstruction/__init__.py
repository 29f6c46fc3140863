"""How close a generated video is to its reference: PSNR, SSIM and LPIPS of each pair, FVD of two sets.

The rules of the two published scripts are data in :mod:`~evaluation.metrics.reconstruction.protocols`;
:mod:`~evaluation.metrics.reconstruction.pairs` scores one pair in one pass, and
:mod:`~evaluation.metrics.reconstruction.fvd` compares sets. Nothing heavy is imported here.
"""
