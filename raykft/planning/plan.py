"""`raykft plan`: what an experiment will train, need and cost, before anything is started. Arithmetic, no torch.

docs/planning.md states every formula and assumption used here.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import asdict, dataclass
from typing import Any

from raykft.config import ExperimentConfig
from raykft.data.domain import Domain
from raykft.errors import ConfigError
from raykft.models.shape import ModelShape, assumed_shape, shape_of
from raykft.planning.budget import (
    DRAWS,
    Asked,
    Rows,
    Spread,
    Stopping,
    Taught,
    asha_milestones,
    counted,
    draws,
    expected_epochs,
    mean_batch,
    mixtures,
    race_runs,
    spread,
    taught,
    volume,
)
from raykft.planning.fitting import RESERVE, Corner, Machine, admitted, corners_of
from raykft.planning.slots import room
from raykft.train.admission import Line
from raykft.wording import planning as words

# Share of the peak that a packed step reaches, and what a CPU core multiplies (docs/planning.md).
GPU_UTILISATION, AMX_UTILISATION, FP32_UTILISATION = 0.35, 0.35, 0.6
CORE_TFLOPS_AMX, CORE_TFLOPS_FP32 = 0.45, 0.1
CORE_BYTES_PER_S = 8e9  # at which a core reads weights, twice a step however few tokens it has
# Kernel launches: a training step of a layer takes no less on a GPU, a decoding step a third of it; every slot but the
# first adds those of its own low-rank products.
LAUNCH_S_PER_LAYER, LAUNCH_S_PER_SLOT = 2.8e-3, 0.6e-3


@dataclass(frozen=True)
class Gpu:
    """Memory as `nvidia-smi` shows it, and dense bf16 TFLOP/s with fp32 accumulation."""

    memory_gib: float
    tflops: float


# NVIDIA's data sheets and architecture white papers (A100, H100, H200, B200, L4, L40S, A10, Ampere GA102, Ada AD102);
# figures given "with sparsity" are halved.
GPUS = {
    "a10g": Gpu(22.5, 70),
    "l4": Gpu(22.5, 121),
    "rtx3090": Gpu(24.0, 71),
    "rtx4090": Gpu(24.0, 165),
    "a100-40": Gpu(39.5, 312),
    "l40s": Gpu(45.0, 362),
    "a6000": Gpu(48.0, 155),
    "a100-80": Gpu(79.3, 312),
    "h100": Gpu(79.6, 989),
    "h200": Gpu(140.4, 989),
    "b200": Gpu(179.0, 2250),
}


@dataclass(frozen=True)
class Work:
    """What all hosts do together; hours are of the clock, cost is that of all GPUs for so long.

    `hours` are both one after the other, or the longer of the two where other hosts evaluate than train.
    """

    trained_tokens: int
    asked_questions: int
    train_hours: float
    evaluate_hours: float
    hours: float
    cost: float | None


@dataclass(frozen=True)
class Plan:
    """Everything `raykft plan` prints. `too_large` are the corners that do not fit into `memory_limit` bytes."""

    experiment: str
    base_model: str
    parameters: int
    trials: int
    race_runs: int
    mixtures: int
    rows: int
    distractors: int
    text_pieces: int
    text_tokens: int
    tokens_how: str
    tokens_per_epoch: Spread
    tokens_per_trial: Spread
    device: str
    hosts: int
    devices_per_host: int
    evaluation_hosts: int
    slots_per_host: int
    tokens_per_second: float
    memory_limit: int
    largest: Corner
    corners: int
    too_large: tuple[Corner, ...]
    without_stopping: Work
    expected: Work
    assumptions: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready; memory gets its total."""
        tree = asdict(self)
        for corner, own in zip([tree["largest"], *tree["too_large"]], [self.largest, *self.too_large], strict=True):
            corner["memory"]["total"] = own.memory.total
        return tree


def make_plan(
    config: ExperimentConfig,
    domain: Domain,
    machine: Machine,
    *,
    gpu: str | None = None,
    hosts: int | None = None,
    price: float | None = None,
    parameters: float | None = None,
    tokens_per_second: float | None = None,
) -> Plan:
    """Plan the whole search of `config`.

    Args:
        gpu: a name of `GPUS`; None plans for CPU hosts on `machine`.
        hosts: training hosts; by default `resources.hosts`, or one GPU, or one host a core.
        price: of one GPU (or host) hour, in whatever currency.
        parameters: size of a model that is not on this machine.
        tokens_per_second: measured on one host, instead of the estimate.

    Raises:
        ConfigError: an option out of range, or `resources.device` cuda without a GPU to plan for.
        ModelError: the model's size cannot be found out and `parameters` is not given.
    """
    _check_options(config, gpu, hosts, price, tokens_per_second)
    domain, rows = counted(config, domain)
    shape = assumed_shape(parameters) if parameters is not None else shape_of(config.base_model)
    device = GPUS[gpu] if gpu else None
    apart, devices = int(config.resources.evaluation_hosts), config.resources.gpus_per_trial
    count = hosts or _default_hosts(config, machine, device)
    slots = _slots(config, domain, shape, rows, device, machine, count)
    epochs, per_epoch = draws(config, rows)
    per_trial = [e * t for e, t in zip(epochs, per_epoch, strict=True)]
    stopping = expected_epochs(config, epochs)
    threads = max(1, machine.cores // (count * devices + apart)) if config.resources.hosts != "auto" or hosts else 1
    estimate = _rate(shape, rows, device, machine, _step_tokens(config, rows, slots), threads, slots)
    rate, why = (tokens_per_second, words.MEASURED()) if tokens_per_second else estimate
    limit = int(device.memory_gib * 2**30) if device else machine.memory_bytes // (count * devices + apart)
    corners = corners_of(config, domain, rows, shape, machine, slots=slots, cuda=device is not None, limit=limit)

    def work(tokens_a_trial: float, epochs_a_trial: float, finished: float) -> Work:
        trained, questions = volume(
            config, domain, rows, tokens_a_trial, epochs_a_trial, finished, longest=(max(per_trial), max(epochs))
        )
        train = trained / (rate * devices) / count / 3600
        evaluate = _answer_seconds(questions, shape, rate, cuda=device is not None) / (apart or count) / 3600
        hours = max(train, evaluate) if apart else train + evaluate
        cost = None if price is None else price * (count * devices + apart) * hours
        return Work(round(trained), round(questions.questions), train, evaluate, hours, cost)

    return Plan(
        experiment=config.name,
        base_model=config.base_model,
        parameters=shape.parameters,
        trials=config.search.trials,
        race_runs=math.ceil(race_runs(config, config.search.trials)),
        mixtures=mixtures(config, rows.pool),
        rows=len(domain.train),
        distractors=len(domain.distractors),
        text_pieces=len(rows.text),
        text_tokens=sum(rows.text),
        tokens_how=rows.how,
        tokens_per_epoch=spread(per_epoch),
        tokens_per_trial=spread(per_trial),
        device=words.GPU(gpu=gpu) if gpu else words.CPU(cores=machine.cores),
        hosts=count,
        devices_per_host=devices,
        evaluation_hosts=apart,
        slots_per_host=slots,
        tokens_per_second=rate,
        memory_limit=limit,
        largest=max(corners, key=lambda c: c.memory.total),
        corners=len(corners),
        too_large=tuple(c for c in corners if c.memory.total > limit * (1 - RESERVE)),
        without_stopping=work(statistics.fmean(per_trial), statistics.fmean(epochs), 1.0),
        expected=work(stopping.epochs * statistics.fmean(per_epoch), stopping.epochs, stopping.finished),
        assumptions=_assumptions(config, shape, rows, stopping, why, priced=price is not None)
        + _about_teacher(taught(config, domain, rows), rate),
    )


def _check_options(
    config: ExperimentConfig, gpu: str | None, hosts: int | None, price: float | None, rate: float | None
) -> None:
    if gpu is not None and gpu not in GPUS:
        raise ConfigError(f"--gpu {gpu!r} is not known; use one of: {', '.join(GPUS)}")
    if gpu is None and config.resources.device == "cuda":
        raise ConfigError(f"resources.device is 'cuda': say which GPU, --gpu with one of: {', '.join(GPUS)}")
    if gpu is not None and config.resources.device == "cpu":
        raise ConfigError(f"resources.device is 'cpu', so no {gpu} would be used; add --set resources.device=auto")
    for name, value in (("--hosts", hosts), ("--gpu-hour-price", price), ("--tokens-per-second", rate)):
        if value is not None and not (0 < value < math.inf or (name == "--gpu-hour-price" and value == 0)):
            raise ConfigError(f"{name} {value:g} must be above 0")


def _default_hosts(config: ExperimentConfig, machine: Machine, device: Gpu | None) -> int:
    if config.resources.hosts != "auto":
        return int(config.resources.hosts)
    slots = config.resources.slots_per_host
    useful = config.search.trials if slots == "auto" else math.ceil(config.search.trials / slots)
    cores = machine.cores - int(config.resources.evaluation_hosts)
    return 1 if device else max(1, min(cores // config.resources.gpus_per_trial, useful))


def _slots(
    config: ExperimentConfig,
    domain: Domain,
    shape: ModelShape,
    rows: Rows,
    device: Gpu | None,
    machine: Machine,
    count: int,
) -> int:
    """Slots a host; those that the search will measure follow from the estimated time of a step."""
    slots, most = config.resources.slots_per_host, math.ceil(config.search.trials / count)
    if slots != "auto":
        return min(slots, most)
    if device:
        token_s = _token_flops(shape, rows) / (device.tflops * 1e12 * GPU_UTILISATION)
        line = Line(shape.layers * LAUNCH_S_PER_LAYER, token_s, 0.0)
        memory = int(device.memory_gib * 2**30)
    else:
        read = 2 * (shape.linear_weights + shape.head.weights) * (2 if machine.fast_bf16 else 4)
        line = Line(read / CORE_BYTES_PER_S, 1 / _rate(shape, rows, None, machine, 1, 1, 1)[0], 0.0)
        memory = machine.memory_bytes // (count + int(config.resources.evaluation_hosts))
    found = room(config, domain, rows, line, rows.mean, shape, machine, cuda=device is not None, memory_bytes=memory)
    return admitted(min(found.useful, found.fitting), config.search.trials, count)


# Time.


def _rate(
    shape: ModelShape,
    rows: Rows,
    device: Gpu | None,
    machine: Machine,
    step_tokens: float,
    threads: int,
    slots: int,
) -> tuple[float, str]:
    """Trained tokens per second of one host, and how that was estimated."""
    flops = _token_flops(shape, rows)
    if device:
        seconds = step_tokens * flops / (device.tflops * 1e12 * GPU_UTILISATION)
        floor = shape.layers * (LAUNCH_S_PER_LAYER + (slots - 1) * LAUNCH_S_PER_SLOT)
        why = words.GPU_SPEED(share=GPU_UTILISATION, peak=device.tflops, floor=1000 * floor)
        if floor > seconds:
            why += words.LAUNCH_BOUND(tokens=step_tokens)
        return step_tokens / max(seconds, floor), why
    peak, share, unit = (
        (CORE_TFLOPS_AMX, AMX_UTILISATION, words.UNITS["bf16"]())
        if machine.fast_bf16
        else (CORE_TFLOPS_FP32, FP32_UTILISATION, words.UNITS["fp32"]())
    )
    why = words.CPU_SPEED(share=share, peak=peak * threads * 1000, threads=threads, unit=unit)
    return threads * peak * 1e12 * share / flops, why


def _step_tokens(config: ExperimentConfig, rows: Rows, slots: int) -> float:
    """Tokens of a packed step, on average."""
    return slots * mean_batch(config, len(rows.domain) + len(rows.text)) * rows.mean


def _token_flops(shape: ModelShape, rows: Rows) -> float:
    """Of a trained token: frozen weights forward and for the input's gradient, the head where there is a loss."""
    return 4 * shape.linear_weights + 4 * shape.head.weights * rows.taught_share


def _answer_seconds(questions: Asked, shape: ModelShape, rate: float, *, cuda: bool) -> float:
    """Seconds of one host: a token of an answer costs half a trained one, a decoding step on a GPU its launches."""
    launches = questions.steps * shape.layers * LAUNCH_S_PER_LAYER / 3 if cuda else 0.0
    return max(questions.tokens / (2 * rate), launches)


def _assumptions(
    config: ExperimentConfig, shape: ModelShape, rows: Rows, stopping: Stopping, speed: str, *, priced: bool
) -> tuple[str, ...]:
    milestones = ", ".join(f"{math.ceil(m)}" for m in asha_milestones(config))
    search, devices = config.search, config.resources.gpus_per_trial
    passing = {"factor": search.reduction_factor, "epochs": stopping.epochs, "finished": stopping.finished}
    stops = words.UNFORESEEN(scheduler=search.scheduler)
    if milestones:
        stops = words.ASHA(milestones=milestones, **passing)
    elif search.scheduler in {"asha", "none"}:
        stops = words.NOBODY_STOPS()
    return (
        *((words.SIZES(source=shape.assumed),) if shape.assumed else ()),
        words.TOKENS(how=rows.how),
        *((words.SHORTENED(n=rows.shortened),) if rows.shortened else ()),
        words.PROPOSALS(n=DRAWS),
        stops,
        *((words.RACE(top=race.top, seeds=race.seeds - 1),) if (race := search.race) else ()),
        words.FLOPS(),
        words.READING(),
        words.DEVICE_SPEED(how=speed),
        *((words.AUTO_SLOTS(),) if config.resources.slots_per_host == "auto" else ()),
        *((words.SEVERAL_DEVICES(n=devices),) if devices > 1 else ()),
        words.WORST_MEMORY(reserve=RESERVE),
        *((words.PAID(),) if priced else ()),
        words.LEFT_OUT(),
    )


def _about_teacher(teacher: Taught | None, rate: float) -> tuple[str, ...]:
    if teacher is None:
        return ()
    seconds, kept = teacher.tokens / (2 * rate), teacher.memory_bytes / 2**20
    return (words.TEACHER(rows=teacher.rows, tokens=teacher.tokens, seconds=seconds, kept=kept),)
