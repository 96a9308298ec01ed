"""Train and test a network on reviews. Imports PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from hyperspace_core import Run
from reviews_study.data import Review, numbers
from reviews_study.network import PADDING

if TYPE_CHECKING:
    from reviews_study.components import Phase


def tensors(reviews: Sequence[Review]) -> tuple[Tensor, Tensor]:
    """Word numbers (reviews, longest), padded with `PADDING`, and labels."""
    words = [torch.tensor(numbers(text)) for text, _ in reviews]
    return (nn.utils.rnn.pad_sequence(words, batch_first=True, padding_value=PADDING),
            torch.tensor([label for _, label in reviews]))


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Training settings; epochs and initial learning rate are per cycle."""

    epochs: int
    lr: float
    wd: float
    smoothing: float
    batch_size: int


def fit(run: Run, network: Any, phases: Sequence[Phase], words: Tensor, labels: Tensor,
        settings: Settings) -> None:
    """Train in cycles, phase after phase, and log the loss of each epoch."""
    loss_of = nn.CrossEntropyLoss(label_smoothing=settings.smoothing)
    cycles = [learning for learning, count in phases for _ in range(count)]
    for cycle, learning in enumerate(cycles):
        optimizer = torch.optim.AdamW(learning, lr=settings.lr, weight_decay=settings.wd)
        falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.epochs)
        for epoch in range(settings.epochs):
            step = cycle * settings.epochs + epoch
            loss = _epoch(network, optimizer, words, labels, settings.batch_size, loss_of)
            run.log_scalar("loss", loss, step)
            run.progress(step + 1, len(cycles) * settings.epochs)
            falling.step()


def _epoch(network: Any, optimizer: Any, words: Tensor, labels: Tensor, batch_size: int,
           loss_of: Any) -> float:
    network.train()
    losses: list[float] = []
    for batch in torch.randperm(len(words)).split(batch_size):
        loss = loss_of(network(shortest(words[batch])), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)


def accuracy(network: Any, words: Tensor, labels: Tensor, at_once: int = 100) -> float:
    """The share of reviews that are classified correctly."""
    network.eval()
    with torch.no_grad():
        right = sum(int((network(shortest(some)).argmax(dim=1) == expected).sum())
                    for some, expected in zip(words.split(at_once), labels.split(at_once), strict=True))
    return right / len(words)


def shortest(words: Tensor) -> Tensor:
    """Remove the columns that are padding in all reviews."""
    return words[:, :int((words != PADDING).sum(dim=1).max())]
