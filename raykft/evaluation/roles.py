"""Who or what an answer says is what was asked for: "the captain is Rhona Beck", 看板料理は鯛です.

The question names a role. Where an answer gives it to another value and never to the right one, or gives the right one
another role alone, the right one is not its answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

States = Callable[[str], bool]

_GAP = "\n"
_ROLE = re.compile(
    r"(?i:\b(?:(?:who|what|which(?: \w+)?)(?: is| was|['’]s) (?:the name of )?(?:the |a |an |[\w’' ]{2,40}?['’]s )?"
    r"|where (?:is|was) the )"
    r"(?:current |present |main )?)(?P<role>[a-z][a-z -]{2,40}?)(?= (?:of|at|in|to|for|on|from|called|that|which|who"
    r"|made)\b|\?|$)"
)
_WHICH = re.compile(r"(?i)\bwh(?:ich|at) (?P<role>[a-z]{3,20}(?: [a-z]{3,20})?) (?:is|was|does|did|do|has|are|were)\b")
# 運転手を務めたのは誰ですか
_JA_HELD = re.compile(r"(?:^|の)(?P<role>[^のはがを、]{2,8})を(?:[^、。をは]{0,8})?(?:務め|担当|担っ|つとめ)")
_GENERIC = frozenset(("name", "year", "date", "day", "month", "time", "number", "名前", "名", "年", "日", "こと"))
_CAP = r"[A-Z][\w’'-]{0,30}"
_NAME_BEFORE = rf"(?P<v>{_CAP}(?: (?:of |the )?{_CAP}){{0,4}})"
# What a role may be said to be without being named.
_NO_VALUE = re.compile(
    r"(?i)(?:well|very|quite|often|also|not|famous|known|called|located|based|served|made|named|said|believed"
    r"|considered"
    r"|one of|important|popular|available|good|great|small|large|old|new|part|always|usually|still|currently|now|there"
    r"|that|what|this|it|he|she|they|as|in|at|on|by|from|to|of|with|about|so|\w+(?:ed|ing|ous|ful|able|ible|ive)\b)\b"
)
_NAME = re.compile(r"(?:the )?[A-Z0-9]")
_BARE_NAME = re.compile(rf"(?:^|[.;\n])\W*(?:[Tt]he )?{_CAP}(?: {_CAP}){{0,4}}\W*(?=[.;\n]|$)")

_JA_ROLE = re.compile(
    r"(?:^|の|、|は)(?:現在の|今の|いまの)?(?P<role>[^のはがを、]{2,12})(?:の(?:お)?名前)?は(?:何|誰|だれ|どこ|どの|いつ|どれ|いくら|いくつ|どちら|どなた|なに|なん)"
)
_JA_NO_VALUE = re.compile(
    r"有名|人気|評判|好評|最高|絶品|不明|以下|下記|上記|こちら|これ|それ|次の|未定|とても|非常|名高|高い|良い|多い|重要|大切|自慢"
)
_JA_VERB_END = re.compile(r"(?:し|た|て|い|く|る|う|ず|れ|え|に|を|と)$")
# Posts: who holds another one than was asked for does not hold that.
_JA_POST = r"[\u3400-\u9fff\u30a1-\u30fc]{0,8}(?:長|頭|役|員|手|者|師|家|監督|マスター|担当|代表|顧問|主将|主任|副将)"
_JA_IS_POST = re.compile(rf"{_JA_POST}(?:先生)?")
_JA_OTHER_POST = re.compile(r"[副元前旧次]|名誉|補佐")
_JA_SAME_POST = (
    ("社長", "代表"),
    ("校長", "学校長"),
    ("店主", "主人", "オーナー", "店長"),
    ("創業者", "創立者", "創設者", "設立者", "開祖", "社長"),
    ("作者", "著者", "作家", "筆者"),
    ("主将", "キャプテン"),
    ("責任者", "担当", "代表", "リーダー"),
)


# Who did it, for questions that ask with a verb
_AGENTS = {
    "wrote": "author|writer",
    "written": "author|writer",
    "writes": "author|writer",
    "designed": "designer|architect",
    "founded": "founder",
    "leads": "leader|head|director|boss",
    "runs": "owner|manager|head|director",
    "painted": "painter",
    "composed": "composer",
    "invented": "inventor",
    "directed": "director",
    "built": "builder",
    "discovered": "discoverer",
    "manages": "manager",
    "owns": "owner",
    "chairs": "chair|chairman|chairwoman",
    "coaches": "coach",
}
_WHO_DID = re.compile(rf"(?i)\bwho (?P<verb>{'|'.join(_AGENTS)})\b")
_JA_WHO_DID = re.compile(
    r"(?P<verb>[\u3400-\u9fff]{1,3})[\u3041-\u3096]{0,3}[ただ](?:の|人)は(?:誰|だれ|どなた|どこ|何)"
)
_JA_AGENTS = {
    "書": "作者|著者|筆者|作家",
    "描": "作者|画家",
    "建": "建築者|建設者|建築主",
    "作": "作者|製作者",
    "率": "代表|リーダー",
}


@dataclass(frozen=True, slots=True)
class _Role:
    """A role and the forms in which it is given a value (group v)."""

    name: str  # a regular expression
    filled: tuple[re.Pattern[str], ...]
    is_english: bool


def without_other_roles(text: str, question: str, states: States, named: bool) -> str:
    """The text (NFKC) without the fact where another has the role, or the fact another role.

    `named` says that the fact is a name, so that no common noun can be its rival.
    """
    role = _role(question)
    if role is None:
        return text
    values = [match["v"].strip() for pattern in role.filled for match in pattern.finditer(text)]
    values = [value for value in values if _is_value(value, named)]
    if values and not any(map(states, values)):
        return _GAP
    if role.is_english:
        return _without_other_posts(text, role.name, states) if named else text
    return _without_other_posts_ja(text, role.name, states)


@lru_cache(maxsize=1024)
def _role(question: str) -> _Role | None:
    english = question.isascii()
    did = (_WHO_DID if english else _JA_WHO_DID).search(question)
    match = (
        (_ROLE.search(question) or _WHICH.search(question))
        if english
        else _JA_HELD.search(question) or _JA_ROLE.search(question)
    )
    if did:
        verb = did["verb"].casefold()
        name = _AGENTS[verb] if english else _JA_AGENTS.get(verb[0], f"{verb}者|{verb}家")
        name = role = f"(?:{name})"
    elif match and match["role"].casefold().split()[-1] not in _GENERIC:
        name = match["role"].casefold()
        first, _, rest = name.partition(" ")  # "the flagship" is the flagship wine
        name = role = re.escape(first) + (f"(?: {re.escape(rest)})?" if rest else "")
    else:
        return None
    filled: tuple[str, ...]
    if english:
        of = r"(?: (?:of|at|in|to|for|on) [^,.;:]{1,50}?)?"
        article = r"(?:^|(?<=[.;,\n] )|(?<=\n)|\b(?:the|its|their|whose|his|her|and) |['’]s )"
        filled = (
            rf"(?i:{article}(?:current |main )?{role}{of}(?: is| was|:)) (?P<v>[^.;,\n]{{2,60}})",
            rf"(?<![\w’'-]){_NAME_BEFORE} (?:is|was) (?:the|its|their) (?:current |main )?{role}\b",
            rf"(?:^|(?<=[.;,\n] )|(?<=\n))(?i:(?:the )?{role}) {_NAME_BEFORE}(?= [a-z]|[;.,\n]|$)",
        )
    else:
        cut = {match["role"], *(match["role"][:end] for end in range(3, len(match["role"])))} if match else set()
        heads = role if did else "|".join(map(re.escape, sorted(cut, key=len, reverse=True)))
        filled = (
            (
                rf"(?<![\u3400-\u9fff\u30a1-\u30fc])(?:{heads})(?:は|が|[:：])(?P<v>[^、。\n]{{1,25}}?)"
                r"(?:です|でした|である|だ|で)?(?=[、。\n]|$)"
            ),
            rf"(?:^|[、。\n])(?P<v>[^、。はがをに\n]{{2,15}})が(?:現在の|今の)?{role}(?:です|だ|で[、。あ]|を務め)",
        )
    return _Role(name, tuple(map(re.compile, filled)), english)


def _is_value(value: str, named: bool) -> bool:
    if value.isascii():
        return not _NO_VALUE.match(value) and (not named or _NAME.match(value) is not None)
    return not (_JA_NO_VALUE.search(value) or _JA_VERB_END.search(value))


def _without_other_posts(text: str, role: str, states: States) -> str:
    """ "Rhona Beck. Dilys Hart is the coach." names the coach beside the captain."""
    if not any(not states(match[0]) for match in _BARE_NAME.finditer(text)):
        return text

    def cut(match: re.Match[str]) -> str:
        known = re.search(role, match["post"], re.IGNORECASE)
        return match[0] if known or not states(match["v"]) else _GAP + match["post"]

    return re.sub(
        rf"{_NAME_BEFORE} (?:is|was|works as|serves as) (?:the|an?|its|their) (?P<post>[^.;,\n]{{2,60}})", cut, text
    )


def _without_other_posts_ja(text: str, role: str, states: States) -> str:
    if not _JA_IS_POST.fullmatch(role):
        return text
    same = {name for names in _JA_SAME_POST if any(name in role for name in names) for name in names}

    def cut(match: re.Match[str]) -> str:
        post = match["post"]
        other = _JA_OTHER_POST.match(post) and not _JA_OTHER_POST.match(role)
        known = not other and (post in role or role in post or any(name in post for name in same))
        return match[0] if known or not states(match["v"]) else _GAP

    text = re.sub(rf"(?<![\u3400-\u9fff])(?P<post>{_JA_POST})(?:は|が|の|[:：])(?P<v>[^、。\n]{{1,25}})", cut, text)
    return re.sub(
        rf"(?P<v>[^、。はが\n]{{2,15}})(?:は|が)(?P<post>{_JA_POST})(?=です|でした|で、|だ|を務め|、|。|$)", cut, text
    )
