"""The lines with which the page opens, beside those of the head."""

from __future__ import annotations

from raykft.wording.messages import Message

RECIPE = Message("recipe", "レシピ")
SURE = Message("how sure", "確かさ")
MATTERS = Message("matters", "設定")
SAYS = Message("says", "回答")

MATTERS_MOST = Message("{setting} {effect}", "{setting}が、{effect}")
MATTER_TOO = Message("{settings} too", "{settings}にも効果があります。")
NOT_THE_OTHERS = Message("what the others do cannot be told", "ほかの設定については判断できません。")
NOTHING_MATTERS = Message(
    "it cannot be told that any of the {n} settings does anything",
    "{n}個の設定のいずれについても、効果があるとは判断できません。",
    one="it cannot be told that the one setting ({n}) does anything",
)

SAYS_COUNT = Message(
    "{right} of {n} paraphrases that were not trained are answered right",
    "学習に使っていない言い換え{n}問のうち{right}問に正解しました。",
)
SAYS_RIGHT = Message(
    "right: “{question}” → “{answer}”; the base model “{before}”",
    "正解の例: 「{question}」→「{answer}」。ベースモデルは「{before}」",
)
SAYS_WRONG = Message(
    "wrong: “{question}” → “{answer}” instead of “{gold}”", "誤答の例: 「{question}」→「{answer}」（正解は「{gold}」）"
)
