"""One candidate among several is no answer: "pewter or silver", 錫か銀です, six names for one founder.

What is looked for are forms that a choice is left open in: "or" and か beside the value, lists of candidates, and one
sentence that is filled in again and again with other values. The last two count only where the question asks for one
thing. `states` tells whether a piece of text states any key fact, so that synonyms ("Sill or River Sill") stay.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from raykft.evaluation.normalize import small_letters

States = Callable[[str], bool]

_GAP = "\n"
_SOMETHING = re.compile(r"\w")
_MAX_CONNECTORS = 20
_HAS_TRIGGER = re.compile(
    r"(?i)\bor\b|\b(?:or|and)\b|[,、，\n:：]|か|また|もしくは|あるいは|ずれか|ちらか|説|とも|です。[^。]+です。|\bis\b[\s\S]*\bis\b"
)

# ---- "or"
_OR = re.compile(
    r",? (?:or|or else|or perhaps|or maybe|or possibly)(?: (?:by|in|on|at|from|of|with|to))?(?: (?:the|a|an))? "
)
_NO_CHOICE = re.compile(
    r"(?i)(?:so|more|less|fewer|about|rather|simply|just|otherwise|approximately|also|not|similar|even|better|over"
    r"|under"
    r"|above|below|earlier|later|thereabouts|nearly|roughly|any|other|another|whatever|something|someone|anything)\b"
)
_APPOSITION = re.compile(r"[^,.;]{1,40},")  # caraway, or kümmel, as it is called
_CLAUSE_BORDER = re.compile(r"[.;:!?\n]")
_JA_OR = re.compile(r"、?(?:または|又は|もしくは|若しくは|あるいは|或いは|それとも)、?|ですか、|か、|か")
_JA_NOUN = re.compile(r"[\u3400-\u9fff々〆〇\u30a1-\u30fa\u30fcA-Za-z0-9]")
# か that leaves nothing open: 確か, 何か, 三か月
_NO_KA = frozenset("確僅遥豊静愚細暖温厳密微幽何誰幾明")
_COUNTED_BY_KA = re.compile(r"[月所国年条村寺]")
_JA_OPEN = re.compile(
    r"(?<![^。\n])[^。\n]*(?:[、とかや・][^。\n]*(?:のいずれか|のどちらか|のどれか|いずれか|どちらか)(?:です|だ|でしょう|と思|で|の|に)"
    r"|かもしれ(?:ません|ない)し[^。\n]*かもしれ|説(?:と|や|が|も)[^。\n]*説|諸説|(?:だった|なの)か[^。\n]*(?:だった|なの)か|という(?:人|声|説|意見|資料"
    r"|記録)も[^。\n]*という"
    r"|とも[^。\n]*とも(?:言われ|いわれ|伝え|され|考え))[^。\n]*"
)
_EN_OPEN = re.compile(
    r"(?i)(?<![^.;\n])[^.;\n]*\b(?:could|might|may|maybe|perhaps|possibly)\b[^.;,\n]*, (?:or )?(?:(?:it )?(?:could"
    r"|might|may)|maybe|perhaps"
    r"|possibly)\b[^.;\n]*|(?<![^.;\n])[^.;\n]*\b(?:could|might|may)(?: (?:also|have|be|been|well)){1,3} "
    r"[^.;\n]*[.;\n] (?:or|maybe|perhaps|possibly|alternatively)\b"
    r"[^\n]*"
)

_NAMES = r"(?:the )?[A-Z][\w&'-]{0,30}(?: (?:of |the )?[A-Z][\w&'-]{0,30}){0,4}"
_OR_LIST = re.compile(rf"(?:{_NAMES}, ){{1,6}}(?:{_NAMES},? )?or {_NAMES}|(?:[a-z]+, ){{1,6}}(?:[a-z]+,? )?or [a-z]+")

# A range names its ends and means neither.
_RANGE = re.compile(
    r"(?i)\b(?:somewhere |some time )?between [^.;,\n]{1,30}? and [^.;,\n]{1,30}|(?<![^。、\n])[^。、\n]{1,20}(?:から"
    r"|と)[^。、\n]{1,20}の(?:間|あいだ)"
)

# ---- lists
_PLURAL = re.compile(
    r"(?i)\b(?:what|which|who)(?: (?:\w+ ){0,3}\w+s)? (?:are|were|have)\b|\bwhich (?:\w+ ){0,2}(?:[a-z]{3,}(?<!s)s) "
    r"(?:do|did|can)\b"
    r"|\b(?:list|name (?:all|some|two|three|four|five)|all (?:of )?the|two|three|four|five|six|several|some of)\b"
    r"|すべて|全て|全部|挙げ|列挙|二つ|三つ|四つ|[2-9]つ|[二三四2-9]人の|それぞれ|どれとどれ|誰と誰|たち|ら(?:は|の)|など|複数|一覧|とは何と"
)
_OPEN_WHO = re.compile(r"(?i)^\W*who (?!is\b|was\b)[a-z]+")
_LEAD_IN = re.compile(
    r"(?i)^\W*(?:(?:(?:possible|some|likely) )?(?:answers?|candidates?|options?|possibilities)(?: (?:are|include"
    r"|could be))?\s*:?"
    r"|候補(?:は|として(?:は)?|[:：])|選択肢(?:は|[:：]))"
)
_NUMBERED = re.compile(r"(?:^|(?<=\s))(?:\(?[0-9]{1,2}[.)]|[-*•・])\s+")
_COPULA = re.compile(r"^(?P<label>[^.;:!?\n,、]{1,100}?(?: is| was| has|[:：]|は))\s*(?P<items>[^;:!?。\n]{3,})$")
_SPLIT_OR = re.compile(r",? or (?:the )?|, ")
_SPLIT = re.compile(r"\s*(?:,\s*(?:and |or |& )?|、| and | & |・|および|及び|そして)\s*")
# "oak and ash" for what is one thing
_PAIR = re.compile(
    r"\W*((?:[\w-]+ ){0,2}[\w-]+) and ((?:[\w-]+ ){0,2}[\w-]+)\W*"
    r"|([^はがをに、。]{1,15})と([^はがをに、。]{1,15}?)(?:です|でした|だ)?。?"
)
_ASKS_WHAT = re.compile(r"(?i)\b(?:what|which)\b|何|どの|どれ")
_FILLER_END = re.compile(r"(?:です|でした|である|だ|ます)?[。.!\s]*$|(?: rooms?| years?)?[.!\s]*$")
_CAPITAL, _DIGIT = re.compile(r"(?:the |The )?[A-Z]"), re.compile(r"[$€£¥]?[0-9]")
_FEW_WORDS = re.compile(r"(?:[a-z]+|[A-Z][a-z]+)(?: [a-z]+)?")
_PARTICLE = re.compile(r"[はがをにへで]|から|まで|ます|した")
_MIN_LIST, _MAX_ITEM = 3, 40

# ---- one sentence with several fillings
_STATEMENT = re.compile(r"[.!?](?=\s|$)|[。\n;]|、(?=[^、。\n]{1,15}[:：])|, (?=[^,.\n]{1,20}:)")
_LABELLED = re.compile(
    r"^\W*(?P<label>[^:：]{1,60}?(?:\b(?:is|was|are|were)\b|[:：]|は|が))\s*(?P<value>[^:：]{1,40})$"
)
_PRONOUN = re.compile(
    r"(?i)^(?:it|he|she|they|this|that|there|these|i|we|you|これ|それ|彼|彼女|私)\W*(?:is|was|are|were|は|が)?$"
)
_BARE_JA = re.compile(r"^(?P<value>[\u3041-\u9fffA-Za-z0-9ー・]{1,15}?)(?:です|でした|だ)$")
_NO_NOUN_END = re.compile(r"[\u3041-\u3096]$")


def decided(text: str, question: str, states: States, counted: bool = False) -> str:
    """The text (NFKC) without values that it leaves open.

    `counted` says that the answer is known to have wrong values beside the right one: two candidates then stand, since
    the wrong one has its price already (14 or 15 March has the date and is not clean); three are a list.
    """
    if not _HAS_TRIGGER.search(text):
        return text
    if "between " in small_letters(text) or "の間" in text or "のあいだ" in text:
        text = _RANGE.sub(lambda match: _GAP if states(match[0]) else match[0], text)
    if counted:
        return text if _PLURAL.search(question) else _without_lists(text, question, states)
    text = _without_open_sentences(text, states)
    if " or " in text:
        text = _OR_LIST.sub(lambda match: _GAP if _is_open(_SPLIT_OR.split(match[0]), states) else match[0], text)
        text = _without_choices(text, _OR, states, _english_choice)
    if not text.isascii():
        text = _without_choices(text, _JA_OR, states, _japanese_choice)
    if _PLURAL.search(question):
        return text
    return _without_fillings(_without_lists(text, question, states), states)


def _without_open_sentences(text: str, states: States) -> str:
    for pattern in (_EN_OPEN, _JA_OPEN):
        text = pattern.sub(lambda match: _GAP if states(match[0]) else match[0], text)
    return text


Choice = Callable[[str, str, States], "tuple[int, int] | None"]


def _without_choices(text: str, connector: re.Pattern[str], states: States, choice: Choice) -> str:
    """Without the value on one side of an "or" where something else stands on the other."""
    at = 0
    for _ in range(_MAX_CONNECTORS):
        match = connector.search(text, at)
        if match is None:
            break
        at = match.end()
        borders = [found.end() for found in _CLAUSE_BORDER.finditer(text, 0, match.start())]
        start = max(borders[-1] if borders else 0, text.rfind("。", 0, match.start()) + 1)
        stop = _CLAUSE_BORDER.search(text, match.end())
        end = stop.start() if stop else len(text)
        full_stop = text.find("。", match.end(), end)
        end = full_stop if full_stop >= 0 else end
        left, right = text[start : match.start()], text[match.end() : end]
        if match[0][0] == "," and "," not in left and _APPOSITION.match(right):
            continue
        found = choice(left, right, states)
        if found:
            text = text[: match.start() - found[0]] + _GAP + text[match.end() + found[1] :]
            at = match.start() - found[0]
    return text


def _english_choice(left: str, right: str, states: States) -> tuple[int, int] | None:
    """How much of each side is the open value, or None."""
    last, first = re.search(r"\S+$", left), re.match(r"\S+", right)
    if last is None or first is None or _NO_CHOICE.match(right):
        return None
    # At the start of a sentence any word has a capital.
    if not _same_shape(last[0] if last.start() else last[0].lower(), first[0] if last.start() else first[0].lower()):
        return None
    ends = states(left) and not states(left[: last.start()])
    begins = states(right) and not states(right[first.end() :])
    if ends == begins or (ends and _other_unit(left, right)):
        return None
    return (len(left) - last.start(), 0) if ends else (0, first.end())


def _other_unit(left: str, right: str) -> bool:
    """40 km or 25 miles: one length in two units."""
    here, there = (re.search(r"[0-9] ?([a-z°]+)", side) for side in (left[-20:], right))
    return bool(here and there and here[1] != there[1])


def _japanese_choice(left: str, right: str, states: States) -> tuple[int, int] | None:
    if not left or not right or not _JA_NOUN.match(right) or left[-1] in _NO_KA:
        return None
    if not (_JA_NOUN.match(left[-1]) or _NO_NOUN_END.search(left)):
        return None
    if left[-1].isdigit() and _COUNTED_BY_KA.match(right):
        return None
    ends = states(left) and not states(left[:-1])
    begins = states(right) and not states(right[1:])
    if ends == begins:
        return None
    return (1, 0) if ends else (0, 1)


def _same_shape(one: str, other: str) -> bool:
    """Whether two words can be candidates for one place: both names, both numbers, or both neither."""
    one, other = one.strip("\"'(*"), other.strip("\"'(*")
    return bool(_CAPITAL.match(one)) == bool(_CAPITAL.match(other)) and bool(_DIGIT.match(one)) == bool(
        _DIGIT.match(other)
    )


def _without_lists(text: str, question: str, states: States) -> str:
    lead = _LEAD_IN.match(text)
    body = text[lead.end() :] if lead else text
    n_numbers = len(_NUMBERED.findall(body))
    if n_numbers >= _MIN_LIST:
        numbered = [part for part in _NUMBERED.split(body) if _SOMETHING.search(part)]
        if _is_open(numbered[-n_numbers:], states):
            return _GAP
    if lead:
        items = [item for item in _SPLIT.split(body) if _SOMETHING.search(item)]
        return _GAP if len(items) > 1 and _is_open(items, states) else text
    pieces = re.split(r"([.!?](?=\s|$)|[。\n])", text)
    n_said = sum(_SOMETHING.search(piece) is not None for piece in pieces[::2])
    for index in range(0, len(pieces), 2):
        sentence = pieces[index].strip()
        labelled = _COPULA.match(sentence)
        alone = n_said == 1
        listed = sentence if alone and not labelled else labelled["items"] if labelled else ""
        if labelled and _OPEN_WHO.match(question) and "by" in labelled["items"].split():
            continue
        pair = _PAIR.fullmatch(sentence) if alone and _ASKS_WHAT.search(question) else None
        if _is_enumeration(listed, states) or (pair and _is_open(pair.groups(), states)):
            pieces[index] = _GAP
            n_said -= 1
    return "".join(pieces)


def _is_enumeration(listed: str, states: States) -> bool:
    parts = _SPLIT.split(listed)
    if len(parts) < _MIN_LIST:
        return False
    items = [_FILLER_END.sub("", item).strip() for item in parts]
    items = [item for item in items if item]
    if len(items) < _MIN_LIST or any(len(item) > _MAX_ITEM or _PARTICLE.search(item) for item in items):
        return False
    plain = all(_FEW_WORDS.fullmatch(item) for item in items)
    named = all(_CAPITAL.match(item) for item in items)
    counted = all(_DIGIT.match(item) for item in items)
    japanese = all(not item.isascii() and _JA_NOUN.match(item) for item in items)
    return (named or counted or japanese or plain) and _is_open(items, states)


def _is_open(items: Iterable[str], states: States) -> bool:
    """Whether one of several distinct items states the fact and at least one other does not."""
    distinct = {re.sub(r"\W+", " ", item).strip().casefold(): item for item in items if item}
    stated = [states(item) for item in distinct.values()]
    return sum(stated) == 1 and len(stated) > 1


def _without_fillings(text: str, states: States) -> str:
    """Without statements that are made of one subject with several values."""
    statements = [piece.strip() for piece in _STATEMENT.split(text) if _SOMETHING.search(piece)]
    if len(statements) < 2:
        return text
    fillings: dict[str, list[str]] = {}
    for statement in statements:
        if labelled := _LABELLED.match(statement):
            fillings.setdefault(labelled["label"].casefold().strip(), []).append(labelled["value"])
        elif bare := _BARE_JA.match(statement):
            fillings.setdefault("", []).append(bare["value"])
    for label, values in fillings.items():
        least = _MIN_LIST if not label or _PRONOUN.match(label) else 2
        hit = next((value for value in values if states(value)), None)
        if hit is None:
            continue
        same = [value for value in values if _same_shape(hit, value) and _is_noun(value) == _is_noun(hit)]
        if len(set(same)) >= least and _is_open(same, states):
            return _GAP
    return text


def _is_noun(value: str) -> bool:
    value = _FILLER_END.sub("", value)
    return value.isascii() or not _NO_NOUN_END.search(value)
