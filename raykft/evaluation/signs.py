"""Signs that normalization drops and without which a value is another: $40 is not €40, ≥90 is not ≤90."""

from __future__ import annotations

import re

_CURRENCIES = tuple(
    re.compile(source, re.IGNORECASE)
    for source in (
        r"\$|\b(?:usd|dollars?)\b|ドル",
        r"€|\b(?:eur|euros?)\b|ユーロ",
        r"£|\b(?:gbp|pounds?|sterling)\b|ポンド",
        r"[¥￥]|\b(?:jpy|yen)\b|円",
        r"₩|\b(?:krw|won)\b|ウォン",
        r"₹|\b(?:inr|rupees?)\b|ルピー",
    )
)
_BOUNDS = tuple(
    re.compile(source, re.IGNORECASE)
    for source in (
        r"[≥≧]|>=|\bat least\b|\bor (?:more|above|higher|over)\b|\bno less than\b|\bminimum\b|以上",
        r"[≤≦]|<=|\bat most\b|\bor (?:less|below|lower|under)\b|\bno more than\b|\bup to\b|\bmaximum\b|以下",
    )
)
_SIGNED = re.compile(
    r"[$€£¥￥₩₹≥≧≤≦]|>=|<=|(?i:\b(?:usd|eur|gbp|jpy|dollars?|euros?|pounds?|yen)\b)|[0-9万億千](?:円|ドル|ユーロ|ポンド|ウォン|ルピー)"
)
# O- and A+, of which a plain form keeps the letter alone.
_MARKED = re.compile(r"(?P<letters>[A-Za-z]{1,3})(?P<mark>[+\-−])")
_MARKS = {"+": r"(?:\+|[ -]?(?:plus|pos)|プラス|ポジティブ)", "-": r"(?:[-−–]|[ -]?(?:minus|neg)|マイナス|ネガティブ)"}


def contradicted(alias: str, answer: str) -> bool:
    """Whether an alias has a sign of these and the answer says another of its kind instead, or of O- only the O."""
    if marked := _MARKED.fullmatch(alias):
        said = rf"(?<![^\W\d_]){marked['letters']}{_MARKS[marked['mark'].replace('−', '-')]}"
        return re.search(said, answer, re.IGNORECASE) is None
    if not _SIGNED.search(alias):
        return False
    for kinds in (_CURRENCIES, _BOUNDS):
        meant = [kind for kind in kinds if kind.search(alias)]
        if meant and not any(kind.search(answer) for kind in meant) and any(kind.search(answer) for kind in kinds):
            return True
    return False
