"""Passes of one shape give the answers of ordinary ones, and a device records them as it should."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from transformers import AutoModelForCausalLM, Gemma3TextConfig

from raykft.errors import ConfigError
from raykft.models import generate as generate_module
from raykft.models import kernels as kernels_module
from raykft.models import static_steps
from raykft.models.generate import Generation, Prompt, generate
from raykft.models.kernels import always
from raykft.models.load import BaseModel, load_base
from raykft.models.packed import PackedModel
from raykft.models.source import ModelSource, resolve_model
from raykft.models.static_steps import StaticSteps
from raykft.testing.operators import count

pytestmark = pytest.mark.torch
CPU = torch.device("cpu")


def with_adapters(packed: PackedModel) -> PackedModel:
    for slot in (0, 1):
        generator = torch.Generator().manual_seed(slot)
        packed.add_adapter(slot, rank=4 + slot, alpha=8.0, preset="all-linear", generator=generator)
        for pair in packed.adapter(slot).values():
            pair.B.data.normal_(0, 0.3, generator=generator)
    return packed


@pytest.fixture
def packed(tiny_model_dir: Path) -> PackedModel:
    torch.set_num_threads(1)
    base = load_base(resolve_model(str(tiny_model_dir)), quantization="nf4", residency="auto", device=CPU)
    return with_adapters(PackedModel(base))


def prompts_of(most: int = 12) -> list[Prompt]:
    generator = torch.Generator().manual_seed(7)
    lengths = [9, 1, 4, 4, 2, 7, 1, 3]
    rows = [[1, 10, 20, *torch.randint(30, 200, (n,), generator=generator).tolist()] for n in lengths]
    return [Prompt((0, 1, None)[n % 3], row, most - n % 5) for n, row in enumerate(rows)]


def both(packed: PackedModel, prompts: list[Prompt], stop_ids: set[int], size: int = 64) -> list[list[Generation]]:
    return [generate(packed, prompts, stop_ids=stop_ids, batch_size=size, static=static) for static in (False, True)]


@pytest.mark.parametrize("kernel", ["loop", "bmm"])
@pytest.mark.parametrize("size", [64, 3])
def test_the_answers_are_those_of_ordinary_passes(packed: PackedModel, kernel: str, size: int) -> None:
    packed.use_kernels(always(kernel))
    usual, static = both(packed, prompts_of(), {-1}, size)
    assert static == usual
    assert len({tuple(each.ids) for each in static}) > 5
    # Some rows end early, and most of a batch is left behind.
    often = {token for each in usual[:6] for token in each.ids[3:5]}
    usual, static = both(packed, prompts_of(), often, size)
    assert static == usual
    assert len({len(each.ids) for each in static}) > 3
    assert any(each.stopped for each in static)


def test_a_model_whose_layers_keep_a_window_decodes_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    config = Gemma3TextConfig(
        vocab_size=256, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=16, sliding_window=8, pad_token_id=0, bos_token_id=2, eos_token_id=1,
    )  # fmt: skip
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).requires_grad_(False).train()
    base = BaseModel(model, None, ModelSource("g", "g", ""), "none", "dequantized", CPU, False)
    packed, made = with_adapters(PackedModel(base)), list[int]()
    usual = StaticSteps.__init__

    def make(steps: StaticSteps, *arguments: Any) -> None:
        made.append(len(arguments[1]))
        usual(steps, *arguments)

    monkeypatch.setattr(StaticSteps, "__init__", make)
    for prompts, served in ((prompts_of(), False), ([Prompt(0, [1, 10], 5), Prompt(1, [1], 5)], True)):
        usual_answers, static = both(packed, prompts, {-1})
        assert static == usual_answers
        assert bool(made) == served


class Graph:
    """Of a device that records without computing: what a replay does is what was recorded."""

    made: ClassVar[list[Graph]] = []
    refuses = False

    def __init__(self) -> None:
        self.replays = 0
        Graph.made.append(self)

    def replay(self) -> None:
        self.replays += 1
        self.work()

    def work(self) -> None:
        raise AssertionError("nothing was recorded")


@pytest.fixture
def recording(monkeypatch: pytest.MonkeyPatch) -> list[Graph]:
    """The CPU as a device that records."""
    advance = StaticSteps._advance
    now: list[Graph] = []

    @contextmanager
    def record(graph: Graph) -> Iterator[None]:
        if Graph.refuses:
            raise RuntimeError("operation not permitted when stream is capturing")
        now.append(graph)
        yield
        now.pop()

    def noted(steps: StaticSteps) -> None:
        if now:
            now[-1].work = lambda: advance(steps)  # type: ignore[method-assign]
        else:
            advance(steps)

    monkeypatch.setattr(Graph, "made", [])
    monkeypatch.setattr(Graph, "refuses", False)
    monkeypatch.setattr(static_steps, "_KINDS", ("cpu",))
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", record)
    monkeypatch.setattr(StaticSteps, "_advance", noted)
    return Graph.made


def test_a_pass_is_recorded_once_and_anew_for_fewer_rows(packed: PackedModel, recording: list[Graph]) -> None:
    prompts = [prompt._replace(max_new_tokens=4 if n < 5 else 20) for n, prompt in enumerate(prompts_of())]
    usual, static = both(packed, prompts, {-1})
    assert static == usual
    # 20 tokens: one of the prompt's pass, then an unrecorded pass and replays, twice.
    assert [graph.replays for graph in recording] == [2, 15]


def test_short_answers_are_not_worth_a_recording(packed: PackedModel, recording: list[Graph]) -> None:
    usual, static = both(packed, prompts_of(6), {-1})
    assert static == usual
    assert recording == []


def test_a_device_that_cannot_record_decodes_all_the_same(
    packed: PackedModel, recording: list[Graph], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Graph, "refuses", True)
    usual, static = both(packed, prompts_of(), {-1})
    assert static == usual
    assert [graph.replays for graph in recording] == [0]
    assert "without a recorded pass: operation not permitted" in caplog.text


def test_nothing_in_a_pass_goes_to_the_device_or_comes_from_it(
    packed: PackedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recorded pass would replay what Python knew when it was recorded."""
    packed.use_kernels(always("bmm"))
    passes: list[dict[str, int]] = []
    advance = StaticSteps._advance

    def counted(steps: StaticSteps) -> None:
        with monkeypatch.context() as patch:

            def refuse(*_: Any, **__: Any) -> Any:
                raise AssertionError("a tensor was made of Python's numbers")

            if passes:  # by then what is kept between passes has been made
                patch.setattr(torch, "tensor", refuse)
                patch.setattr(torch.Tensor, "tolist", refuse)
                patch.setattr(torch.Tensor, "item", refuse)
            passes.append(dict(count(lambda: advance(steps))))

    monkeypatch.setattr(StaticSteps, "_advance", counted)
    generate(packed, [prompt._replace(max_new_tokens=6) for prompt in prompts_of()], stop_ids={-1}, batch_size=64,
             static=True)  # fmt: skip
    assert len(passes) == 5
    assert all(each == passes[0] for each in passes)


def test_factors_are_stacked_once_for_all_passes_of_the_same_adapters(
    packed: PackedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed.use_kernels(always("bmm"))
    made: list[int] = []
    usual = kernels_module._stacked_factors

    def stacked(parts: Any, dtype: torch.dtype, multiple: int) -> Any:
        made.append(len(parts))
        return usual(parts, dtype, multiple)

    expected = generate(packed, prompts_of(), stop_ids={-1}, batch_size=64)
    monkeypatch.setattr(kernels_module, "_stacked_factors", stacked)
    assert generate(packed, prompts_of(), stop_ids={-1}, batch_size=64) == expected
    adapted = len(packed.adapter(0))
    assert len(made) <= 3 * adapted  # both adapters; then one of them is through, in the worst of cases
    assert not any(layer._stacks for layer in packed.layers.values())
    for pair in packed.adapter(0).values():
        pair.B.data.neg_()
    assert generate(packed, prompts_of(), stop_ids={-1}, batch_size=64) != expected


def test_the_environment_says_how_to_decode(packed: PackedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    usual = generate_module._decode_static
    monkeypatch.setattr(generate_module, "_decode_static", lambda *a: made.append(1) or usual(*a))
    for value, static in (("dynamic", 0), ("static", 1)):
        monkeypatch.setenv("RAYKFT_DECODING", value)
        generate(packed, prompts_of()[:2], stop_ids={-1}, batch_size=64)
        assert len(made) == static
    monkeypatch.setenv("RAYKFT_DECODING", "graphs")
    with pytest.raises(
        ConfigError, match="RAYKFT_DECODING 'graphs' is no way of decoding; use one of: dynamic, static"
    ):
        generate(packed, prompts_of()[:2], stop_ids={-1}, batch_size=64)
