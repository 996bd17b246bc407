"""YAML to one frozen `ExperimentConfig`. Every problem of a file is told at once, with the rule and a suggestion.

A value sampled by the searcher goes through the same validation as a value typed into a file (`apply_sample`).
Config objects stop at the border: below a stage's entry point functions take plain arguments.
"""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from raykft.config.data import DataConfig
from raykft.config.search import Dimension, Fraction, SearchConfig, cautions, is_fixed
from raykft.config.search import Section as _Section
from raykft.errors import ConfigError
from raykft.paths import PACKAGE_DATA
from raykft.storage.store import directory, problem_of
from raykft.untrusted.messages import MAX_VALUE_CHARS, shortened, shown, summary
from raykft.untrusted.reading import path_problem
from raykft.untrusted.yaml_text import parse_yaml, read_yaml
from raykft.wording import errors as words
from raykft.wording.names import LIST

Logger = Literal["tensorboard", "mlflow", "wandb", "prometheus"]
TargetLayers = Literal["attention", "mlp", "all-linear", "all-linear+lm_head"]
# The settings that choose which rows a trial trains on.
MIXED = ("data.phrasings", "data.formats", "data.text_ratio", "data.distractor_ratio")

NO_DISTRACTORS = (
    "train.kl_weight holds adapters to the base model on distractors, and data.distractor_ratio is 0: it does nothing; "
    "give data.distractors and a ratio, or leave it out"
)


NO_PASSAGES = (
    "search.objective graded reads forgetting off running text, and data.passages names none: general questions stand "
    "in, which repeat less; give some, such as demo:en/passages.jsonl"
)


class AdapterConfig(_Section):
    """The LoRA adapter. `alpha = alpha_ratio * rank`; the preset names which layers carry one."""

    rank: int = Field(16, ge=1, le=1024)
    alpha_ratio: float = Field(2.0, gt=0, le=1024)
    dropout: float = Field(0.0, ge=0, lt=1)
    bias: Literal["none"] = "none"
    target_layers: TargetLayers = "all-linear"

    @property
    def alpha(self) -> float:
        return self.alpha_ratio * self.rank


class TrainConfig(_Section):
    """How one adapter is trained; the loss counts answer tokens and the end-of-turn token only.

    `kl_weight` is a leash against forgetting: so many times KL(base || adapter) is added to the loss of distractors.
    `distill_weight` is the w of (1 - w) * loss + w * KL(teacher || adapter) on rows that name facts; the teacher is the
    base model that has read these (`data.facts_prompt`).
    With `ema_epochs` the exponential moving average over so many epochs is scored and saved instead of the last step.
    """

    learning_rate: float = Field(2e-4, gt=0, le=1)
    epochs: int = Field(8, ge=1, le=10_000)
    batch_size: int = Field(4, ge=1, le=4096)
    accumulation: int = Field(1, ge=1, le=4096)
    max_length: int = Field(256, ge=8, le=1_000_000)
    lr_schedule: Literal["constant", "cosine", "linear"] = "constant"
    warmup_fraction: Fraction = 0.03
    weight_decay: float = Field(0.001, ge=0)
    max_grad_norm: float = Field(0.3, gt=0)
    optimizer: Literal["adamw", "adamw8bit", "paged_adamw8bit"] = "adamw"
    group_by_length: bool = True
    kl_weight: float = Field(0.0, ge=0, le=1000)
    distill_weight: Fraction = 0.0
    ema_epochs: float = Field(0.0, ge=0, le=10_000)


class EvaluateConfig(_Section):
    """How adapters are scored. Rungs read a few probes by log-probability; the end generates all answers.

    `level_weights` is what a probe of a level counts in graded knowledge ("level_2" to "level_5"), 1 where nothing is
    said. Every fact counts the same, whatever it is asked.
    """

    rung_probes: int = Field(24, ge=1)
    rung_general: int = Field(12, ge=0)
    rung_passages: int = Field(1, ge=0)
    report_top: int = Field(5, ge=1)
    batch_size: int = Field(256, ge=1, le=65536)
    level_weights: dict[Literal["level_2", "level_3", "level_4", "level_5"], Annotated[float, Field(ge=0, le=1000)]] = (
        Field(default_factory=dict)
    )
    baselines: tuple[Literal["facts_needed", "facts_all", "bm25"], ...] = ("facts_needed", "facts_all", "bm25")


class ResourcesConfig(_Section):
    """Devices and how they are shared. `auto` means one host per GPU, or one single-threaded host per CPU core.

    `evaluation_hosts` 0 questions a trial on the host that trains it; n >= 1 are hosts for questions only, and a
    fraction f gives that share of every GPU to one. `wait_minutes` is how long to wait for devices that an autoscaler
    starts or others use; by default 15, and not at all for devices that the cluster lacks and no known autoscaler has.
    `kernel` is how low-rank products of several slots are multiplied; `auto` measures it on a GPU, and takes `loop` on
    a CPU.
    `compute_dtype` is the type of activations and of products with the frozen weights; `auto` multiplies some of the
    model's shapes on the first host and takes the faster one for all hosts. Adapters are fp32 in both.
    `slots_per_host` is how many trials a host trains at once; `auto` measures what steps cost when the search starts.
    `gpus_per_trial` n > 1 trains each trial data-parallel on n devices (CPU cores without GPUs), one trial a host.
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"
    hosts: Annotated[int, Field(ge=1, le=4096)] | Literal["auto"] = "auto"
    slots_per_host: Annotated[int, Field(ge=1, le=256)] | Literal["auto"] = 2
    gpus_per_trial: int = Field(1, ge=1, le=64)
    evaluation_hosts: float = Field(0, ge=0, le=4096)
    residency: Literal["auto", "quantized", "dequantized"] = "auto"
    kernel: Literal["auto", "loop", "bmm", "grouped"] = "auto"
    compute_dtype: Literal["auto", "bf16", "fp32"] = "auto"
    address: str | None = None
    wait_minutes: float | None = Field(None, ge=0, le=10_000)

    @field_validator("evaluation_hosts")
    @classmethod
    def _whole_or_fraction(cls, value: float) -> float:
        if value > 1 and value != int(value):
            raise ValueError("must be 0, a whole number of hosts, or a fraction of a GPU below 1")
        return value

    @model_validator(mode="before")
    @classmethod
    def _one_slot_of_several_gpus(cls, tree: Any) -> Any:
        gpus = tree.get("gpus_per_trial") if isinstance(tree, dict) else None
        if not isinstance(gpus, int) or gpus <= 1:
            return tree
        slots = tree.get("slots_per_host")
        return tree | {"slots_per_host": 1 if slots in (None, "auto") else slots}

    @model_validator(mode="after")
    def _several_gpus_train_one_trial(self) -> ResourcesConfig:
        if self.gpus_per_trial > 1:
            if self.slots_per_host != 1:
                raise ValueError(
                    f"gpus_per_trial {self.gpus_per_trial} trains one trial a host, not slots_per_host "
                    f"{self.slots_per_host}; leave slots_per_host out, or train on one GPU a trial"
                )
            if 0 < self.evaluation_hosts < 1:
                raise ValueError(
                    f"gpus_per_trial {self.gpus_per_trial} takes whole GPUs, so evaluation_hosts "
                    f"{self.evaluation_hosts:g} has no share; use 0, or a whole number of hosts"
                )
        return self


class ExperimentConfig(_Section):
    """One experiment. `load_config` builds it from a file; `source_dir` is where relative data paths start."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    seed: int = Field(0, ge=0, lt=2**31)
    base_model: str
    quantization: Literal["nf4", "int8", "none"] = "nf4"
    data: DataConfig
    adapter: AdapterConfig = AdapterConfig()
    train: TrainConfig = TrainConfig()
    search: SearchConfig = SearchConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    resources: ResourcesConfig = ResourcesConfig()
    logging: tuple[Logger, ...] = ("tensorboard", "prometheus")
    storage_path: str = "runs"

    @field_validator("storage_path")
    @classmethod
    def _is_storage(cls, value: str) -> str:
        if problem := problem_of(value) or path_problem(value):
            raise ValueError(problem)
        return value

    @model_validator(mode="after")
    def _space_is_valid(self) -> ExperimentConfig:
        problems = [*_space_problems(self), *_text_problems(self), *_objective_problems(self)]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    @property
    def cautions(self) -> list[str]:
        """What is allowed but probably not meant, one sentence each."""
        idle = self.uses("train.kl_weight") and max(self.corner_values("data.distractor_ratio")) == 0
        graded = self.search.objective.name == "graded" and not self.search.objectives
        found = [NO_DISTRACTORS] if idle else []
        found += [NO_PASSAGES] if graded and not self.data.passages else []
        return [*cautions(self.search, self.train.lr_schedule), *found]

    @property
    def directory(self) -> Path:
        """The experiment directory, absolute (relative paths break in Ray workers); for a URL this process's copy."""
        return directory(self.storage_path, self.name)

    def resolved(self) -> dict[str, Any]:
        """The whole tree as plain data, defaults included."""
        return self.model_dump(mode="json", exclude_none=True)

    def corner_values(self, path: str) -> list[Any]:
        """The extreme values that trials may have of a setting, searched or not."""
        section, name = path.split(".")
        outside = getattr(getattr(self, section), name)
        dimension = self.search.space.get(path)
        if dimension is None:
            return [outside]
        if is_fixed(self.search, path):
            return [max(dimension.corners)]
        # A trial in which the condition of a conditional setting does not hold has the value outside the space.
        return [*dimension.corners, *([outside] if dimension.when else [])]

    def uses(self, path: str) -> bool:
        """Whether a recipe may have a setting that is off at 0."""
        return any(value > 0 for value in self.corner_values(path))

    def identity(self) -> dict[str, Any]:
        """What makes two runs the same experiment: everything but where it runs, how much of it and who is told."""
        tree = self.resolved()
        for key in ("storage_path", "resources", "logging"):
            tree.pop(key)
        for key in ("trials", "race"):
            tree["search"].pop(key)
        return tree


def load_config(path: str | Path, overrides: list[str] | tuple[str, ...] = ()) -> ExperimentConfig:
    """Read and validate an experiment file.

    Args:
        path: the YAML file. Relative data paths inside are resolved against its folder, `demo:` against the
            bundled domains; so is a `base_model` that is a folder or file.
        overrides: `a.b=value` strings, as after `--set`; values are parsed as YAML.

    Raises:
        ConfigError: with every problem found, each on its own line.
    """
    path = Path(path)
    tree = read_yaml(path)
    if not isinstance(tree, dict):
        raise ConfigError(words.NO_MAPPING(file=path))
    for override in overrides:
        _apply_override(tree, override)
    config = validate(tree, str(path))
    return _with_absolute_data(config, path.absolute().parent, str(path))


def load_resolved(path: Path) -> ExperimentConfig:
    """Read back a `config.resolved.yaml` that `save_resolved` wrote."""
    return validate(read_yaml(path), str(path))


def dump_yaml(config: ExperimentConfig) -> str:
    return yaml.safe_dump(config.resolved(), sort_keys=False, allow_unicode=True, width=110)


def validate(tree: Any, where: str) -> ExperimentConfig:
    """Turn plain data into a config, or raise one `ConfigError` naming every problem."""
    try:
        return ExperimentConfig.model_validate(tree)
    except ValidationError as error:
        problems = [line for problem in error.errors() for line in _describe(problem).split("\n")]
        told = summary([f"  {line}" for line in problems])
        raise ConfigError(f"{words.NOT_VALID(where=where)}\n{told}") from None


def apply_sample(config: ExperimentConfig, sample: dict[str, Any]) -> ExperimentConfig:
    """The config of one trial: `sample` maps config paths to values; the result is validated like a file."""
    tree = config.resolved()
    # A sampled config is one point: without the space its corners need not be checked again for every trial.
    tree["search"]["space"], tree["search"]["points"] = {}, []
    for dotted, value in sample.items():
        _assign(tree, dotted, value)
    return validate(tree, f"the sampled configuration {shown(sample)}")


def _apply_override(tree: dict[str, Any], override: str) -> None:
    dotted, equals, value = override.partition("=")
    if not equals or not dotted:
        raise ConfigError(f"--set {shown(override)} must read a.b=value, e.g. --set search.trials=24")
    _assign(tree, dotted.strip(), parse_yaml(value, f"--set {shortened(dotted, MAX_VALUE_CHARS)}"))


def _assign(tree: dict[str, Any], dotted: str, value: Any) -> None:
    *parents, leaf = _split_path(dotted)
    for parent in parents:
        tree = tree.setdefault(parent, {})
        if not isinstance(tree, dict):
            raise ConfigError(f"{shown(dotted)} names a key inside {shown(parent)}, which holds a plain value")
    tree[leaf] = value


def _split_path(dotted: str) -> list[str]:
    """`search.space.train.epochs` is the space's key `train.epochs`, not a nested section."""
    prefix = "search.space."
    if dotted.startswith(prefix):
        return ["search", "space", dotted.removeprefix(prefix)]
    return dotted.split(".")


def searchable_paths() -> list[str]:
    """The config paths a search space may name, e.g. `adapter.rank`."""
    sections: dict[str, type[BaseModel]] = {"adapter": AdapterConfig, "train": TrainConfig}
    paths = [f"{section}.{field}" for section, model in sections.items() for field in model.model_fields]
    return [*paths, *MIXED]


def _space_problems(config: ExperimentConfig) -> list[str]:
    known = searchable_paths()
    problems = []
    checks = [(f"search.space.{p}", p, v) for p, d in config.search.space.items() for v in d.corners]
    checks += [(f"search.points[{i}].{p}", p, v) for i, pt in enumerate(config.search.points) for p, v in pt.items()]
    for where, dotted, value in checks:
        if dotted not in known:
            problems.append(f"{where}: there is no searchable setting {shown(dotted)}{_suggest(dotted, known)}")
            continue
        section, field = dotted.split(".")
        model = type(getattr(config, section))
        try:
            model.__pydantic_validator__.validate_assignment(model.model_construct(), field, value)
        except ValidationError as error:
            problems += [f"{where}: {shown(value)}: {e['msg']}" for e in error.errors() if e["loc"][:1] == (field,)]
        if isinstance(value, bool) is not (field == "group_by_length"):
            wanted = "true or false" if field == "group_by_length" else "no truth value"
            problems.append(f"{where}: {shown(value)}: {field} takes {wanted}")
    for i, point in enumerate(config.search.points):
        problems += [
            f"search.points[{i}]: {shown(p)} is not in search.space" for p in point if p not in config.search.space
        ]
    return list(dict.fromkeys(problems))


def _text_problems(config: ExperimentConfig) -> list[str]:
    """Without questions there must be text, and in every trial some of either."""
    data, space = config.data, config.search.space
    questions, text = "data.phrasings", "data.text_ratio"
    none_asked = data.train is None or 0 in config.corner_values(questions)
    if data.text:
        linked = any(b in space[a].conditions for a, b in ((questions, text), (text, questions)) if a in space)
        if none_asked and 0 in config.corner_values(text) and not linked:
            both = f"{text} 0 beside none of the questions ({questions} 0, or no data.train)"
            remedy = "take one of the zeros out, or search one setting only `when` the other allows it"
            return [f"{both} leaves nothing to train on; {remedy}"]
        return []
    if data.train is None:
        return ["data.train: this key is required; only beside data.text it may be left out"]
    if text in space or data.text_ratio != 1:
        return [f"{text}: there is no text to take a share of; name files in data.text"]
    if none_asked:
        return [f"{questions}: 0 trains none of the questions, and there is no data.text to train in their place"]
    return []


def _objective_problems(config: ExperimentConfig) -> list[str]:
    needs = [name for name in ("objectives", "constrain_forgetting") if getattr(config.search, name)]
    if needs and not config.data.general and not config.data.passages:
        return [f"search.{name}: forgetting is not measured; give data.general or data.passages" for name in needs]
    return []


def _describe(problem: Any) -> str:
    loc = [shortened(str(part), MAX_VALUE_CHARS) for part in problem["loc"]]
    dotted = ".".join(loc)
    if problem["type"] == "extra_forbidden":
        names = _field_names(loc[:-1])
        return words.UNKNOWN_KEY(key=dotted, hint=_suggest(loc[-1], names))
    if problem["type"] == "missing":
        return words.REQUIRED(key=dotted)
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error":
        return f"{dotted}: {message}" if dotted else message
    return f"{dotted}: {shown(problem['input'])}: {message}"


def _field_names(loc: list[str]) -> list[str]:
    """The keys allowed at `loc`, found by walking the annotations of the config tree."""
    model: Any = ExperimentConfig
    for part in loc:
        fields = getattr(model, "model_fields", {})
        if part not in fields:
            return list(Dimension.model_fields) if "space" in loc else []
        annotation = fields[part].annotation
        if typing.get_origin(annotation) in (typing.Union, types.UnionType):
            annotation = next((a for a in typing.get_args(annotation) if hasattr(a, "model_fields")), None)
        model = annotation
    return list(getattr(model, "model_fields", {}))


def _suggest(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return words.MEANT(name=close[0])
    return words.KNOWN(names=LIST().join(known)) if known else ""


def _with_absolute_data(config: ExperimentConfig, folder: Path, where: str) -> ExperimentConfig:
    def place(setting: str, path: str) -> str:
        with _named(f"{where}: data.{setting}", path):
            return str(resolve_data_path(path, folder))

    with _named(f"{where}: base_model", config.base_model):
        model = _resolved_model(config.base_model, folder)
    return config.model_copy(update={"data": config.data.with_files(place), "base_model": model})


@contextmanager
def _named(setting: str, path: str) -> Iterator[None]:
    """A path that can be no file's (a home of nobody, a loop of links, a name too long) is said with its setting."""
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        reason = shortened(getattr(error, "strerror", None) or str(error), MAX_VALUE_CHARS)
        raise ConfigError(f"{setting}: {shown(path)} is no usable path: {reason}") from None


def _resolved_model(name: str, folder: Path) -> str:
    """A model's own folder or file is found as data files are; packages and ids of the hub stay as they are."""
    if name.startswith("package:"):
        return name
    path = folder / Path(name).expanduser()
    given_as_path = name.startswith((".", "~", "/")) or name.endswith(".gguf")
    return str(path.resolve()) if given_as_path or path.is_dir() else name


def resolve_data_path(value: str, folder: Path) -> Path:
    """`demo:en/train.jsonl` is a bundled file; anything else is absolute, `~`, or relative to `folder`."""
    if value.startswith("demo:"):
        return PACKAGE_DATA / value.removeprefix("demo:")
    return (folder / Path(value).expanduser()).resolve()
