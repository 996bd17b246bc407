"""Take a trial's adapter out of its experiment: ask it a question, or write it out with a model card."""

from __future__ import annotations

import json
import logging
import os
import shlex
import shutil
import stat
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raykft.config import MIXED, ExperimentConfig, validate
from raykft.errors import ConfigError, DamagedError, ExperimentError, ModelError, ResourceError
from raykft.evaluation.outcome import BASE
from raykft.leaderboard.board import Leaderboard, load_leaderboard
from raykft.leaderboard.evidence import SPLITS
from raykft.leaderboard.read import TrialRecord, open_experiment, read_probes
from raykft.leaderboard.statistics import CONFIDENCE
from raykft.models.shape import is_local
from raykft.paths import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    ExperimentPaths,
    TrialPaths,
    is_whole_safetensors,
    read_json,
    write_atomic,
    write_json,
)
from raykft.records import Split
from raykft.storage.store import fetch
from raykft.untrusted.escapes import markdown, markdown_code

if TYPE_CHECKING:
    from raykft.models.load import BaseModel
    from raykft.models.proof import Distance
    from raykft.models.source import ModelSource

log = logging.getLogger(__name__)
CARD_METRICS = ("score", "gain", "knowledge", "level_1", "level_2", "level_3", "level_4", "level_5", "forgetting")
BADGE_TEXTS = {
    "CONTAMINATED": "some training rows give probes away: the scores are too good",
    "PARTIAL": "the trial was stopped before its last epoch",
    "1-SEED": "one seed only: the same recipe with another seed may score otherwise",
    "PROXY-ONLY": "scored by log-probabilities only: no answers were generated",
}
# By quantization: what became of the base's weights, and how Transformers does the same.
ROUNDING = {
    "nf4": (
        "rounded to NF4 (double quantization, blocks of 64)",
        'load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True',
    ),
    "int8": (
        "rounded to int8 by rows (bitsandbytes rounds activations too, 1.3 % of logits; on a CPU trials do without)",
        "load_in_8bit=True, llm_int8_threshold=0.0",
    ),
    "none": ("not quantized", ""),
}
MERGED_TEXT = """\
These are the weights that were scored, in bf16: the base weights above plus the adapter's product, added in fp32 and
stored in bf16. Layers without an adapter keep their rounded weights. Storing in bf16 moves the last bits, so that a
rare answer may differ from the scored one. Load it like any model; quantized once more it is another model."""
COMPARED = 16  # questions of the experiment on which an export is compared with the model that was scored


@dataclass(frozen=True)
class Finished:
    """A trial whose adapter is there to be used, with the config it was trained under."""

    files: TrialPaths
    config: ExperimentConfig
    record: TrialRecord
    board: Leaderboard


@dataclass(frozen=True)
class Answers:
    """What the base model and the tuned one say to the same question."""

    base: str
    tuned: str


def find_trial(directory: Path, trial_id: str) -> Finished:
    """The trial `trial_id` of an experiment.

    Raises:
        ExperimentError: no such experiment or trial, or the trial left no adapter.
    """
    paths = open_experiment(directory)
    files = paths.trial(trial_id)
    board = load_leaderboard(paths.root)
    record = next((t for t in board.trials if t.trial_id == trial_id), None)
    if record is None:
        raise ExperimentError(f"there is no trial {trial_id!r}; see `raykft leaderboard {shlex.quote(str(directory))}`")
    fetch(files.adapter)
    missing = [name for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS) if not (files.adapter / name).is_file()]
    if missing:
        raise ExperimentError(
            f"trial {trial_id!r} ({record.status}) left no adapter: {files.adapter} has no {missing[0]}"
        )
    read_json(files.adapter / ADAPTER_CONFIG)
    if not is_whole_safetensors(weights := files.adapter / ADAPTER_WEIGHTS):
        raise DamagedError(f"{weights} is damaged; put back a copy of it")
    if record.damaged:
        raise DamagedError(f"trial {trial_id!r} cannot be used: {record.reason}")
    config = validate(read_json(files.config).get("config"), str(files.config))
    return Finished(files, config, record, board)


def ask(directory: Path, trial_id: str, question: str, *, max_new_tokens: int = 96) -> Answers:
    """Ask the base model and a trial's adapter one question, in this process. The answers are untrusted text.

    Raises:
        ConfigError: an empty question, or no token to answer with.
        ExperimentError: see `find_trial`.
        ModelError: the base model is not here or does not fit the adapter.
    """
    if not question.strip():
        raise ConfigError("the question is empty; write it in quotes after the trial's id")
    if max_new_tokens < 1:
        raise ConfigError(f"--max-new-tokens {max_new_tokens} must be at least 1")
    trial = find_trial(directory, trial_id)
    from raykft.models.load import load_base, pick_device
    from raykft.models.source import resolve_model
    from raykft.records import Question
    from raykft.train.engine import HostEngine

    config = trial.config
    base = load_base(
        resolve_model(config.base_model),
        quantization=config.quantization,
        residency=config.resources.residency,
        device=pick_device(config.resources.device),
    )
    with HostEngine(
        base,
        train_rows=(),
        distractors=(),
        system_prompt=config.data.system_prompt,
        plain_prompt=config.data.plain_prompt,
        max_length=config.train.max_length,
        batch_size=1,
    ) as engine:
        engine.attach_adapter(trial_id, trial.files.adapter)
        asked = [Question(question, max_new_tokens)]
        (base_reply,), (tuned_reply,) = engine.answer(None, asked), engine.answer(trial_id, asked)
    return Answers(base_reply.text, tuned_reply.text)


def export(directory: Path, trial_id: str, out: Path, *, merge: bool = False, check: bool = True) -> Path:
    """Write a trial's adapter, or with `merge` the model it makes of its base, with a model card into `out`.

    `out` appears whole or not at all.

    Args:
        check: load an adapter's base model, where it is here, and compare what plain PEFT makes of the two with what
            was scored. A merged model is always compared.

    Raises:
        ExperimentError: see `find_trial`; or `out` holds something already.
        ModelError: the base model of a merge is not here, does not fit the adapter, or PEFT makes another model of it.
    """
    trial = find_trial(directory, trial_id)
    target = out.expanduser().absolute()
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise ExperimentError(f"{out} exists and is not an empty directory; choose another")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    except OSError as error:
        raise ExperimentError(f"cannot write to {target.parent}: {error.strerror or error}") from error
    try:
        distance = None
        if merge:
            distance = _write_merged(trial, scratch)
        else:
            _write_adapter(trial, scratch)
            distance = _distance_in_peft(trial) if check else None
        write_atomic(scratch / "README.md", model_card(trial, merged=merge, distance=distance))
        _open_up(scratch)
        os.replace(scratch, target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return target


def _open_up(folder: Path) -> None:
    """Give a folder and its files the rights that others have here: mkdtemp and safetensors leave none to others."""
    plain = folder / "plain"
    plain.mkdir()  # made by the umask
    rights = stat.S_IMODE(plain.stat().st_mode)
    plain.rmdir()
    folder.chmod(rights)
    for file in folder.iterdir():
        file.chmod(rights & 0o666)


def _write_adapter(trial: Finished, out: Path) -> None:
    """The trial's own file: nothing that was scored changes on its way."""
    shutil.copyfile(trial.files.adapter / ADAPTER_WEIGHTS, out / ADAPTER_WEIGHTS)
    # As trained it names the folder that the base model lay in; elsewhere its name is of more use.
    adapter_config = read_json(trial.files.adapter / ADAPTER_CONFIG)
    write_json(out / ADAPTER_CONFIG, adapter_config | {"base_model_name_or_path": trial.config.base_model})


def _write_merged(trial: Finished, out: Path) -> Distance | None:
    from raykft.models.merge import load_rounded, write_merged
    from raykft.models.source import resolve_model

    base = load_rounded(resolve_model(trial.config.base_model), trial.config.quantization)
    return write_merged(base, trial.files.adapter, out, _compared(trial, base))


def _distance_in_peft(trial: Finished) -> Distance | None:
    """None where the base model is not here or does not fit into memory: the adapter is as good without it."""
    from raykft.models.load import check_memory
    from raykft.models.merge import load_rounded
    from raykft.models.proof import distance_in_peft
    from raykft.models.source import weights_bytes

    try:
        source = _here(trial)
        check_memory(weights_bytes(source), 1)
        base = load_rounded(source, trial.config.quantization, "fp32")
    except (ModelError, ResourceError, DamagedError) as error:
        log.warning("the adapter was not compared with what plain PEFT makes of it (see --no-check): %s", error)
        return None
    return distance_in_peft(base, trial.files.adapter, _compared(trial, base))


def _here(trial: Finished) -> ModelSource:
    """The base model that the trial was scored on, from this machine's disk: nothing is downloaded for a comparison.

    Raises:
        ModelError: it is not here, or another one has its name.
    """
    from raykft.models.shape import local_directory
    from raykft.models.source import ModelSource, resolve_model

    name = trial.config.base_model
    if is_local(name):
        source = resolve_model(name)
    elif (directory := local_directory(name)) is not None:
        source = ModelSource(name, str(directory), resolve_model(name).digest)
    else:
        raise ModelError(f"base_model {name!r} is not on this machine")
    environment = ExperimentPaths(trial.board.directory).environment
    hosts = read_json(environment).get("hosts", []) if environment.exists() else []
    if hosts and hosts[0].get("model_digest", source.digest) != source.digest:
        raise ModelError(f"base_model {name!r} here is another one than the trial was scored on")
    return source


def _compared(trial: Finished, base: BaseModel) -> list[list[int]]:
    """Token ids of some of the experiment's questions with their answers."""
    from raykft.data.encode import PromptFormat

    config = trial.config
    prompts = PromptFormat(base.tokenizer, config.data.system_prompt, (), config.data.plain_prompt)
    asked = [p for p in read_probes(ExperimentPaths(trial.board.directory)) if p.level > 0][:COMPARED]
    return [[*prompts.prompt_ids(p.question), *prompts.answer_ids(p.gold)] for p in asked]


def model_card(trial: Finished, *, merged: bool, distance: Distance | None = None) -> str:
    """README.md of an export: what it is, how it was trained, what it scored and what to keep in mind."""
    config, record = trial.config, trial.record
    lines = [
        *_header(config, merged=merged),
        f"# {markdown(record.trial_id)}",
        "",
        f"Trained and scored by raykft in the experiment `{config.name}`.",
        "",
        "## Base model",
        "",
        *_base_section(config, merged=merged),
        *_distance_section(distance, merged=merged),
        "",
        "## Recipe",
        "",
        *(f"- `{name}`: {value}" for name, value in _recipe(config).items()),
        "",
        "## Scores",
        "",
        *_scores(trial),
        "",
        "## Evidence",
        "",
        *(f"- {markdown(sentence)}" for sentence in _evidence(trial)),
        "",
        "## Warnings",
        "",
        *(f"- {sentence}" for sentence in _warnings(trial)),
    ]
    return "\n".join(lines) + "\n"


def _header(config: ExperimentConfig, *, merged: bool) -> list[str]:
    """The front matter that the Hugging Face hub reads."""
    base = [] if is_local(config.base_model) else [f"base_model: {json.dumps(config.base_model)}"]
    return ["---", f"library_name: {'transformers' if merged else 'peft'}", *base, "---", ""]


def _base_section(config: ExperimentConfig, *, merged: bool) -> list[str]:
    rounding, loading = ROUNDING[config.quantization]
    lines = [f"{markdown_code(config.base_model)}, linear layers but the output head {rounding}.", ""]
    if config.base_model.startswith("package:"):
        lines[1:] = [
            "It is a GGUF file inside the Python package of that name; what `raykft export --merge` writes",
            "needs no package.",
            "",
        ]
    if merged:
        return [*lines, MERGED_TEXT]
    if config.quantization == "none":
        return [*lines, "Load the base model in bf16 and this directory with `PeftModel.from_pretrained`."]
    return [
        *lines,
        f"Load the base with `BitsAndBytesConfig({loading})`",
        "and this directory with `PeftModel.from_pretrained`. On an unquantized base it was not scored.",
    ]


def _distance_section(distance: Distance | None, *, merged: bool) -> list[str]:
    if distance is None:
        return []
    sides = (
        "its logits differ from the scored model's" if merged else "the logits of plain PEFT differ from raykft's own"
    )
    more = "" if merged else " (both in fp32, from these files and the base above)"
    return [
        "",
        f"Measured when it was written, at {distance.positions} positions of the experiment's questions and answers:",
        f"{sides} by {distance.logits:.2g}, relative norm{more}, and the most likely next token is the same at",
        f"{distance.same_next:.1%} of the positions.",
    ]


def _recipe(config: ExperimentConfig) -> dict[str, Any]:
    tree = {"adapter": config.adapter.model_dump(), "train": config.train.model_dump()}
    recipe = {f"{section}.{name}": value for section, values in tree.items() for name, value in values.items()}
    own = [path for path in MIXED if path != "data.text_ratio" or config.data.text]
    mixed = {path: getattr(config.data, path.removeprefix("data.")) for path in own}
    return {**recipe, **{path: value for path, value in mixed.items() if value is not None}, "seed": config.seed}


def _scores(trial: Finished) -> list[str]:
    record, board = trial.record, trial.board
    names = [name for name in CARD_METRICS if name in record.select or name in record.report]
    if not names:
        return [f"None: the trial ended as *{record.status}*. {markdown(' '.join(record.reason.split()))}".strip()]
    counts = Counter(p.split for p in read_probes(ExperimentPaths(board.directory)) if p.level > 0)
    asked = {split: f" ({counts[split]} probes)" if counts[split] else "" for split in SPLITS}
    base = next((b for b in board.baselines if b.name == BASE), None)
    columns: list[tuple[str, str, Split, dict[str, float]]] = []
    for split in SPLITS:
        columns += [("base", BASE, split, getattr(base, split))] if base else []
        columns.append(("tuned", record.trial_id, split, getattr(record, split)))
    rows = [
        f"| {name} | " + " | ".join(_figure(board, row, split, own, name) for _, row, split, own in columns) + " |"
        for name in names
    ]
    return [
        f"Trials were chosen by the select split{asked['select']}; the report split{asked['report']} was held out.",
        f"Brackets are {CONFIDENCE:.0%} intervals over groups of probes, where there are enough of them.",
        "",
        "| | " + " | ".join(f"{title}, {split}" for title, _, split, _ in columns) + " |",
        "|---" * (len(columns) + 1) + "|",
        *rows,
    ]


def _figure(board: Leaderboard, row: str, split: Split, metrics: dict[str, float], name: str) -> str:
    if name not in metrics:
        return "-"
    bounds = board.evidence[split].intervals.get(row, {}) if split in board.evidence else {}
    interval = f" [{bounds[name].low:.3f} {bounds[name].high:.3f}]" if name in bounds else ""
    return f"{metrics[name]:.3f}{interval}"


def _evidence(trial: Finished) -> list[str]:
    """What the figures above come from. Of data files the names only: where they lay is nobody else's business."""
    paths = ExperimentPaths(trial.board.directory)
    lines: list[str] = []
    lines += _kept(paths.environment, _made_with)
    lines += _kept(paths.data_manifest, _made_from)
    if seeds := trial.record.seeds:
        scores = ", ".join(f"{score:.3f}" for score in seeds.values())
        lines.append(f"scores of the same recipe with {len(seeds)} seeds: {scores}")
    return lines or ["none was kept"]


def _kept(file: Path, sentences: Callable[[dict[str, Any]], list[str]]) -> list[str]:
    """What a file of the experiment says, where there is one that can be read."""
    if not file.exists():
        return []
    try:
        return sentences(read_json(file))
    except (DamagedError, KeyError, TypeError, AttributeError) as error:
        log.warning("the model card leaves out what %s says: %s", file, error)
        return []


def _made_with(found: dict[str, Any]) -> list[str]:
    changed = ", with local changes" if found.get("dirty") else ""
    commit = f", commit {found['commit']}{changed}" if found.get("commit") else ""
    return [
        f"raykft {found['raykft']}{commit}; started {found['started_at']}",
        ", ".join(f"{name} {version}" for name, version in found["packages"].items() if version),
        *(
            f"base model's content {host['model_digest']}, computed in {host['dtype']} on {host['device']}"
            for host in found.get("hosts", [])[:1]
        ),
    ]


def _made_from(manifest: dict[str, Any]) -> list[str]:
    return [f"{Path(file).name}: sha256 {digest}" for file, digest in manifest["sha256"].items()]


def _warnings(trial: Finished) -> list[str]:
    badges = [f"{badge}: {BADGE_TEXTS.get(badge, '')}" for badge in trial.board.badges(trial.record)]
    unreported = [] if trial.record.report else ["not scored on the held-out report split"]
    return [
        *badges,
        *unreported,
        "scores are those of this experiment's probes, not of every question about the domain",
        "the licence of the base model applies",
    ]
