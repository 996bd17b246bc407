"""Forgetting on the tasks of lm-evaluation-harness, for users who can download them or have their own.

An optional extra (`pip install 'raykft[lm-eval]'`): nothing of raykft's own scores depends on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from raykft.errors import ConfigError, ModelError, ResourceError
from raykft.models.load import load_base, pick_device
from raykft.models.source import resolve_model
from raykft.paths import ADAPTER_CONFIG

# Metric → value; the standard errors are among them as `<metric>_stderr`.
Scores = dict[str, float]


def evaluate_harness(
    base_model: str,
    adapter_dirs: Sequence[Path],
    tasks: Sequence[str],
    *,
    include_path: Path | None = None,
    limit: int | None = None,
    quantization: str = "nf4",
    device: str = "auto",
    batch_size: int = 8,
) -> dict[Path | None, dict[str, Scores]]:
    """Run `tasks` on the base model (key None) and on every PEFT adapter: {adapter: {task: {metric: value}}}.

    The base is loaded once, with the weights rounded as in training. The harness seeds Python's, NumPy's and torch's
    random generators, so call this where nothing else draws from them.

    Args:
        base_model: A hub id, directory, GGUF file or package, as in an experiment file.
        tasks: Names of tasks or groups of the harness.
        include_path: A directory with task files of your own; they take precedence over those of the harness.
        limit: Only the first questions of every task.
        quantization: "nf4", "int8" or "none".

    Raises:
        ResourceError: lm-eval is not installed.
        ConfigError: no such task.
        ModelError: the base model or an adapter cannot be loaded.
    """
    try:
        from lm_eval import simple_evaluate
        from lm_eval.models.huggingface import HFLM
        from lm_eval.tasks import TaskManager
    except ModuleNotFoundError as error:
        raise ResourceError(
            "tasks of lm-evaluation-harness need the package lm-eval; run: pip install 'raykft[lm-eval]'"
        ) from error
    from peft import PeftModel

    manager = TaskManager(include_path=None if include_path is None else str(include_path))
    _check(tasks, manager.all_tasks, adapter_dirs)
    # Dequantized: the same products as the quantized weights, in plain linear layers that PEFT can wrap and unwrap.
    base = load_base(
        resolve_model(base_model), quantization=quantization, residency="dequantized", device=pick_device(device)
    )
    harness = HFLM(pretrained=base.model, tokenizer=base.tokenizer, batch_size=batch_size)

    def scores() -> dict[str, Scores]:
        base.model.eval()
        found = simple_evaluate(
            harness, tasks=list(tasks), task_manager=manager, limit=limit, log_samples=False, bootstrap_iters=0
        )
        return {task: _numbers(values) for task, values in found["results"].items()}

    results: dict[Path | None, dict[str, Scores]] = {None: scores()}
    for directory in adapter_dirs:
        try:
            tuned = PeftModel.from_pretrained(base.model, str(directory))
        except (OSError, ValueError, RuntimeError) as error:
            raise ModelError(f"cannot load adapter {directory} onto {base_model!r}: {error}") from error
        results[directory] = scores()
        tuned.unload()
    return results


def _check(tasks: Sequence[str], known: Sequence[str], adapter_dirs: Sequence[Path]) -> None:
    """Refuse what can be refused before the model is loaded."""
    if not tasks:
        raise ConfigError("no lm-evaluation-harness tasks are named; give at least one")
    if unknown := sorted(set(tasks) - set(known)):
        raise ConfigError(
            f"lm-evaluation-harness has no task {unknown[0]!r}; `lm-eval ls tasks` lists those it ships, "
            "and include_path adds your own"
        )
    for directory in adapter_dirs:
        if not (directory / ADAPTER_CONFIG).is_file():
            raise ModelError(f"{directory} is no PEFT adapter directory: it has no {ADAPTER_CONFIG}")


def _numbers(values: Mapping[str, Any]) -> Scores:
    """A task's metrics without its labels; "acc,none" (no answer filter) is called "acc"."""
    return {
        name.removesuffix(",none"): float(value)
        for name, value in values.items()
        if isinstance(value, int | float) and "," in name
    }


def harness_table(base: dict[str, dict[str, float]], tuned: dict[str, dict[str, float]]) -> Any:
    """Both models' scores side by side, for a terminal."""
    from rich.table import Table

    table = Table("task", "metric", "base", "tuned", "change", title="lm-evaluation-harness", box=None)
    for task, metrics in base.items():
        for metric, before in metrics.items():
            now = tuned[task][metric]
            table.add_row(task, metric, f"{before:.3f}", f"{now:.3f}", f"{now - before:+.3f}")
    return table
