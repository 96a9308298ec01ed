"""The network. Imports PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from reviews_study.data import WORDS

if TYPE_CHECKING:
    from reviews_study.components import AggregatingClassifier, Aggregation, BranchingAttentionAggregation

PADDING = 0


class Attention(nn.Module):  # type: ignore[misc]
    """The sum of the transformed word vectors, weighted by attention."""

    def __init__(self, settings: BranchingAttentionAggregation, drop_mult: float) -> None:
        super().__init__()
        dv, hidden = settings.dv, settings.att_hid_layers
        self.transform = layers(dv, settings.agg_layers, settings.agg_dropouts, drop_mult, settings.agg_bn)
        words, dropouts = settings.att_dropouts[:-len(hidden) or None], settings.att_dropouts[-len(hidden):]
        self.attention = nn.Sequential(*(nn.Dropout(min(each * drop_mult, 0.95)) for each in words),
                                       layers(dv, hidden, dropouts, drop_mult, settings.att_bn),
                                       nn.Linear([dv, *hidden][-1], 1))

    def forward(self, vectors: Tensor, there: Tensor) -> Tensor:
        words = vectors[there]                             # padding must not affect batch normalization
        scores = torch.full(there.shape, -torch.inf).masked_scatter(there, self.attention(words).squeeze(-1))
        weights = scores.softmax(dim=1)[there].unsqueeze(-1)
        review = there.nonzero()[:, 0]
        changed = self.transform(words) * weights
        return torch.zeros(len(there), changed.shape[1]).index_add(0, review, changed)


class Mean(nn.Module):  # type: ignore[misc]
    """The mean over the words, without padding."""

    def forward(self, vectors: Tensor, there: Tensor) -> Tensor:
        return (vectors * there.unsqueeze(-1)).sum(dim=1) / there.sum(dim=1, keepdim=True)


class Network(nn.Module):  # type: ignore[misc]
    """Maps word numbers (reviews, words) to two logits for each review."""

    def __init__(self, settings: AggregatingClassifier, aggregation: Aggregation) -> None:
        super().__init__()
        self.vectors = nn.Embedding(WORDS + 1, settings.word_length, padding_idx=PADDING)
        self.dropout = nn.Dropout(min(0.3 * settings.drop_mult, 0.95))
        self.aggregation = aggregation.build(settings.drop_mult)
        width, sizes = aggregation.width, settings.lin_ftrs
        self.head = nn.Sequential(layers(width, sizes, [0.1] * len(sizes), settings.drop_mult, False),
                                  nn.Linear([width, *sizes][-1], 2))

    def forward(self, words: Tensor) -> Tensor:
        there = words != PADDING
        return self.head(self.aggregation(self.dropout(self.vectors(words)), there))


def layers(wide: int, sizes: Sequence[int], dropouts: Sequence[float], drop_mult: float,
           normalized: bool) -> nn.Sequential:
    """Linear layers with activation, dropout and optional batch normalization."""
    stacked: list[nn.Module] = []
    for before, size, dropout in zip([wide, *sizes], sizes, dropouts, strict=False):
        stacked += [nn.Linear(before, size), nn.ReLU(), nn.Dropout(min(dropout * drop_mult, 0.95))]
        stacked += [nn.BatchNorm1d(size)] if normalized else []
    return nn.Sequential(*stacked)
