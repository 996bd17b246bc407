"""Packages that only some settings need, asked for before anything is trained."""

from __future__ import annotations

import os
from importlib.util import find_spec

from raykft.config import ExperimentConfig
from raykft.errors import ConfigError, ResourceError
from raykft.wording import errors as words

# Setting → value → the package it imports and the extra that installs it.
NEEDS = {
    "search.searcher": {"gp": ("scipy", "gp"), "qmc": ("scipy", "gp")},
    "logging": {"mlflow": ("mlflow", "mlflow"), "wandb": ("wandb", "wandb")},
}


def check_extras(config: ExperimentConfig) -> None:
    """Check that what the config asks for besides raykft's own dependencies is there.

    Raises:
        ResourceError: a package is missing.
        ConfigError: Weights & Biases has no key and would ask for one in the middle of the run.
    """
    chosen: dict[str, list[str]] = {"search.searcher": [config.search.searcher], "logging": list(config.logging)}
    for setting, values in chosen.items():
        for value in values:
            package, extra = NEEDS[setting].get(value, ("", ""))
            if package and find_spec(package) is None:
                missing = words.NEEDS_PACKAGE(setting=setting, value=value, package=package)
                raise ResourceError(missing + words.STEP() + words.INSTALL_EXTRA(extra=extra))
    if "wandb" in config.logging and not _wandb_can_log():
        raise ConfigError(
            "logging: wandb has no key; set WANDB_API_KEY or run `wandb login`, or set WANDB_MODE=offline to keep the "
            "runs in files"
        )


def _wandb_can_log() -> bool:
    if os.environ.get("WANDB_MODE") in {"offline", "disabled"} or os.environ.get("WANDB_API_KEY"):
        return True
    import wandb

    return bool(wandb.login(prompt=False, verify=False))
