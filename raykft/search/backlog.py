"""A searcher that first hands out the trials an earlier run did not finish, then what another proposes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ray.tune.search import Searcher

from raykft.search.resume import Unfinished
from raykft.search.searcher import StudySearch


class Backlog(Searcher):  # type: ignore[misc]
    """Wraps `search`. A trial handed out again keeps its number in the study, and so its sample, id and files."""

    def __init__(
        self,
        search: StudySearch,
        unfinished: Sequence[Unfinished],
        on_resume: Callable[[str, Unfinished], None] = lambda _tune_id, _trial: None,
    ) -> None:
        """
        Args:
            on_resume: told of every trial handed out again, by the id Tune gives it this time.
        """
        super().__init__(metric=search.metric, mode=search.mode)
        self._search = search
        self._unfinished = list(unfinished)
        self._on_resume = on_resume

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        if self._unfinished:
            unfinished = self._unfinished.pop(0)
            self._search.adopt(trial_id, unfinished.study_id)
            self._on_resume(trial_id, unfinished)
        return self._search.suggest(trial_id)

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        self._search.on_trial_result(trial_id, _by_epoch(result))

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        self._search.on_trial_complete(trial_id, result and _by_epoch(result), error)

    def set_search_properties(self, *arguments: Any, **spec: Any) -> bool:
        known: bool = self._search.set_search_properties(*arguments, **spec)
        return known

    def save(self, checkpoint_path: str) -> None:
        self._search.save(checkpoint_path)

    def restore(self, checkpoint_path: str) -> None:
        self._search.restore(checkpoint_path)


def _by_epoch(result: dict[str, Any]) -> dict[str, Any]:
    """Tune counts the reports since a trial's latest start; the study is to hear of its epochs."""
    return {**result, "training_iteration": result["epoch"]}
