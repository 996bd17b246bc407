"""raykft finds the QLoRA recipe that teaches a language model your domain knowledge while it forgets the least.

The public API is the seven names below; everything else is private. They are imported on first use, so that
`import raykft` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from raykft.config import load_config
    from raykft.evaluation.score_files import score_files as score
    from raykft.leaderboard.board import load_leaderboard
    from raykft.search.confirm import confirm
    from raykft.search.driver import tune
    from raykft.search.evaluate import evaluate

_HOMES = {
    "load_config": ("raykft.config", "load_config"),
    "tune": ("raykft.search.driver", "tune"),
    "evaluate": ("raykft.search.evaluate", "evaluate"),
    "confirm": ("raykft.search.confirm", "confirm"),
    "score": ("raykft.evaluation.score_files", "score_files"),
    "load_leaderboard": ("raykft.leaderboard.board", "load_leaderboard"),
}

__all__ = ["__version__", "confirm", "evaluate", "load_config", "load_leaderboard", "score", "tune"]


def __getattr__(name: str) -> Any:
    import importlib

    if name not in _HOMES:
        raise AttributeError(f"module 'raykft' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(importlib.import_module(module), attribute)
