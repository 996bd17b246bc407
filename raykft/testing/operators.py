"""How many operators a piece of work runs, which on a GPU is how often it launches something."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

# Views, and memory that nothing is written to yet: no kernel runs for them.
FREE = frozenset(
    {
        "_local_scalar_dense",
        "_reshape_alias",
        "_unsafe_view",
        "alias",
        "as_strided",
        "detach",
        "empty",
        "empty_like",
        "empty_strided",
        "expand",
        "lift_fresh",
        "new_empty",
        "new_empty_strided",
        "permute",
        "select",
        "slice",
        "split",
        "split_with_sizes",
        "squeeze",
        "t",
        "transpose",
        "unbind",
        "unsqueeze",
        "view",
    }
)
MARKS = ("_record_function_enter_new", "_record_function_exit")


class Operators(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts operators by name while it is entered, those of the backward pass on a CPU included.

    An operator over a list of tensors (`_foreach_…`) counts as one. On a GPU the counts are near the number of kernels
    launched, not equal to it: some operators launch two, and a copy to the device is one as well.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.by_name: Counter[str] = Counter()

    @property
    def total(self) -> int:
        return self.by_name.total()

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        name = str(getattr(func, "_schema").name).rpartition("::")[2]  # noqa: B009 (operators have one, callables none)
        if name not in FREE and name not in MARKS:
            self.by_name[name] += 1
        return func(*args, **(kwargs or {}))


def count(work: Callable[[], object]) -> Counter[str]:
    """Operators of `work` by name."""
    operators = Operators()
    with operators, torch.autograd.set_multithreading_enabled(False):
        work()
    return operators.by_name
