"""What an answer names as the former, the next, the second or the mistaken one, and not as what was asked for.

"Pellow, who took over from Osei" answers Pellow, "from 48 to 31" 31, "the largest is Brask, followed by Norrland"
Brask, and "many think of Pellbrook, but" nothing yet. Every function takes the answer in NFKC and leaves out the
others; a question that asks for a predecessor, an origin or a second place is not read so.
"""

from __future__ import annotations

import re

from raykft.evaluation.normalize import small_letters

_GAP = "\n"
_SOMETHING = re.compile(r"\w")
_CAP = r"[A-Z][\w&.’'-]{0,30}"
_NO_NAME = "(?!The |It |He |She |They |In |On |At )"
_NAMES = rf"(?:[Tt]he (?:late )?)?{_NO_NAME}{_CAP}(?: (?:(?:of|the|and|de|van|von) )?{_CAP}){{0,5}}"

# ---- predecessors and successors
_ASKS_CHANGE = re.compile(
    r"(?i)\b(?:succe|replac|preced|predecess|former|previous|before|after|took over|take over|follow|until|used to"
    r"|from)|前任|後任|先代|前の|以前|旧|引き継|継い|交代|から"
)
_TOOK_OVER_FROM = re.compile(
    rf"\b(?:(?:took|take[ns]?|taking) (?:it |them |the \w+ )?over (?:the \w+ )?from|succeed(?:ed|s|ing)"
    rf"|(?:replaced|replaces|replacing)|(?:in )?succession to|preceded by|(?:the )?successor (?:of|to)"
    rf"|inherited (?:it |the \w+ )?from|(?:[Bb]efore|[Pp]rior to) (?:him|her|them|it|that|this)(?:,? (?:it|that|the "
    rf"\w+) was)?"
    rf"|(?:[Bb]efore|[Aa]fter|[Uu]ntil)(?= {_NAMES} (?:left|quit|died|had|was|took|[a-z]+ed)\b)) "
    rf"(?!by\b)(?P<name>{_NAMES})"
)
_WAS_SUCCEEDED = re.compile(
    rf"(?P<name>{_NAMES})(?P<rest>[^.;\n]{{0,80}}?\b(?:(?:succeeded|replaced|followed|superseded|beaten|defeated"
    rf"|ousted)(?: \w+){{0,3}} by|lost (?:\w+ ){{0,3}}to|(?:gave|made) way (?:to|for))\b)"
)
_LEFT = re.compile(
    rf"(?P<name>{_NAMES})(?P<rest> (?:has |had |then |recently )?(?:stepped down|stepped aside|retired|resigned|quit"
    r"|left (?:office|the (?:post|company|firm|job|board))|handed over|gave way))\b"
)
# "down from 1,250", "moved out of Karlow"
_ONCE = re.compile(
    r"(?i)\b(?:(?:down|up|compared (?:with|to)) from|compared (?:with|to)|(?:out of|away from)(?= (?:the "
    r")?(?-i:[A-Z]))) [^,.;\n]{1,40}(?:,[0-9]{3})*"
)
# "Ash was considered, but oak was used"
_PASSED_OVER = re.compile(
    r"(?i)(?<![^.;,\n])[^.;,\n]{1,60}?\b(?:was|were|is|are|has been|have been|had been) (?:also )?(?:discontinued"
    r"|abandoned|rejected|dropped|scrapped"
    r"|cancelled|canceled|phased out|ruled out|considered|proposed|suggested|planned|given up|turned down)\b(?! "
    r"(?:to be|the|an?|as)\b)"
)
_MORE_THAN = re.compile(
    r"(?i)(?<=[0-9]) (?:\w+ )?(?:more|fewer|less|higher|lower|larger|smaller) than (?:the )?[0-9][0-9,.]*"
)
_JA_WORD = r"[\u3400-\u9fff々〆〇\u30a1-\u30fa\u30fcA-Za-z0-9・]"
_JA_NAME = rf"{_JA_WORD}{{1,20}}"
_JA_HONORIFIC = r"(?:さん|氏|様|先生|社長|会長)?"
_JA_LEFT = re.compile(
    rf"{_JA_NAME}{_JA_HONORIFIC}(?:が|は)[^、。\n]{{0,16}}?(?:退任|辞任|退職|引退|退き|退い|辞め|降り|死去|亡くな|離任|勇退)"
    r"[^、。\n]{0,8}"
)
_JA_FROM = re.compile(
    rf"{_JA_NAME}{_JA_HONORIFIC}(?:から|より)(?=[^、。\n]{{0,14}}?(?:引き継|受け継|継い|継ぎ|交代|代わ|替わ|変わ|バトン))"
    rf"|{_JA_NAME}{_JA_HONORIFIC}(?:の(?:後任|後継|跡|後を|あとを)|に(?:代わ|替わ|かわ)(?:り(?!ま)|って))"
)

# ---- from one value to another
_CHANGE = re.compile(
    r"(?i)\b(?:fall|fell|rise|rose|risen|gr[eo]w|mov(?:e|ing)|chang|switch|relocat|transfer|gone|went|drop|increas"
    r"|decreas"
    r"|shr[aiu]nk|expand|renam|convert|shift|climb|reduc|cut|rais|lower|pass|up|down|jump|declin|dwindl|double)"
)
_FROM_TO = re.compile(r"\bfrom (?:[^,.;:!?\n]|[,.](?=[0-9])){1,40}? (?=to\b)")
_JA_FROM_TO = re.compile(
    rf"(?:{_JA_NAME}|[^、。\n]{{1,20}})から(?=[^、。\n]{{1,20}}?[にへ](?:[^、。\n]{{0,6}})?(?:移|変|減|増|改|転|交代|なり|なっ|下が"
    r"|上が|下げ|上げ|伸|縮|成長|拡大|縮小|引っ越|替え|換え|切り替|下落|上昇|落ち))"
)

# ---- places behind the first
_SUPERLATIVE = re.compile(
    r"(?i)\b(?:most|best|first|main|chief|principal|top|leading|(?!rest\b|west\b|forest|guest|interest|honest|harvest"
    r"|test\b|nearest\b)[a-z]{2,}est)\b|最も|もっとも|最[\u3400-\u9fff]|一番|いちばん|最初|初めて|初代|第一|筆頭|主要|首位|トップ"
)
_ASKS_PLACE = re.compile(r"(?i)\b(?:second|third|fourth|fifth|next|2nd|3rd|runner)\b|二番|2番|三番|3番|[2-9]位|次")
_BEHIND = re.compile(
    r"(?i)\b(?:followed (?:closely )?by|ahead of|just before|in front of|more than)\b[^.;\n]*"
    r"|(?<![^.;,\n])[^.;,\n]*\b(?:second|third|fourth|next|2nd|3rd)[- ]?(?:most|best|place|[a-z]{2,}est)\b[^.;,\n]*"
    r"|(?<![^.;,\n])[^.;,\n]*\b(?:comes? (?:second|third|next)|runner-up)\b[^.;,\n]*"
)
_JA_BEHIND = re.compile(
    r"(?<![^、。\n])[^、。\n]*(?:[二三四2-4](?:番(?:目|手|人気)|人目|代目)|[二三四2-4]位|それに次[ぐい])[^、。\n]*"
    r"|(?<=に)次いで[^、。\n]*|(?<![\u3041-\u9fff])次(?:が|は|に|いで|点)[^、。\n]*"
)

# ---- what others believe, or the answer believed at first
_TURN = (
    r"(?=(?:,|;|\.|\n| –| —)? ?(?:but|yet|however|actually|in fact|in reality|though"
    r"|it (?:is|was) (?:actually|really))\b)"
)
_BELIEVED = re.compile(
    r"(?i)(?:(?<=[.!?;\n])|^)[^.!?;\n]{0,80}?\b(?:(?:many|most|some|few|several|other)(?: (?:of )?\w+)?|people|they"
    r"|it (?:is|was)"
    r"|it['’]s|(?:is|are) where (?:many|most|some) \w+|you|everyone|locals|one)(?: \w+){0,2}? (?:think|thinks"
    r"|thought|believed?"
    r"|believes|assumed?|assumes|say|says|said|claim(?:s|ed)?|supposed?|expect(?:ed)?|credit(?:s|ed)?|mistake|mistook"
    rf"|mistaken|confused?)\b[^.!?;\n]*?{_TURN}"
)
_THOUGHT_FIRST = re.compile(
    r"(?i)(?:(?<=[.!?;,\n])|^)[^.!?;,\n]{0,40}?\b(?:i (?:(?:had |have )?(?:first |initially |originally |always "
    r"|once )?)"
    r"(?:thought|assumed|believed|guessed|would have (?:said|guessed|thought))|my first (?:thought|guess) was"
    rf"|(?:might|may|could) (?:seem|look|appear)|at first(?: glance| sight)?,?)\b[^.!?;\n]*?{_TURN}"
)
_SOME_AND_OTHERS = re.compile(
    r"(?i)\b(?:some|one)(?: (?:people|sources?|books?|records?))? (?:say|says|claim|claims|believe|think|name|names"
    r"|cite|credit)\b[^.!?\n]{1,80}?"
    r"(?:[,;]| while| but| and) ?(?:others?|another)\b[^.!?\n]*"
)
_JA_BELIEVED = re.compile(
    r"(?<![^、。\n])[^、。\n]*(?:と(?:も|は)?|か(?:と)?)(?:よく)?(?:誤解|勘違い|混同|思われ|考えられがち|思いがち|思いました|思った|思ってい|考えました|信じられ"
    r"|間違われ|間違えられ|見られがち|かと思いき)[^、。\n]*?(?:が|けど|けれど(?:も)?|ものの|きや)、?(?=(?P<after>[^。\n]*))"
)
_UNSURE = re.compile(
    r"定か|確信|自信|確か|分か|わか|不明|はっきり|詳し|未確認|確証|確実|断定|(?i:\b(?:not|no|never|n't|unsure|uncertain)\b)"
)


# Words of which a pattern cannot do without one: they are cheaper to look for than the pattern. Those of patterns that
# ignore case are looked for in small letters.
_NEEDED: dict[re.Pattern[str], tuple[str, ...]] = {
    pattern: tuple(words.replace("_", " ").split("|"))
    for pattern, words in (
        (_WAS_SUCCEEDED, "succeeded|replaced|followed|superseded|beaten|defeated|ousted|lost_|way_to|way_for"),
        (_LEFT, "_stepped_|_retired|_resigned|_quit|_left_|_handed_|_gave_"),
        (_TOOK_OVER_FROM, "over_|succe|replac|preced|inherited_|efore_|rior_to_|fter_|ntil_"),
        (_JA_LEFT, "退|辞|引|降り|死去|亡くな|離任|勇"),
        (_JA_FROM, "継|交代|代わ|替わ|変わ|バトン|後任|の跡|後を|あとを|かわ"),
    )
}
_NEEDED_SMALL: dict[re.Pattern[str], tuple[str, ...]] = {
    pattern: tuple(words.replace("_", " ").split("|"))
    for pattern, words in (
        (_ONCE, "from_|compared_|out_of_"),
        (
            _PASSED_OVER,
            "abandon|reject|dropped|scrapped|cancel|phased|ruled|consider|propos|suggest|planned|given|turned|discontinu",
        ),
        (_MORE_THAN, "_than_"),
        (_BELIEVED, "think|thought|believ|assum|say|said|claim|suppos|expect|credit|mistake|mistook|confus"),
        (_THOUGHT_FIRST, "thought|assumed|believed|guess|would|seem|look|appear|at_first"),
        (_SOME_AND_OTHERS, "other"),
        (_BEHIND, "by|ahead|before|in_front|more_than|second|third|fourth|next|2nd|3rd|runner"),
    )
}


def _may_match(pattern: re.Pattern[str], text: str, small: str) -> bool:
    """Whether a text, in small letters `small`, has one of the words that the pattern needs."""
    if words := _NEEDED_SMALL.get(pattern):
        return any(word in small for word in words)
    return any(word in text for word in _NEEDED[pattern])


def without_others(text: str, question: str) -> str:
    """The text without predecessors, former values, places behind the first and what is only believed."""
    text = _without_beliefs(text)
    if _SUPERLATIVE.search(question) and not _ASKS_PLACE.search(question):
        if _may_match(_BEHIND, text, small_letters(text)):
            text = _BEHIND.sub(_GAP, text)
        text = text if text.isascii() else _JA_BEHIND.sub(_GAP, text)
    if _ASKS_CHANGE.search(question):
        return text
    if "from " in text and _CHANGE.search(text):
        text = _emptied(_FROM_TO, text)
    small = small_letters(text)
    for pattern in (_ONCE, _PASSED_OVER, _MORE_THAN):
        if _may_match(pattern, text, small):
            text = _emptied(pattern, text)
    text = _without_predecessors(text)
    if text.isascii():
        return text
    if "から" in text:
        text = _emptied(_JA_FROM_TO, text)
    for pattern in (_JA_FROM, _JA_LEFT):
        if _may_match(pattern, text, text):
            text = _emptied(pattern, text)
    return text


def _emptied(pattern: re.Pattern[str], text: str) -> str:
    """The text without what a pattern finds, where anything else is said."""
    left = pattern.sub(_GAP, text)
    return left if _SOMETHING.search(left) else text


def _without_predecessors(text: str) -> str:
    for pattern in (_WAS_SUCCEEDED, _LEFT):
        if not _may_match(pattern, text, text):
            continue
        left = pattern.sub(lambda match: _GAP + match["rest"], text)
        # Somebody else must be named for it to be a succession.
        if left != text and re.search(_CAP, re.sub(rf"[\s\S]*?{_GAP}", "", left, count=1)):
            text = left
    if not _may_match(_TOOK_OVER_FROM, text, text):
        return text
    return _TOOK_OVER_FROM.sub(lambda match: match[0][: match.start("name") - match.start()] + _GAP, text)


def _without_beliefs(text: str) -> str:
    small = small_letters(text)
    for pattern in (_SOME_AND_OTHERS, _BELIEVED, _THOUGHT_FIRST):
        if _may_match(pattern, text, small):
            text = _emptied(pattern, text)
    if text.isascii():
        return text

    def japanese(match: re.Match[str]) -> str:
        return match[0] if _UNSURE.search(match["after"]) or not _SOMETHING.search(match["after"]) else _GAP

    return _JA_BELIEVED.sub(japanese, text)
