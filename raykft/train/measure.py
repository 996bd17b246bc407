"""The measured cost of a packed training step on this machine, as a function of its tokens."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import psutil
import torch

from raykft.data.encode import EncodedRow
from raykft.errors import ModelError, OutOfMemoryError
from raykft.models.dtype import choose_dtype
from raykft.models.load import BaseModel, both_orders, check_memory, load_base, pick_device
from raykft.models.packed import PackedModel
from raykft.models.shape import ModelShape, assumed_shape, shape_of_config
from raykft.models.source import ModelSource, resolve_model, weights_bytes
from raykft.train.admission import Line
from raykft.train.inference import typed_error
from raykft.train.loop import packed_step
from raykft.train.recipe import Recipe
from raykft.train.slot import Slot

# (slots, rows a slot): with `ROW_TOKENS` these are steps of 32 to 512 tokens, on a GPU of up to 2,048.
STEPS, GPU_STEPS = ((1, 1), (1, 4), (2, 4), (4, 4)), ((8, 4), (16, 4))
ROW_TOKENS, ANSWER_TOKENS = 32, 12
REPEATS = 3
POINTS = 2  # of a line
SMALLEST = 1e6  # weights of a model that a shape is assumed for
RANK, PRESET = 16, "all-linear"


@dataclass(frozen=True)
class StepTime:
    """The median of a few steps."""

    slots: int
    tokens: int
    seconds: float

    @property
    def rate(self) -> float:
        """Tokens per second."""
        return self.tokens / self.seconds


@dataclass(frozen=True)
class Measurement:
    """Step times of one model on a `device` ("cpu", "cuda") called `place`.

    `memory_bytes` is what the process holds after the largest step, or the most that the GPU held.
    """

    model: str
    device: str
    place: str
    shape: ModelShape
    steps: tuple[StepTime, ...]
    memory_bytes: int
    rank: int = RANK
    preset: str = PRESET

    @property
    def line(self) -> Line:
        return line_through(self.steps)


def line_through(steps: Sequence[StepTime]) -> Line:
    """The least-squares line through all steps; where noise hides what tokens cost, they cost a nanosecond."""
    slope, fixed = statistics.linear_regression([s.tokens for s in steps], [s.seconds for s in steps])
    return Line(fixed, max(slope, 1e-9), max(abs(fixed + slope * s.tokens - s.seconds) / s.seconds for s in steps))


def measure(base_model: str | None, *, quantization: str, residency: str, device: str, threads: int) -> Measurement:
    """Train a few steps of several sizes; None takes a small random model, to compare machines.

    Raises:
        ModelError: the base model is not here.
        ResourceError: CUDA is asked for and not there, or memory is short.
    """
    torch.set_num_threads(threads)
    place = pick_device(device)
    if base_model is None:
        base = _random_model(place)
    else:
        source = resolve_model(base_model)
        if place.type == "cpu":
            check_memory(weights_bytes(source), 1)
        base = load_base(source, quantization=quantization, residency=residency, device=place)
    packed = PackedModel(base)
    steps = time_steps(packed)
    shape = shape_of_model(base)
    name = base_model or f"a random Llama of {shape.parameters / 1e6:.0f} million parameters"
    cuda = place.type == "cuda"
    used = torch.cuda.max_memory_allocated() if cuda else psutil.Process().memory_info().rss
    return Measurement(name, place.type, torch.cuda.get_device_name() if cuda else "the CPU", shape, steps, used)


def shape_of_model(base: BaseModel) -> ModelShape:
    """Of a loaded model; that of a Llama with as many weights where its architecture is none of those known."""
    try:
        return shape_of_config(base.model.config.to_dict(), base.source.name)
    except ModelError:
        linears = [module for module in base.model.modules() if isinstance(module, torch.nn.Linear)]
        theirs = {id(linear.weight) for linear in linears}  # which may be packed, two values a byte
        others = sum(p.numel() for p in base.model.parameters() if id(p) not in theirs)
        weights = sum(linear.in_features * linear.out_features for linear in linears) + others
        return assumed_shape(max(weights, SMALLEST))


def time_steps(packed: PackedModel) -> tuple[StepTime, ...]:
    """Train a few steps of several sizes, as far as memory goes, on a model that has no adapters; and leave it so.

    Raises:
        OutOfMemoryError: there is no memory for two sizes.
    """
    sizes = (*STEPS, *GPU_STEPS) if packed.device.type == "cuda" else STEPS
    steps: list[StepTime] = []
    for slots, rows in sizes:
        try:
            steps.append(_time(packed, slots, rows))
        except Exception as error:
            typed = typed_error(error)
            if not isinstance(typed, OutOfMemoryError):
                raise
            if len(steps) < POINTS:
                raise typed from error
            break
    return tuple(steps)


def _time(packed: PackedModel, slots: int, rows: int) -> StepTime:
    vocab = packed.base.model.config.get_text_config().vocab_size
    seconds = []
    try:
        trials = [Slot(packed, number, _recipe(rows), _rows(rows, vocab, number)) for number in range(slots)]
        for _ in range(1 + REPEATS):
            started = time.perf_counter()
            packed_step(packed, trials)
            if packed.device.type == "cuda":
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - started)
    finally:
        for number in range(slots):
            packed.remove_adapter(number)
    return StepTime(slots, slots * rows * ROW_TOKENS, statistics.median(seconds[1:]))  # the first one warms up


def _rows(count: int, vocab: int, seed: int) -> Sequence[EncodedRow]:
    rng = random.Random(seed)
    ids = [tuple(rng.randrange(vocab) for _ in range(ROW_TOKENS)) for _ in range(count)]
    return [EncodedRow(row, ROW_TOKENS - ANSWER_TOKENS) for row in ids]


def _recipe(batch_size: int) -> Recipe:
    return Recipe(
        rank=RANK,
        alpha=2.0 * RANK,
        dropout=0.0,
        target_layers=PRESET,
        learning_rate=1e-4,
        epochs=1 + REPEATS,
        batch_size=batch_size,
        accumulation=1,
        lr_schedule="constant",
        warmup_fraction=0.0,
        weight_decay=0.0,
        max_grad_norm=1.0,
        optimizer="adamw",
        group_by_length=False,
        distractor_ratio=0.0,
        seed=0,
    )


def _random_model(device: torch.device) -> BaseModel:
    """A Llama of ten million random weights; nothing has to be there for it."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=8192,
        hidden_size=256,
        intermediate_size=1024,
        num_hidden_layers=8,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=True,
    )
    torch.manual_seed(0)
    model = LlamaForCausalLM(config).to(device, choose_dtype("auto", device, None)).requires_grad_(False).train()
    source = ModelSource("random", "random", "random")
    return BaseModel(model, None, source, "none", "dequantized", device, both_orders(model, device))
