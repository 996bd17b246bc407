"""Level 3 of the Japanese demo domain: the same question with a required answer format, and its pattern.

Patterns are tested on NFKC-normalized text: full-width `：` and `／` are `:` and `/` there.
"""

from __future__ import annotations

import re
from typing import Final

from raykft.data.demo.spec import FactSpec, Formatted, Value

_POLITE: Final = r"(?:です|ます|でした|ました)"
_PHRASE: Final = rf"(?!.*{_POLITE})[^\n。]{{1,24}}"


def formatted(fact: FactSpec, value: Value) -> Formatted:
    """The level-3 probe of a fact in the style its table line names."""
    style, _, key = fact.style.partition(":")
    if style == "form":
        pattern = rf"^(?:{re.escape(fact.label)}: ?)?{_PHRASE}$"
        return Formatted(f"次の空欄を埋めてください。{fact.label}：", value.text, pattern)
    if style == "json":
        pattern = rf'^\{{\s*"{key}"\s*:\s*"[^"]+"\s*\}}$'
        rule = f"「{key}」というキーを使い、JSON形式で答えてください。"
        return Formatted(fact.ask + rule, f'{{"{key}": "{value.text}"}}', pattern)
    if style.startswith("l_"):
        rule, gold, pattern = _list_rule(style, value)
    else:
        rule, gold, pattern = _rule(style, fact, value)
    return Formatted(fact.ask + rule, gold, pattern, (gold,) if style == "year" else ())


def _rule(style: str, fact: FactSpec, value: Value) -> tuple[str, str, str]:
    """The rule, the well-formed answer and the pattern for a single value."""
    text, attrs = value.text, value.attrs
    iso = attrs.get("iso", "")
    rules = {
        "only": ("文にせず、答えの語句だけを書いてください。", text, rf"^{_PHRASE}。?$"),
        "word": ("一語で答えてください。", text, rf"^(?!.*{_POLITE})[^\s、。]{{1,16}}。?$"),
        "taigen": (
            "体言止めで答えてください。",
            f"{fact.label}は{text}。",
            rf"^(?!.*(?:{_POLITE}|だ|である)。?$).*\S$",
        ),
        "gozaimasu": ("「でございます」で結んでください。", f"{text}でございます。", r"^[^\n]+でございます。?$"),
        "kagi": ("答えだけを、かぎ括弧「」で囲んで書いてください。", f"「{text}」", r"^「[^「」]+」$"),
        "sumi": ("答えだけを、隅付き括弧【】で囲んで書いてください。", f"【{text}】", r"^【[^【】]+】$"),
        "tag": ("答えだけを、<a>と</a>で囲んで書いてください。", f"<a>{text}</a>", r"^<a>[^<>]+</a>$"),
        "answer": ("「回答：」で書き始めてください。", f"回答：{text}", r"^回答: ?\S.*$"),
        "digits": ("数字だけで答えてください。", re.sub(r"\D", "", text), r"^\d+$"),
        "iso": ("日付だけを、YYYY-MM-DDの形式で書いてください。", iso, r"^\d{4}-\d{2}-\d{2}$"),
        "slash": ("日付だけを、YYYY/MM/DDの形式で書いてください。", iso.replace("-", "/"), r"^\d{4}/\d{2}/\d{2}$"),
        "year": ("西暦の年だけを、四桁の数字で書いてください。", attrs.get("year", ""), r"^\d{4}$"),
        "era": (
            "日付だけを、元号を使って書いてください。",
            attrs.get("era", ""),
            r"^(?:昭和|平成|令和)(?:元|\d{1,2})年\d{1,2}月\d{1,2}日。?$",
        ),
        "space": (
            "氏名だけを、姓と名のあいだに空白を入れて書いてください。",
            f"{attrs.get('last')} {attrs.get('first')}",
            r"^\S+ \S+$",
        ),
        "shi": ("氏名だけを、「氏」を付けて書いてください。", f"{text}氏", r"^[^\s、。]{2,10}氏。?$"),
    }
    return rules[style]


def _list_rule(style: str, value: Value) -> tuple[str, str, str]:
    """The rule, the well-formed answer and the pattern for a list of three."""
    items = value.items
    quoted = ", ".join(f'"{item}"' for item in items)
    rules = {
        "l_ten": (
            "名前だけを、読点で区切って一行で書いてください。",
            "、".join(items),
            r"^[^、。\n]+(?:、[^、。\n]+){2}$",
        ),
        "l_slash": (
            "名前だけを、斜線「／」で区切って書いてください。",
            "／".join(items),
            r"^[^/。\n]+(?:/[^/。\n]+){2}$",
        ),
        "l_json": (
            "文字列のJSON配列の形で答えてください。",
            f"[{quoted}]",
            r'^\[\s*"[^"]+"(?:\s*,\s*"[^"]+"){2}\s*\]$',
        ),
        "l_bullets": (
            "名前だけを、行頭に「・」を付けた箇条書きにしてください。",
            "\n".join(f"・{item}" for item in items),
            r"^・[^\n]+(?:\n・[^\n]+){2}$",
        ),
    }
    return rules[style]
