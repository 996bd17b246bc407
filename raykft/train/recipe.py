"""What goes into training and what comes out of an epoch, as plain picklable records (no torch)."""

from __future__ import annotations

from dataclasses import dataclass

from raykft.data.mixture import Share

# Tokens kept of a teacher's distribution; published work finds no difference to all of them (arXiv 2412.14964).
TEACHER_TOP = 20


@dataclass(frozen=True, slots=True)
class Recipe:
    """One trial's training settings; field names are those of the config."""

    rank: int
    alpha: float
    dropout: float
    target_layers: str
    learning_rate: float
    epochs: int
    batch_size: int
    accumulation: int
    lr_schedule: str
    warmup_fraction: float
    weight_decay: float
    max_grad_norm: float
    optimizer: str
    group_by_length: bool
    distractor_ratio: float
    seed: int
    kl_weight: float = 0.0
    distill_weight: float = 0.0
    ema_epochs: float = 0.0
    phrasings: int | None = None
    formats: float | None = None

    @property
    def share(self) -> Share:
        """Which rows it is trained on."""
        return Share(self.phrasings, self.formats, self.distractor_ratio)


@dataclass(frozen=True, slots=True)
class EpochResult:
    """Where a trial stands after an epoch. `loss` is the epoch's mean in nats per supervised token.

    `untrained` are adapted modules that never received a gradient; looked for after the last epoch only.
    """

    epoch: int
    step: int
    loss: float
    tokens: int
    seconds: float
    untrained: tuple[str, ...] = ()
