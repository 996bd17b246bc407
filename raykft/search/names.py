"""Readable trial ids, and what a Tune config holds besides the sample. No optuna here: trials import it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from raykft.config import ExperimentConfig, apply_sample
from raykft.errors import ConfigError

TRIAL_ID = "_trial_id"  # the trial's id, handed to it inside its Tune config
SHORT_TARGETS = {"attention": "att", "mlp": "mlp", "all-linear": "all", "all-linear+lm_head": "allh"}


def trial_name(number: int, config: ExperimentConfig) -> str:
    """A short id that says what the trial is, e.g. `t007-r16-lr2e-4-e6-all-d1`.

    Added are wordings and formats where they are chosen (`-p2`, `-f0.5`), how strong a leash is (`-k1`), the share of
    distillation (`-w0.5`), and over how many epochs a moving average goes (`-m1`).

    Args:
        number: of the Optuna trial.
        config: the trial's own, the sample applied.
    """
    rate = f"{config.train.learning_rate:.1e}".replace("e-0", "e-").replace(".0e", "e")
    target = SHORT_TARGETS[config.adapter.target_layers]
    ratio = f"{config.data.distractor_ratio:.2g}"
    leash = f"-k{config.train.kl_weight:.2g}" if config.train.kl_weight else ""
    mean = f"-m{config.train.ema_epochs:.2g}" if config.train.ema_epochs else ""
    taught = f"-w{config.train.distill_weight:.2g}" if config.train.distill_weight else ""
    said = "" if config.data.phrasings is None else f"-p{config.data.phrasings}"
    said += "" if config.data.formats is None else f"-f{config.data.formats:.2g}"
    about = f"t{number:03d}-r{config.adapter.rank}-lr{rate}-e{config.train.epochs}-{target}-d{ratio}"
    return f"{about}{said}{leash}{taught}{mean}"


def name_of(experiment: ExperimentConfig, number: int, sample: dict[str, Any]) -> str:
    """The id of a trial, also of one whose sample makes no valid config."""
    try:
        return trial_name(number, apply_sample(experiment, sample))
    except ConfigError:
        return f"t{number:03d}-invalid"


def number_of(trial_id: str) -> int | None:
    """The Optuna trial number in a trial's id; None in a name that is no searched trial's."""
    found = re.match(r"t(\d{3,})-", trial_id)
    return int(found.group(1)) if found else None


def id_of(tune_config: Mapping[str, Any]) -> str:
    """The trial's id in a Tune trial's config."""
    trial_id: str = tune_config[TRIAL_ID]
    return trial_id


def sample_of(tune_config: Mapping[str, Any]) -> dict[str, Any]:
    """The searched values in a Tune trial's config, without raykft's own entries."""
    return {key: value for key, value in tune_config.items() if not key.startswith("_")}
