"""The attention core that DINO, CLIP and MUSIQ share.

Legend: B pictures, N tokens, D width, h heads.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

__all__ = ["attend"]


def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, heads: int) -> torch.Tensor:
    """Multi-head softmax attention of (B, N, D) projections, scaled by 1/sqrt(D/h); returns (B, N, D)."""
    batch, tokens, width = query.shape
    q, k, v = (x.reshape(batch, tokens, heads, -1).transpose(1, 2) for x in (query, key, value))
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, tokens, width)
