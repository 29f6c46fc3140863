"""The network of both stages: Wan 2.1's image-to-video Transformer that hears music and sees the person twice.

On top of ``diffusers.WanTransformer3DModel``: a second patch embedding and a second head for the global stage, a
second projection of CLIP tokens (the reference picture's, beside the first frame's), a music encoder
(:mod:`baselines.wan_dancer.music_encoder`) and residuals after some blocks. The global stage sees a whole song in few
frames, so its rotary positions are times in 1/30 s.

Legend: B batch, T latent frames, h w latent px, N tokens, D width.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers import WanTransformer3DModel
from diffusers.configuration_utils import register_to_config
from diffusers.models.transformers.transformer_wan import WanAttnProcessor, WanImageEmbedding
from torch import Tensor, nn

from baselines.wan_dancer.music_encoder import Injector, MusicLayer, merge_rows

__all__ = [
    "LOCAL_FPS",
    "MUSIC_ROWS_PER_FRAME",
    "SKIPPED_BLOCK",
    "WanDancerTransformer",
    "is_global",
    "time_positions",
]

LOCAL_FPS = 30.0
"""Rate at which the network uses its local patch embedding and head."""

MUSIC_ROWS_PER_FRAME = 8
"""Music rows injected into one latent frame, each into a band of it from top to bottom."""

SKIPPED_BLOCK = 9
"""The block that the negative call leaves out."""

_TEXT_TOKENS = 512


def is_global(fps: float) -> bool:
    """Whether frames at ``fps`` are those of the global stage."""
    return round(fps) != round(LOCAL_FPS)


def time_positions(frames: int, fps: float) -> Tensor:
    """(frames,) float64 rotary positions in 1/30 s: 0, s, 2s, .. with s = 30 / fps; the last is the end less 1.

    At 30 fps they are 0 .. frames - 1.
    """
    if not is_global(fps):
        return torch.arange(frames, dtype=torch.float64)
    step = LOCAL_FPS / (fps + 1e-6)
    positions = torch.arange(frames, dtype=torch.float64) * step
    positions[-1] = int(step * frames + 0.5) - 1
    return positions


class _SplitProcessor(WanAttnProcessor):  # type: ignore[misc]
    """Cross-attention in which only the reference picture's tokens count as picture.

    diffusers takes all but the last 512 tokens for the picture; here the first frame's are read with the text.
    """

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        rotary_emb: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        from diffusers.models.attention_dispatch import dispatch_attention_fn

        def in_heads(values: Tensor) -> Tensor:
            return values.reshape(*values.shape[:2], attn.heads, -1)

        query = in_heads(attn.norm_q(attn.to_q(hidden_states)))
        of_reference = (encoder_hidden_states.shape[1] - _TEXT_TOKENS) // 2
        seen, read = encoder_hidden_states[:, :of_reference], encoder_hidden_states[:, of_reference:]

        def attended(key: Tensor, value: Tensor) -> Tensor:
            found: Tensor = dispatch_attention_fn(
                query, in_heads(key), in_heads(value), backend=self._attention_backend
            )
            return found.flatten(2, 3).type_as(query)

        of_picture = attended(attn.norm_added_k(attn.add_k_proj(seen)), attn.add_v_proj(seen))
        of_text = attended(attn.norm_k(attn.to_k(read)), attn.to_v(read))
        out: Tensor = attn.to_out[1](attn.to_out[0](of_text + of_picture))
        return out


class WanDancerTransformer(WanTransformer3DModel):  # type: ignore[misc]
    """See the module. The defaults are the published sizes (17.2 billion parameters)."""

    # The music is heard in float32 whatever the rest computes in.
    _keep_in_fp32_modules = (*WanTransformer3DModel._keep_in_fp32_modules, "music_projection", "music_encoder",
                             "scale_shift_table_global")  # fmt: skip
    _skip_layerwise_casting_patterns = (*WanTransformer3DModel._skip_layerwise_casting_patterns, "music")

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        patch_size: tuple[int, int, int] = (1, 2, 2),
        num_attention_heads: int = 40,
        attention_head_dim: int = 128,
        in_channels: int = 36,
        out_channels: int = 16,
        text_dim: int = 4096,
        freq_dim: int = 256,
        ffn_dim: int = 13824,
        num_layers: int = 40,
        eps: float = 1e-6,
        image_dim: int = 1280,
        rope_max_seq_len: int = 2794,
        music_features: int = 35,
        music_dim: int = 256,
        music_ffn_dim: int = 1024,
        music_heads: int = 4,
        music_map: tuple[int, int] = (149, 4800),
        inject_after: tuple[int, ...] = (0, 4, 8, 12, 16, 20, 24, 27),
    ) -> None:
        width = num_attention_heads * attention_head_dim
        super().__init__(
            patch_size=patch_size,
            num_attention_heads=num_attention_heads,
            attention_head_dim=attention_head_dim,
            in_channels=in_channels,
            out_channels=out_channels,
            text_dim=text_dim,
            freq_dim=freq_dim,
            ffn_dim=ffn_dim,
            num_layers=num_layers,
            eps=eps,
            image_dim=image_dim,
            added_kv_proj_dim=width,
            rope_max_seq_len=rope_max_seq_len,
        )
        head = out_channels * patch_size[0] * patch_size[1] * patch_size[2]
        self.patch_embedding_global = nn.Conv3d(in_channels, width, kernel_size=patch_size, stride=patch_size)
        self.proj_out_global = nn.Linear(width, head)
        self.scale_shift_table_global = nn.Parameter(torch.randn(1, 2, width) / width**0.5)
        self.image_embedder_reference = WanImageEmbedding(image_dim, width)
        self.music_projection = nn.Linear(music_features, music_dim)
        self.music_encoder = nn.ModuleList(
            [MusicLayer(music_dim, music_ffn_dim, music_heads) for _ in range(2)]
        )
        self.music_injector = nn.ModuleList([Injector(width) for _ in inject_after])
        for block in self.blocks:
            block.attn2.set_processor(_SplitProcessor())

    def hear(self, features: Tensor, windows: int) -> Tensor:
        """(B, T', M) encoded music of (B, T, K) features; T' is T cut to a multiple of ``windows``.

        Raises:
            ValueError: there are fewer rows than windows.
        """
        rows = features.shape[1] // windows
        if not rows:
            raise ValueError(f"{features.shape[1]} rows of music cannot be heard in {windows} windows")
        batch = len(features)
        encoded: Tensor = self.music_projection(features[:, : rows * windows].float())
        encoded = encoded.reshape(batch * windows, rows, -1)
        for layer in self.music_encoder:
            encoded = layer(encoded)
        return encoded.reshape(batch, windows * rows, -1)

    def music_rows(self, features: Tensor, windows: int, latent_frames: int) -> Tensor:
        """(B, R, D) rows to inject, R = 8 for each latent frame, less what ``windows`` does not divide."""
        count = MUSIC_ROWS_PER_FRAME * latent_frames // windows * windows
        width = self.config.num_attention_heads * self.config.attention_head_dim
        return merge_rows(self.hear(features, windows), tuple(self.config.music_map), count, width)

    def rotary(self, frames: int, height: int, width: int, fps: float) -> tuple[Tensor, Tensor]:
        """Cosines and sines (1, N, 1, head) of a grid of tokens; between whole positions they are mixed linearly.

        Raises:
            ValueError: the last position lies beyond the table, 93 s of frames at 30 fps.
        """
        rope = self.rope
        positions = time_positions(frames, fps).to(rope.freqs_cos.device)
        if positions[-1] >= rope.max_seq_len:
            raise ValueError(
                f"position {positions[-1]:.0f} lies beyond the {rope.max_seq_len} of the network"
            )
        below = positions.floor().long()
        share = (positions - below)[:, None]
        above = (below + 1).clamp(max=rope.max_seq_len - 1)

        sizes = [rope.t_dim, rope.h_dim, rope.w_dim]

        def table(values: Tensor) -> Tensor:
            times, rows, columns = torch.split(values.double(), sizes, dim=1)
            times = times[below] * (1 - share) + times[above] * share
            axes = (times[:, None, None], rows[None, :height, None], columns[None, None, :width])
            grid = torch.cat([axis.expand(frames, height, width, -1) for axis in axes], dim=-1)
            return grid.reshape(1, frames * height * width, 1, -1).to(values)

        return table(rope.freqs_cos), table(rope.freqs_sin)

    def forward(
        self,
        hidden_states: Tensor,
        timestep: Tensor,
        encoder_hidden_states: Tensor,
        first_frame: Tensor,
        reference: Tensor,
        music: Tensor,
        fps: float,
        music_windows: int = 8,
        skip_block: int | None = None,
    ) -> Tensor:
        """(B, 16, T, h, w) velocity.

        Args:
            hidden_states: (B, 36, T, h, w) noise, mask and what is known.
            timestep: (B,) noise level times 1000.
            encoder_hidden_states: (B, 512, text width) prompt, zero beyond its tokens.
            first_frame, reference: (B, 257, CLIP width) tokens of the segment's first frame, of the person's picture.
            music: (B, rows, 35) features, 30 a second.
            fps: of the frames; 30 is the local stage.
            music_windows: see :mod:`baselines.wan_dancer.music_encoder`.
            skip_block: index of a block to leave out.
        """
        whole_song = is_global(fps)
        patch = self.config.patch_size
        frames, height, width = (
            side // size for side, size in zip(hidden_states.shape[2:], patch, strict=True)
        )
        rotary = self.rotary(frames, height, width, fps)
        embed = self.patch_embedding_global if whole_song else self.patch_embedding
        hidden = embed(hidden_states).flatten(2).transpose(1, 2).contiguous()
        embedder = self.condition_embedder
        time, modulation, text, seen = embedder(timestep, encoder_hidden_states, first_frame)
        context = torch.cat([self.image_embedder_reference(reference), seen, text], dim=1)
        rows = self.music_rows(music, music_windows, frames).to(hidden.dtype)
        injectors = dict(zip(self.config.inject_after, self.music_injector, strict=True))
        for index, block in enumerate(self.blocks):
            if index != skip_block:
                hidden = block(hidden, context, modulation.unflatten(1, (6, -1)), rotary)
            if index in injectors:
                hidden = hidden + injectors[index](rows, hidden.shape[1])
        table = self.scale_shift_table_global if whole_song else self.scale_shift_table
        shift, scale = (table + time[:, None]).chunk(2, dim=1)
        hidden = (self.norm_out(hidden.float()) * (1 + scale) + shift).type_as(hidden)
        values = (self.proj_out_global if whole_song else self.proj_out)(hidden)
        grid = values.unflatten(1, (frames, height, width)).unflatten(-1, (*patch, -1))
        # (B, T, h, w, pt, ph, pw, C) -> (B, C, T pt, h ph, w pw)
        velocity: Tensor = grid.permute(0, 7, 1, 4, 2, 5, 3, 6).flatten(6, 7).flatten(4, 5).flatten(2, 3)
        return velocity
