"""How large a model is, from its config.json or a GGUF header alone: no weights are loaded, no torch is imported."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from raykft.errors import ModelError
from raykft.models.source import converted_directory, digest_of, gguf_in_package, joined
from raykft.paths import cache_dir, ensure_dir
from raykft.wording import planning as words
from raykft.wording.errors import OTHER_CACHE

Kind = Literal["attention", "mlp", "head"]

# Which layers a `target_layers` preset adapts; raykft.models.targets resolves the same names on a loaded model.
PRESET_KINDS: dict[str, tuple[Kind, ...]] = {
    "attention": ("attention",),
    "mlp": ("mlp",),
    "all-linear": ("attention", "mlp"),
    "all-linear+lm_head": ("attention", "mlp", "head"),
}


@dataclass(frozen=True)
class Family:
    """How an architecture departs from Llama: what its config.json does not say."""

    norms: int = 2  # of the hidden size, in every layer
    head_norms: bool = False  # one for queries and one for keys, of the head's size
    qkv_bias: bool = False
    fused: bool = False  # one projection for queries, keys and values, one for gate and up
    tied: bool = False  # where config.json leaves `tie_word_embeddings` out


FAMILIES: dict[str, Family] = {
    "llama": Family(),
    "mistral": Family(),
    "smollm3": Family(tied=True),
    "qwen2": Family(qkv_bias=True),
    "qwen3": Family(head_norms=True),
    "phi3": Family(fused=True),
    "gemma": Family(tied=True),
    "gemma2": Family(norms=4, tied=True),
    "gemma3_text": Family(norms=4, head_norms=True, tied=True),
}
GGUF_NAMES = {"gemma3": "gemma3_text"}

# For plans of models that are not downloaded yet, from their config.json: family, hidden and MLP size, layers, heads,
# key-value heads, size of a head, vocabulary, whether the head is the embedding. A name is that of the hub without its
# organisation and without what follows it ("-Instruct", "-it").
KNOWN: dict[str, tuple[str, int, int, int, int, int, int, int, bool]] = {
    "llama-3-8b": ("llama", 4096, 14336, 32, 32, 8, 128, 128256, False),
    "llama-3-youko-8b": ("llama", 4096, 14336, 32, 32, 8, 128, 128256, False),
    "llama-3.1-8b": ("llama", 4096, 14336, 32, 32, 8, 128, 128256, False),
    "llama-3.1-70b": ("llama", 8192, 28672, 80, 64, 8, 128, 128256, False),
    "llama-3.2-1b": ("llama", 2048, 8192, 16, 32, 8, 64, 128256, True),
    "llama-3.2-3b": ("llama", 3072, 8192, 28, 24, 8, 128, 128256, True),
    "llama-3.3-70b": ("llama", 8192, 28672, 80, 64, 8, 128, 128256, False),
    "mistral-7b-v0.3": ("mistral", 4096, 14336, 32, 32, 8, 128, 32768, False),
    "mistral-7b-instruct-v0.3": ("mistral", 4096, 14336, 32, 32, 8, 128, 32768, False),
    "swallow-ms-7b": ("mistral", 4096, 14336, 32, 32, 8, 128, 42800, False),
    "qwen2.5-0.5b": ("qwen2", 896, 4864, 24, 14, 2, 64, 151936, True),
    "qwen2.5-1.5b": ("qwen2", 1536, 8960, 28, 12, 2, 128, 151936, True),
    "qwen2.5-7b": ("qwen2", 3584, 18944, 28, 28, 4, 128, 152064, False),
    "qwen2.5-14b": ("qwen2", 5120, 13824, 48, 40, 8, 128, 152064, False),
    "qwen3-0.6b": ("qwen3", 1024, 3072, 28, 16, 8, 128, 151936, True),
    "qwen3-4b": ("qwen3", 2560, 9728, 36, 32, 8, 128, 151936, True),
    "qwen3-8b": ("qwen3", 4096, 12288, 36, 32, 8, 128, 151936, False),
    "gemma-2-9b": ("gemma2", 3584, 14336, 42, 16, 8, 256, 256000, True),
}


@dataclass(frozen=True)
class Linear:
    """One linear layer of a decoder layer, or the head."""

    kind: Kind
    inputs: int
    outputs: int

    @property
    def weights(self) -> int:
        return self.inputs * self.outputs


@dataclass(frozen=True)
class ModelShape:
    """A decoder's sizes. `linears` are those of one layer; `other` counts embeddings, norms and biases of all.

    `assumed` says where the shape is from if the model itself is not there to be asked.
    """

    hidden: int
    intermediate: int
    layers: int
    query_size: int
    kv_size: int
    vocab: int
    tied: bool
    norms: int
    linears: tuple[Linear, ...]
    other: int
    assumed: str = ""

    @property
    def head(self) -> Linear:
        return Linear("head", self.hidden, self.vocab)

    @property
    def linear_weights(self) -> int:
        """Weights of all decoder layers' linears: what is quantized, and what a token's cost depends on."""
        return self.layers * sum(linear.weights for linear in self.linears)

    @property
    def parameters(self) -> int:
        return self.linear_weights + self.other + (0 if self.tied else self.head.weights)

    def lora_parameters(self, rank: int, preset: str) -> int:
        """Trained parameters of an adapter: A [rank, in] and B [out, rank] of every adapted layer."""
        kinds = PRESET_KINDS[preset]
        per_layer = sum(linear.inputs + linear.outputs for linear in self.linears if linear.kind in kinds)
        head = self.head.inputs + self.head.outputs if "head" in kinds else 0
        return rank * (self.layers * per_layer + head)


def shape_of(name: str) -> ModelShape:
    """The shape of a base model that is on this machine (a directory, a GGUF file or package, a cached hub model), or
    in `KNOWN`.

    Raises:
        ModelError: it is neither here nor known, or of an architecture that is not.
    """
    directory = local_directory(name)
    if directory is not None:
        try:
            tree = json.loads((directory / "config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ModelError(f"base_model {name!r}: cannot read {directory / 'config.json'}: {error}") from error
        return shape_of_config(tree, name)
    pieces = _gguf_pieces(name)
    if not pieces:
        if known := _known_shape(name):
            return known
        raise ModelError(
            f"base_model {name!r} is not on this machine, so its size is not known; "
            "download it, or say how many parameters it has, e.g. --parameters 8e9"
        )
    with joined(pieces, ensure_dir(cache_dir() / "models", OTHER_CACHE)) as gguf:
        return shape_of_config(_gguf_config(gguf), name)


def is_local(name: str) -> bool:
    """Whether `name` is a package, a file or a directory here, and so needs no download."""
    return name.startswith("package:") or name.endswith(".gguf") or Path(name).expanduser().is_dir()


def local_directory(name: str) -> Path | None:
    """Where config.json and the tokenizer of `name` lie: its own directory, or the cache of converted or hub models.

    Raises:
        ModelError: `name` is a package that is not installed, or nothing that a model could be called.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    pieces = _gguf_pieces(name)
    if pieces:
        converted = converted_directory(digest_of(pieces))
        return converted if (converted / "config.json").is_file() else None
    if path.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1 or path.suffix == ".gguf":
        raise ModelError(f"base_model {name!r}: there is no such directory or .gguf file")
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(name, "config.json")
    except HFValidationError as error:
        raise ModelError(
            f"base_model {name!r} is neither a directory, a .gguf file, package:NAME nor a hub id: {error}"
        ) from error
    return Path(found).parent if isinstance(found, str) else None


def _gguf_pieces(name: str) -> list[Path]:
    if name.startswith("package:"):
        return gguf_in_package(name.removeprefix("package:"))
    path = Path(name).expanduser()
    return [path] if path.suffix == ".gguf" and path.is_file() else []


def shape_of_config(tree: Mapping[str, Any], name: str) -> ModelShape:
    """The shape that a Transformers config.json describes.

    Raises:
        ModelError: the architecture is not one of `FAMILIES`, or a size is missing.
    """
    text: Mapping[str, Any] = tree.get("text_config") or tree
    kind = text.get("model_type", "")
    family = FAMILIES.get(kind)
    if family is None:
        raise ModelError(
            f"base_model {name!r}: sizes of the architecture {kind!r} are not known here (known: "
            f"{', '.join(FAMILIES)}); give --parameters, e.g. --parameters 8e9, for an estimate"
        )
    try:
        heads = int(text["num_attention_heads"])
        hidden, intermediate = int(text["hidden_size"]), int(text["intermediate_size"])
        layers, vocab = int(text["num_hidden_layers"]), int(text["vocab_size"])
        kv_heads = int(text.get("num_key_value_heads") or heads)
        head_dim = int(text.get("head_dim") or hidden // heads)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"base_model {name!r}: its config.json lacks a usable {error}") from error
    linears = _linears(family, hidden, intermediate, heads * head_dim, kv_heads * head_dim)
    norms = family.norms * hidden + (2 * head_dim if family.head_norms else 0)
    biases = _biases(text, family, hidden, intermediate, heads * head_dim, kv_heads * head_dim)
    return ModelShape(
        hidden=hidden,
        intermediate=intermediate,
        layers=layers,
        query_size=heads * head_dim,
        kv_size=kv_heads * head_dim,
        vocab=vocab,
        tied=bool(text.get("tie_word_embeddings", tree.get("tie_word_embeddings", family.tied))),
        norms=family.norms,
        linears=linears,
        other=vocab * hidden + layers * (norms + biases) + hidden,
    )


def _known_shape(name: str) -> ModelShape | None:
    short = name.rsplit("/", 1)[-1].lower()
    key = next((key for key in KNOWN if f"-{key}-" in f"-{short}-"), None)
    if key is None:
        return None
    names = ("model_type", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
    more = ("num_key_value_heads", "head_dim", "vocab_size", "tie_word_embeddings")
    shape = shape_of_config(dict(zip((*names, *more), KNOWN[key], strict=True)), name)
    return replace(shape, assumed=words.FROM_TABLE(model=key))


def _linears(family: Family, hidden: int, intermediate: int, query: int, kv: int) -> tuple[Linear, ...]:
    out, down = Linear("attention", query, hidden), Linear("mlp", intermediate, hidden)
    if family.fused:
        qkv, gate_up = Linear("attention", hidden, query + 2 * kv), Linear("mlp", hidden, 2 * intermediate)
        return qkv, out, gate_up, down
    q, k, gate = (
        Linear("attention", hidden, query),
        Linear("attention", hidden, kv),
        Linear("mlp", hidden, intermediate),
    )
    return q, k, k, out, gate, gate, down


def _biases(text: Mapping[str, Any], family: Family, hidden: int, intermediate: int, query: int, kv: int) -> int:
    """Biases of one layer."""
    attention = query + 2 * kv if family.qkv_bias else query + 2 * kv + hidden if text.get("attention_bias") else 0
    return attention + (2 * intermediate + hidden if text.get("mlp_bias") else 0)


def _gguf_config(gguf: Path) -> dict[str, Any]:
    """What a GGUF header says, under the names of config.json."""
    from gguf import GGUFReader

    try:
        reader = GGUFReader(str(gguf))
        fields = {key: f.contents() for key, f in reader.fields.items() if not key.startswith("tokenizer.")}
        names = {tensor.name: tensor.shape.tolist() for tensor in reader.tensors}
        kind = str(fields["general.architecture"])
        hidden = fields[f"{kind}.embedding_length"]
        return {
            "model_type": GGUF_NAMES.get(kind, kind),
            "hidden_size": hidden,
            "intermediate_size": fields[f"{kind}.feed_forward_length"],
            "num_hidden_layers": fields[f"{kind}.block_count"],
            "num_attention_heads": fields[f"{kind}.attention.head_count"],
            "num_key_value_heads": fields.get(f"{kind}.attention.head_count_kv"),
            "head_dim": fields.get(f"{kind}.attention.key_length"),
            "vocab_size": max(names["token_embd.weight"]) if hidden in names["token_embd.weight"] else 0,
            "tie_word_embeddings": "output.weight" not in names,
        }
    except (KeyError, ValueError, IndexError, OSError) as error:
        raise ModelError(f"cannot read the header of the GGUF file {gguf.name}: {error}") from error


def assumed_shape(parameters: float) -> ModelShape:
    """A Llama-3-like shape of about `parameters` weights, for a model that is not on this machine.

    128 hidden units a layer, an MLP of 3.5 times the hidden size, 4 query heads a key-value head, 128,256 tokens, a
    head of its own from 4 billion parameters: 32 layers of 4,096 for 8 billion, as Llama 3 has.

    Raises:
        ModelError: not a number of parameters that a language model has.
    """
    if not 1e6 <= parameters <= 2e12:
        raise ModelError(f"--parameters {parameters:g}: between 1e6 and 2e12 are meant, such as 8e9")
    tied = parameters < 4e9
    candidates = (_llama_like(hidden, tied) for hidden in range(128, 32768, 128))
    nearest = min(candidates, key=lambda shape: abs(shape.parameters - parameters))
    return replace(nearest, assumed=words.LLAMA_LIKE(billions=nearest.parameters / 1e9))


def _llama_like(hidden: int, tied: bool) -> ModelShape:
    heads = max(4, hidden // 128)
    tree = {
        "model_type": "llama",
        "hidden_size": hidden,
        "intermediate_size": 7 * hidden // 2,
        "num_hidden_layers": max(1, hidden // 128),
        "num_attention_heads": heads,
        "num_key_value_heads": max(1, heads // 4),
        "head_dim": hidden // heads,
        "vocab_size": 128_256,
        "tie_word_embeddings": tied,
    }
    return shape_of_config(tree, "assumed")
