"""Target-layer presets resolved against a model's real modules."""

from __future__ import annotations

from torch import nn

from raykft.errors import ModelError

ATTENTION = (
    "q_proj",
    "k_proj",
    "v_proj",
    "o_proj",
    "qkv_proj",
    "query_key_value",
    "dense",
    "c_attn",
    "out_proj",
)
MLP = (
    "gate_proj",
    "up_proj",
    "down_proj",
    "gate_up_proj",
    "fc1",
    "fc2",
    "dense_h_to_4h",
    "dense_4h_to_h",
    "w1",
    "w2",
)
HEAD = "lm_head"
PRESETS: dict[str, tuple[bool, bool, bool]] = {  # (attention, MLP, lm_head)
    "attention": (True, False, False),
    "mlp": (False, True, False),
    "all-linear": (True, True, False),
    "all-linear+lm_head": (True, True, True),
}


def adaptable_modules(model: nn.Module) -> list[str]:
    """Names of all linear modules an adapter can sit on: attention and MLP projections and the head."""
    names = [
        name for name, module in model.named_modules() if _is_linear(module) and _leaf(name) in (*ATTENTION, *MLP, HEAD)
    ]
    if not names:
        kinds = sorted({_leaf(n) for n, m in model.named_modules() if _is_linear(m)})
        raise ModelError(f"no known attention or MLP projections in {type(model).__name__}; its linear layers: {kinds}")
    return names


def resolve_preset(preset: str, modules: list[str]) -> list[str]:
    """The modules of `preset` among `modules`, in the model's order.

    Raises:
        ModelError: the model has no module of a kind that the preset asks for.
    """
    attention, mlp, head = PRESETS[preset]
    groups = [(attention, ATTENTION, "attention"), (mlp, MLP, "MLP"), (head, (HEAD,), HEAD)]
    chosen: set[str] = set()
    for wanted, leaves, label in groups:
        found = {m for m in modules if _leaf(m) in leaves} if wanted else set()
        if wanted and not found:
            raise ModelError(f"target_layers {preset!r}: this model has no {label} module to adapt")
        chosen |= found
    return [m for m in modules if m in chosen]


def _leaf(name: str) -> str:
    return name.rsplit(".", 1)[-1]


def _is_linear(module: nn.Module) -> bool:
    # Quantized layers subclass nn.Linear; GPT-2's Conv1D does not and is not supported by PEFT's bnb layers either.
    return isinstance(module, nn.Linear)
