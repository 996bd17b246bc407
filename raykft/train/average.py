"""The moving average of an adapter over its steps: what is scored and saved where `train.ema_epochs` asks for it."""

from __future__ import annotations

import torch

PIECE = 1 << 20


class Average:
    """The exponential moving average of one flat parameter, with a horizon of so many steps.

    Until the horizon is reached it is the plain mean of all steps, so that what the adapter was before it was trained
    does not count. A and B are averaged apart, as is usual; the average of their products would be of a higher rank.
    Between epochs the parameter *is* its average (`show`), and for the next step it is itself again (`hide`): whatever
    reads the adapter then needs to know nothing of it.
    """

    def __init__(self, flat: torch.Tensor, horizon_steps: float) -> None:
        self._flat = flat
        self._other = flat.clone()  # the average, or while that is shown what is trained
        # Weights are exchanged piece by piece: memory that ran out half-way would leave two halves of two adapters.
        self._piece = flat.new_empty(min(PIECE, flat.numel()))
        self._rate = min(1.0, 1 / horizon_steps)
        self._shown = False

    def after_step(self, steps: int) -> None:
        """Take in the parameter as it is after `steps` steps."""
        self._other.lerp_(self._flat, max(self._rate, 1 / steps))

    def show(self) -> None:
        if not self._shown:
            self._exchange()

    def hide(self) -> None:
        if self._shown:
            self._exchange()

    def _exchange(self) -> None:
        for own, other in zip(torch.split(self._flat, PIECE), torch.split(self._other, PIECE), strict=True):
            kept = self._piece[: own.numel()].copy_(own)
            own.copy_(other)
            other.copy_(kept)
        self._shown = not self._shown

    @property
    def trained(self) -> torch.Tensor:
        """The parameter itself."""
        return self._other if self._shown else self._flat

    @property
    def mean(self) -> torch.Tensor:
        return self._flat if self._shown else self._other

    def restore(self, mean: torch.Tensor) -> None:
        """The parameter itself has been restored.

        Raises:
            ValueError: the average of another adapter.
        """
        if mean.shape != self._flat.shape:
            raise ValueError(f"its average holds {tuple(mean.shape)} parameters, not {tuple(self._flat.shape)}")
        self._other.copy_(mean)
        self._shown = False
