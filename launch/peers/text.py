"""PyTorch's twin of our network that reads captions; it shares no code with ours.

A transformer encodes the tokens; each map with attention looks at them behind its own attention; the
mean of a caption's tokens is added to the embedding of the timestep. diffusers has no such UNet, so
its `UNet2DModel` gets these blocks put in. What is left out of a batch reads a learned vector instead.
"""

import diffusers
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from unet import Images, unet


def heads_apart(x: torch.Tensor, heads: int) -> torch.Tensor:
    """(n, s, c) → (n, heads, s, c / heads)."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def attention(q, k, v, heads: int, mask: torch.Tensor) -> torch.Tensor:
    """softmax(q kᵀ/√d) v of all heads, (n, s, c); the mask says which keys there are, (n, r)."""
    q, k, v = (heads_apart(x, heads) for x in (q, k, v))
    y = scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None, :])
    return y.transpose(1, 2).flatten(-2)


class TransformerBlock(nn.Module):
    """Attention and two linear layers, each behind a normalisation and around a shortcut."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self._heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.q, self.k, self.v, self.out = (nn.Linear(width, width) for _ in range(4))
        self.first, self.second = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        h = self.norm1(x)
        x = x + self.out(attention(self.q(h), self.k(h), self.v(h), self._heads, mask))
        return x + self.second(nn.functional.gelu(self.first(self.norm2(x))))


class TextEncoder(nn.Module):
    """Captions as a vector of each token, (n, s, width), and one of the whole, (n, outputs)."""

    def __init__(self, settings: dict, vocabulary: int, outputs: int):
        super().__init__()
        width = settings["text_width"]
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Parameter(0.5 * torch.randn(settings["context"], width))
        blocks = [
            TransformerBlock(width, settings["text_heads"]) for _ in range(settings["text_layers"])
        ]
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(width)
        self.pooled = nn.Linear(width, outputs)
        self.null_sequence = nn.Parameter(torch.randn(width))
        self.null_pooled = nn.Parameter(torch.zeros(outputs))

    def forward(self, tokens: torch.Tensor, lengths: torch.Tensor):
        """Their vectors, which of them there are, and those of the wholes; 0 is no caption's length."""
        missing = (lengths == 0)[:, None]
        place = torch.arange(tokens.shape[1])
        mask = place < lengths.clamp(min=1)[:, None]
        x = self.tokens(tokens) + self.positions[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x, mask)
        x = self.norm(x)
        share = mask.float() / mask.sum(1, keepdim=True)
        pooled = self.pooled((x * share[:, :, None]).sum(1))
        x = torch.where(missing[:, :, None], self.null_sequence.to(x.dtype), x)
        return x, mask, torch.where(missing, self.null_pooled.to(pooled.dtype), pooled)


class CrossAttention(nn.Module):
    """Attention of the pixels of a map to the tokens of a caption, around a shortcut."""

    def __init__(self, channels: int, width: int, heads: int, groups: int):
        super().__init__()
        self._heads = heads
        self.norm = nn.GroupNorm(groups, channels, eps=1e-6)
        self.text_norm = nn.LayerNorm(width)
        self.q = nn.Linear(channels, channels)
        self.k, self.v = nn.Linear(width, channels), nn.Linear(width, channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: torch.Tensor, text: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        # With channels last this is a view.
        q = self.q(self.norm(x).flatten(2).transpose(1, 2))
        tokens = self.text_norm(text)
        y = self.out(attention(q, self.k(tokens), self.v(tokens), self._heads, mask))
        return x + y.transpose(1, 2).unflatten(2, x.shape[2:])


class Both(nn.Module):
    """A map's own attention, and that to the caption behind it."""

    def __init__(self, own: nn.Module, cross: CrossAttention, said: dict):
        super().__init__()
        self.own, self.cross, self._said = own, cross, said

    def forward(self, x: torch.Tensor, **arguments) -> torch.Tensor:
        return self.cross(self.own(x, **arguments), self._said["text"], self._said["mask"])


class TextUNet(nn.Module):
    """The network of the settings."""

    def __init__(self, settings: dict, images: Images, vocabulary: int):
        super().__init__()
        # What is said of the batch that is being computed: diffusers' blocks hand no text on.
        self._said: dict[str, torch.Tensor] = {}
        self.unet: diffusers.UNet2DModel = unet(settings, images, class_embed_type="identity")
        self.text = TextEncoder(settings, vocabulary, outputs=4 * settings["channels"])
        for block in (*self.unet.down_blocks, self.unet.mid_block, *self.unet.up_blocks):
            attentions = getattr(block, "attentions", [])
            for place, own in enumerate(attentions):
                channels = own.to_q.in_features
                cross = CrossAttention(
                    channels, settings["text_width"], settings["heads"], settings["groups"]
                )
                attentions[place] = Both(own, cross, self._said)

    def forward(self, x, t, tokens, lengths, return_dict: bool = False):
        self._said["text"], self._said["mask"], pooled = self.text(tokens, lengths)
        # A class is added where ours adds the vector of the caption.
        return self.unet(x, t, class_labels=pooled, return_dict=return_dict)
