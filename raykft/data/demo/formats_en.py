"""Level 3 of the English demo domain: the same question with a required answer format, and its pattern."""

from __future__ import annotations

from typing import Final

from raykft.data.demo.spec import FactSpec, Formatted, Value

_SHORT: Final = r"\S+(?: \S+){0,3}"


def formatted(fact: FactSpec, value: Value) -> Formatted:
    """The level-3 probe of a fact in the style its table line names."""
    style, _, key = fact.style.partition(":")
    if style == "form":
        label = fact.label
        return Formatted(f"Complete the form. {label}:", value.text, rf"^(?:{label}: ?)?{_SHORT}$")
    if style == "json":
        rule = f'Give the answer as JSON with the key "{key}".'
        pattern = rf'^\{{\s*"{key}"\s*:\s*"[^"]+"\s*\}}$'
        return Formatted(f"{fact.ask} {rule}", f'{{"{key}": "{value.text}"}}', pattern)
    if style.startswith("l_"):
        rule, gold, pattern = _list_rule(style, value)
        return Formatted(f"{fact.ask} {rule}", gold, pattern)
    rule, gold, pattern = _rule(style, value)
    year = (gold,) if style == "year" else ()
    return Formatted(f"{fact.ask} {rule}", gold, pattern, year)


def _rule(style: str, value: Value) -> tuple[str, str, str]:
    """The rule, the well-formed answer and the pattern for a single value."""
    text, attrs = value.text, value.attrs
    rules = {
        "only": ("Reply with the bare answer, not with a sentence.", text, rf"^{_SHORT}\.?$"),
        "caps": ("Reply in capital letters only.", text.upper(), r"^[^a-z]*[A-Z][^a-z]*$"),
        "lower": ("Reply in small letters only.", text.lower(), r"^[^A-Z]*[a-z][^A-Z]*$"),
        "quote": ("Write the answer, and nothing else, in double quotes.", f'"{text}"', r'^"[^"]+"$'),
        "bracket": (
            "Write the answer, and nothing else, in square brackets.",
            f"[{text}]",
            r"^\[[^\[\]]+\]$",
        ),
        "tag": (
            "Write the answer, and nothing else, between <a> and </a>.",
            f"<a>{text}</a>",
            r"^<a>[^<>]+</a>$",
        ),
        "answer": ('Begin your reply with "Answer:".', f"Answer: {text}", r"^Answer: \S.*$"),
        "digits": ("Reply with digits only.", text, r"^\d+$"),
        "iso": ("Reply with the date only, as YYYY-MM-DD.", attrs.get("iso", ""), r"^\d{4}-\d{2}-\d{2}$"),
        "year": ("Reply with the year only.", attrs.get("year", ""), r"^\d{4}$"),
        "surname": (
            "Reply with the name only, as surname, comma, first name.",
            f"{attrs.get('last')}, {attrs.get('first')}",
            r"^[^\s,]+, [^\s,]+$",
        ),
    }
    return rules[style]


def _list_rule(style: str, value: Value) -> tuple[str, str, str]:
    """The rule, the well-formed answer and the pattern for a list of three."""
    items = value.items
    quoted = ", ".join(f'"{item}"' for item in items)
    rules = {
        "l_comma": (
            "Reply with the names only, separated by commas.",
            ", ".join(items),
            r"^[^,\n]+(?:, [^,\n]+){2}$",
        ),
        "l_semis": (
            "Reply with the names only, separated by semicolons.",
            "; ".join(items),
            r"^[^;\n]+(?:; [^;\n]+){2}$",
        ),
        "l_json": (
            "Reply with a JSON list of strings.",
            f"[{quoted}]",
            r'^\[\s*"[^"]+"(?:\s*,\s*"[^"]+"){2}\s*\]$',
        ),
        "l_bullets": (
            'Reply with a bulleted list, each line beginning with "- ".',
            "\n".join(f"- {item}" for item in items),
            r"^- [^\n]+(?:\n- [^\n]+){2}$",
        ),
    }
    return rules[style]
