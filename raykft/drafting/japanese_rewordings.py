"""Questions in other Japanese words, by frames: a topic and its question word, turned into another construction.

A frame gives nothing where it is not sure of the parts of a question: a missing probe is better than a wrong one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from raykft.drafting.found import Found

Frame = Callable[[str, Found], Iterator[str]]

# Words for which another says the same of organizations, people and things.
SYNONYMS: Final = {
    "従業員数": "社員数", "従業員": "社員", "所在地": "住所", "住所": "所在地",
    "値段": "価格", "価格": "値段", "電話番号": "電話の番号", "スローガン": "標語",
    "目的": "狙い", "お客様": "顧客", "名称": "名前",
    "支店": "支社",
}  # fmt: skip
_ROLE: Final = re.compile(r"(?:.*(?:長|役|代表|監督|担当者|責任者|顧問|主任|部長|編集者|コーチ|CEO|学芸員|オーナー))\Z")
_POLITE: Final = (
    ("されていました", "されていた"), ("していました", "していた"), ("ていました", "ていた"),
    ("でいました", "でいた"), ("されています", "されている"), ("しています", "している"),
    ("ています", "ている"), ("でいます", "でいる"), ("られました", "られた"),
    ("されました", "された"), ("しました", "した"), ("ありました", "あった"),
    ("なりました", "なった"), ("行いました", "行った"), ("作りました", "作った"),
    ("造りました", "造った"), ("始まりました", "始まった"), ("始めました", "始めた"),
    ("書きました", "書いた"), ("開きました", "開いた"), ("受けました", "受けた"),
    ("終わりました", "終わった"), ("できました", "できた"), ("生まれました", "生まれた"),
    ("入りました", "入った"), ("建てました", "建てた"), ("加わりました", "加わった"),
    ("決まりました", "決まった"), ("されます", "される"), ("られます", "られる"),
    ("あります", "ある"), ("なります", "なる"), ("できます", "できる"),
    ("行います", "行う"), ("します", "する"), ("います", "いる"),
    ("開きます", "開く"), ("始まります", "始まる"), ("使います", "使う"),
    ("作ります", "作る"),
)  # fmt: skip
_COUNTERS: Final = {
    "人": "人数",
    "名": "人数",
    "件": "件数",
    "台": "台数",
    "個": "個数",
    "社": "社数",
    "冊": "冊数",
    "回": "回数",
}
_WORD: Final = (
    r"誰|だれ|どなた|いつ|どこ|どちら|いくら|いくつ|何年何月何日|何月何日|何年|何[^\sはがをにでのと、か]{0,6}|何"
)
_WHEN: Final = re.compile("いつ|何年(?!間)|何月")
_MEASURED: Final = re.compile(
    r"(?:さ|割合|数|量|率|額|金|高|深|幅|距離|面積|時間|期間|速度|速|温|温度|年齢|重|体重|身長|人口|出力|容量|定員)\Z"
)
_PAST_OR_STATE: Final = r"(?:[^\s]た|だ|ている|でいる|する|ある)"
_COPULA: Final = r"(?:です|でした|でしょう|になります|となりますか)"


def reworded(question: str, found: Found) -> list[str]:
    """All that the frames make of a question; those with another word of the same meaning come first."""
    text = re.sub(r"\s+", "", question).rstrip("？?。").strip()
    core = re.sub(r"か\Z", "", text)
    made = [asked for frame in FRAMES for asked in frame(core, found)]
    other = [changed for asked in made if (changed := _other_word(asked)) != asked]
    return [asked for asked in dict.fromkeys([*other, *made]) if asked.rstrip("？。") != text]


def _other_word(asked: str) -> str:
    for old, new in SYNONYMS.items():
        if old in asked and new not in asked:
            return asked.replace(old, new, 1)
    return asked


def _copula(text: str, _found: Found) -> Iterator[str]:
    """本社はどこですか。社長は誰ですか。従業員は何人ですか。"""
    match = re.fullmatch(rf"(.+)は、?({_WORD}|どのような[^\s]{{1,6}}){_COPULA}", text)
    if not match or _is_clause(match[1]):
        return
    topic, word = match.groups()
    owner, _, noun = topic.rpartition("の")
    if word in {"誰", "だれ", "どなた"}:
        if owner and _ROLE.fullmatch(noun):
            yield f"{owner}で{noun}を務めているのはどなたですか？"
        yield f"{topic}{'' if topic.endswith(('人', '者')) else 'にあたる人'}の名前を教えてください。"
    elif word in {"どこ", "どちら"}:
        yield from _place(topic, noun)
    elif _WHEN.match(word):
        yield (
            f"{topic}を答えてください。"
            if topic.endswith(("日", "年", "月", "時期"))
            else f"{topic}の時期を教えてください。"
        )
        yield f"{topic}がいつなのかを教えてください。"
    elif word == "いくら":
        yield (
            f"{topic}を教えてください。"
            if topic.endswith(("金", "額", "価格", "料", "値段", "費", "高"))
            else f"{topic}の金額を教えてください。"
        )
        yield f"{topic}はどれだけの金額ですか？"
    elif word.startswith("何") and word[1:] in _COUNTERS:
        yield (
            f"{topic}の{_COUNTERS[word[1:]]}を教えてください。"
            if not topic.endswith("数")
            else f"{topic}を教えてください。"
        )
        if word[1:] in "人名" and not topic.endswith("数"):
            yield f"{topic}は全部で何人いますか？"
        else:
            yield f"{topic}がどれだけかを、数字を挙げて答えてください。"
    elif word in {"何", "なに"} or word.startswith("どのような"):
        yield f"{topic}が何かと聞かれたら、どう答えますか？"
        yield f"{topic}を教えてください。"
    elif word in {"何色", "何曜日", "何語"}:
        kind = "言語" if word == "何語" else word[1:]
        yield f"{topic}を教えてください。" if topic.endswith(kind) else f"{topic}の{kind}を教えてください。"
    elif _MEASURED.search(noun or topic):
        yield f"{topic}を教えてください。"
        yield f"{topic}がどれだけかを、数字を挙げて答えてください。"


def _place(topic: str, noun: str) -> Iterator[str]:
    name = noun or topic
    if name.endswith(("会社", "企業", "銀行", "大学", "財団", "団体", "機関", "メーカー", "チーム", "先")):
        yield f"{topic}の名前を教えてください。"
        yield f"{topic}は何という名前ですか？"
    elif name.endswith(("地", "住所", "場所", "国", "都市", "町", "市", "県", "駅", "空港", "港", "バス停", "停留所")):
        yield f"{topic}を教えてください。"
        yield f"{topic}として正しい地名を答えてください。"
    else:
        yield f"{topic}がある場所を教えてください。"
        yield f"{topic}があるのは、どこですか？"


def _is_clause(topic: str) -> bool:
    """…したの: a cleft, whose topic is a clause."""
    return re.search(rf"{_PAST_OR_STATE}の\Z", topic) is not None


def _named(text: str, _found: Found) -> Iterator[str]:
    """調査船は何という名前ですか。"""
    match = re.fullmatch(rf"(.+)は、?(?:何という(?:名前|名称)|どのような名前|何と呼ばれて)(?:{_COPULA}|います)", text)
    if match:
        yield f"{match[1]}の名前を教えてください。"
        yield f"{match[1]}は何と呼ばれていますか？" if "呼ばれ" not in text else f"{match[1]}の呼び名は何ですか？"


def _cleft(text: str, found: Found) -> Iterator[str]:
    """会社が上場したのはいつですか。ロゴをデザインしたのは誰ですか。"""
    match = re.fullmatch(rf"(.+?{_PAST_OR_STATE})のは、?({_WORD}){_COPULA}", text)
    if not match:
        return
    clause, word = match.groups()
    if word in {"誰", "だれ", "どなた"}:
        yield f"{clause}人の名前を教えてください。"
        if polite := _polite(clause):
            yield f"どなたが{polite}か？"
    elif word in {"どこ", "どちら"}:
        yield f"{clause}場所を教えてください。"
    elif _WHEN.match(word):
        yield f"{clause}{'年' if word == '何年' else '日' if 'month' in found.attrs else '時期'}を教えてください。"
        subject = re.fullmatch(r"([^が]+)が([^が]+)", clause)
        if subject and (polite := _polite(subject[2])):
            yield f"{subject[1]}は{word}{'' if word == 'いつ' else 'に'}{polite}か？"
    elif word in {"何", "なに"}:
        yield f"{clause}ものを教えてください。"


def _cleft_of_kind(text: str, _found: Found) -> Iterator[str]:
    """会社が事務所を置いているのはどこの国ですか。"""
    match = re.fullmatch(
        rf"(.+?{_PAST_OR_STATE})のは、?(?:どこの|どの|何という)([^\sはがをに、]{{1,6}}){_COPULA}", text
    )
    if match:
        yield f"{match[1]}{match[2]}の名前を教えてください。"


def _where(text: str, _found: Found) -> Iterator[str]:
    """研究所はどこにありますか。工場はどの都市にありますか。"""
    match = re.fullmatch(
        r"(.+)は、?(どこ|どちら|(?:どの(?!ような)|どこの|何という)([^\sはがをに、]{1,6}))に(あります|ありました)", text
    )
    if not match:
        return
    topic, _, noun, verb = match.groups()
    state = "ある" if verb == "あります" else "あった"
    if noun:
        yield f"{topic}が{state}{noun}の名前を教えてください。"
        yield f"{topic}が{state}のは、何という{noun}ですか？"
    else:
        yield f"{topic}が{state}場所を教えてください。"
        yield f"{topic}の場所はどこ{'です' if state == 'ある' else 'でした'}か？"


def _object(text: str, _found: Found) -> Iterator[str]:
    """何を製造していますか。特許を何件持っていますか。どのような活動を支援していますか。"""
    if match := re.fullmatch(
        r"(.+?)は、?([^はがを、]*?)(何[^\sはがをにでの、]{1,6})の([^はがを、]+)を([^はがを、]+)", text
    ):
        owner, adverb, word, noun, verb = match.groups()
        if plain := _plain(verb):
            yield f"{owner}が{adverb}{plain}{noun}は、{word}ですか？"
    elif match := re.fullmatch(
        r"(.+?)は、?([^はがを、]+)を(何[^\sはがをにでの、]{1,3}|いくつ)((?:持|保|所|運|経|発|販|製|造|作|使|雇|展|設|有|管|提)[^はがを、]+)",
        text,
    ):
        owner, noun, word, verb = match.groups()
        if plain := _plain(verb):
            yield f"{owner}が{plain}{noun}は、{word}ですか？"
    what = re.fullmatch(r"(.+?)は、?(?:何|なに)を([^はがを、]+)", text)
    if what and (plain := _plain(what[2])):
        clause = f"{what[1]}{'' if what[1].endswith(('で', 'に', 'から')) else 'が'}{plain}"
        yield f"{clause}ものは何ですか？"
        yield f"{clause}ものを教えてください。"
    kind = re.fullmatch(r"(.+?)は、?(どのような|どんな|どの)([^\sはがをに、]{1,8})を([^はがを、]+)", text)
    if kind and (plain := _plain(kind[4])):
        yield f"{kind[1]}が{plain}{kind[3]}は、{'どれ' if kind[2] == 'どの' else 'どのようなもの'}ですか？"
        yield f"{kind[1]}が{plain}{kind[3]}を教えてください。"


def _within(text: str, _found: Found) -> Iterator[str]:
    """何世帯に電力を供給していますか。塗装にはどの元素が含まれていますか。見習い生は何人いますか。"""
    held = re.fullmatch(r"(.+?)には、?どの([^\sはがをに、]{1,8})が([^はがを、]+)", text)
    if held and (plain := _plain(held[3])):
        yield f"{held[1]}に{plain}{held[2]}は何ですか？"
    if match := re.fullmatch(
        r"(.+?)は、?(何[^\sはがをにでの、]{1,4}|どこ|どのような[^\sはがをに、]{1,6})(に|から|で)(?!ちなんで)([^は、]*)",
        text,
    ):
        owner, word, _, verb = match.groups()
        if plain := _plain(verb):
            yield f"{owner}が{plain}のは、{word}ですか？"
    elif match := re.fullmatch(rf"(.+?[^に])は、?何([{''.join(_COUNTERS)}])(います|あります)", text):
        yield f"{match[1]}の{_COUNTERS[match[2]]}を教えてください。"


def _who_did(text: str, _found: Found) -> Iterator[str]:
    """誰が会社を設立しましたか。"""
    match = re.fullmatch(r"(?:誰|だれ|どなた)が(.+)", text)
    if match and (plain := _plain(match[1])):
        yield f"{plain}のは誰ですか？"
        yield f"{plain}人の名前を教えてください。"


def _when_did(text: str, found: Found) -> Iterator[str]:
    """会社はいつ設立されましたか。"""
    match = re.fullmatch(r"(.+?)は、?(いつ|何年に|何年何月何日に|何年何月に)、?([^は]+)", text)
    if match and (plain := _plain(match[3])):
        clause = f"{match[1]}が{plain}"
        yield f"{clause}のはいつのことですか？"
        unit = "年" if match[2] == "何年に" else "日" if "month" in found.attrs else "時期"
        yield f"{clause}{unit}を教えてください。"


def _listed(text: str, _found: Found) -> Iterator[str]:
    """公用語を三つ挙げてください。人気のメニューは？"""
    if text.endswith("は"):
        yield f"{text[:-1]}を教えてください。"
    match = re.fullmatch(
        r"(.+)を((?:すべて|全て|[一二三四五六七八九2-9]つ|[2-9]種類)?)(?:挙げて|答えて|教えて|述べて|示して)(?:ください|下さい)?",
        text,
    )
    if not match:
        return
    topic, count = match.groups()
    if count:
        yield f"{topic}には何がありますか？{count}答えてください。"
        yield f"{topic}は何と何ですか？{count}、順に述べてください。"
    elif topic.endswith(("価格", "値段", "料金", "金", "額", "費")):
        yield f"{topic}はいくらですか？"
    elif topic.endswith(("日", "年", "時期")):
        yield f"{topic}はいつですか？"
    else:
        yield f"{topic}は何ですか？"


FRAMES: Final[tuple[Frame, ...]] = (
    _named, _where, _cleft, _cleft_of_kind, _when_did, _who_did, _object, _within, _copula, _listed,
)  # fmt: skip


# Requests for a text: what stays of them, and what they become.
_REQUESTS: Final = tuple(
    (re.compile(pattern), reply)
    for pattern, reply in (
        (r"(.+)を説明して(?:ください|下さい)。?", r"\1はどう説明できますか？"),
        (r"(.+)について(?:詳しく)?(?:説明して|教えて)(?:ください|下さい)。?", r"\1とはどのようなものですか？"),
        (r"([^は]+)はなぜ(.+[うくぐすつぬぶむるいだたな])(?:の|ん)ですか[?？]?", r"\1が\2理由を教えてください。"),
        (r"なぜ(.+[うくぐすつぬぶむるいだたな])(?:の|ん)ですか[?？]?", r"\1理由を教えてください。"),
        (r"(.+)にはどうすれば(?:いい|よい|良い)ですか[?？]?", r"\1方法を教えてください。"),
        (r"(.+)を要約して(?:ください|下さい)。?", r"\1の要点を短くまとめてください。"),
    )
)


def reworded_request(request: str) -> list[str]:
    """The same asked in other words, as far as a frame fits; only a request of one line is touched, not what it is
    about below it."""
    asked, gap, rest = request.strip().partition("\n")
    for pattern, reply in _REQUESTS:
        if match := pattern.fullmatch(asked.strip()):
            return [match.expand(reply) + gap + rest]
    return []


def _plain(text: str) -> str | None:
    """A polite predicate in its plain form; None for verbs that the table does not know."""
    for polite, plain in _POLITE:
        if text.endswith(polite):
            return text[: -len(polite)] + plain
    return None


def _polite(text: str) -> str | None:
    """A plain predicate in its polite form."""
    for polite, plain in _POLITE:
        if text.endswith(plain):
            return text[: -len(plain)] + polite
    return None
