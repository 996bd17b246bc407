"""What an answer takes back: denials, corrections, what is past, what is said of somebody else.

"Not in Wickford but in Eastholm" asserts Eastholm alone, "Eastholm, sorry, Wickford" Wickford alone. `asserted` leaves
the rest out, so that a key fact counts only where it is asserted. It reads clauses and a few words of English and
Japanese, no grammar: where it is in doubt the text stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from raykft.evaluation import behaviour
from raykft.evaluation.normalize import compatible, small_letters
from raykft.evaluation.successions import without_others
from raykft.evaluation.turns import last_word

_MAX_CORRECTIONS = 10
_GAP = "\n"  # in place of what was left out: no alias reaches over it
_SOMETHING = re.compile(r"\w")
# ---- English
_CORRECTION = re.compile(
    r"(?i)(?P<stop>[,.;:!—–…-]|\.\.\.)\s*(?:oh|um|uh|er|ah|hmm|well)?,?\s*"
    r"(?:no,? wait|no,? sorry|oh wait|wait|sorry|apologies|correction|scratch that|strike that|my mistake|or rather"
    r"|make that"
    r"|actually,? no|no,? actually|i meant?(?: to say)?|i should say)(?![\w'’])"
    r"(?!,? (?:for|about|if|but|than|to|i (?:can|do|don|am|could|have|cannot|only)|there|until|and see|that i)\b)"
    r"[\s,:;.!—–-]*(?:no,? )?(?:i meant?(?: to say)?|i mean|that(?:['’]s| is| should be)|it(?:['’]s| is| should be)"
    r"|make that)?[\s,:]*"
)
_SENTENCE_START = re.compile(r"(?:^|[.!?]\s|\n)(?=[^.!?\n]*$)")
_DENIED = re.compile(
    r"(?i)(?<!why )(?:\b(?:not|never|cannot|no longer|nor)\b|(?<!not )(?<!n't )(?<!never )\b(?:stop(?:s|ped)?"
    r"|ceas(?:e|es|ed)|quits?"
    r"|g[ai]ven? up|abandon(?:s|ed)?|avoid(?:s|ed)?|reject(?:s|ed)?|refus(?:e|es|ed)|discontinued?|phased out"
    r"|rule[sd]? out"
    r"|free (?:of|from)|without)\b(?=(?P<verb>))|(?:is|was|are|were|do|does|did|has|have|had|ca|wo|would|could"
    r"|should)n['’]t\b|\bisnt\b)"
    r"(?! (?:only|just|merely|simply|least|far|long|more|less|fewer|later|earlier|exceed|until|before|sure|certain"
    r"|know|doubt|exactly|surpris|to mention|stop|cease|abandon|avoid|reject|refuse|give up|fail|lack|hesitat|(?:a "
    r")?doubt"
    r"|question|exception))"
    r"(?P<span>(?:(?!\bbut\b|\brather\b|\binstead\b|\buntil\b|\bbefore\b|\bexcept\b|\bonly\b|\bother than\b"
    r"|\bany(?:thing|where|one) but\b|\bdoubt\b|\.(?:\s|$)|[,;:!?\n—–]).){1,120})"
    r"(?P<stop>\b(?:until|before|except|other than|doubt|anything|only)\b)?"
)
_DENIES_TWICE = re.compile(r"(?i)\b(?:without|unless|nothing)\b")
_NOT_DENIED_STOPS = frozenset(("until", "before", "except", "other than", "doubt", "anything"))
_CLAUSE = re.compile(
    r"[,;:!?\n—–]|\.(?=\s|$)|\b(?:but|while|whereas|although|though)\b|\band (?=(?:is|are|has|now|today|since|it|he"
    r"|she|they|later)\b)"
)
_PAST = re.compile(
    r"(?i)\b(?:until|till|used to|former|formerly|previously|originally|initially|at first|in the past|once|was|were"
    r"|had been|before)\b"
)
_PRESENT = re.compile(
    r"(?i)\b(?:now|today|currently|current|nowadays|at present|presently|these days|(?<!changed )since (?:then|the "
    r"|[12][0-9]{3})"
    r"|has since|moved to|replaced by"
    r"|succeeded by|took over|(?:switched|changed|turned) to)\b"
)
_IS_NOW = re.compile(rf"(?i)^(?!.*\b(?:check|visit|consult|refer|may have|might have)\b).*?(?:{_PRESENT.pattern[4:]})")
_ASKS_PAST = re.compile(
    r"(?i)\b(?:was|were|did|had|first|former|formerly|original|originally|previous|previously|until|before|used to"
    r"|once|in [12][0-9]{3})\b"
)
_ASKS_PRESENT = re.compile(r"(?i)\b(?:is|are|does|do|has|have|can|now|today|current|currently)\b")
_KIN = (
    "sister|brother|son|daughter|wife|husband|father|mother|deputy|predecessor|successor|assistant|rival|competitor"
    "|cousin|friend|"
    "niece|nephew|widow|widower|grandson|granddaughter|partner|colleague|student|secretary|neighbou?r|uncle|aunt"
    "|boss|pupil|mentor|twin"
)
_OF_ANOTHER = re.compile(
    rf"(?<![\w])(?:[A-Z][\w.’'-]{{0,30}}[ ]){{0,3}}[A-Z][\w-]{{0,30}}['’]s? (?:(?:\w{{1,30}} ){{0,2}})(?:{_KIN})\b"
)
_IS_KIN = re.compile(rf"(?<!\w)(?:[A-Z][\w.’'-]{{0,30}}[ ]){{1,3}}(?:is|was) (?:the |a )?(?:{_KIN}) (?:of|to)\b")
_KIN_OF = re.compile(rf"\b(?:{_KIN}) (?:of|to) (?:[A-Z][\w.’'-]{{0,30}}[ ]?){{1,4}}")
_RIVAL = re.compile(
    r"(?i)^\W*(?:its|their|his|her|the|a) (?:\w+ ){0,2}(?:rival|competitor|neighbou?r|parent|subsidiary|predecessor"
    r"|successor|sister company|partner|namesake)\b|^\W*unlike\b"
)
_NAME = re.compile(r"(?<!\w)[A-Z][\w&.’'-]{0,30}(?: (?:of |the |and |& )?[A-Z][\w&.’'-]{0,30})+")
_SUBJECT_VERB = re.compile(
    r"^\W*(?:the )?(?P<name>[A-Z][\w&’'-]{0,30}(?: (?:of |and |& )?[A-Z][\w&’'-]{0,30})*) (?:is|was|are|were|has|had"
    r"|does|lies|stands|sits)\b"
)

_INSTEAD = re.compile(
    r"(?i)\b(?:rather than|instead of|in place of|in lieu of|other than|apart from|unlike|as opposed to|(?:every\w*"
    r"|any\w*|all) (?:but|except)"
    r"|(?:not )?to be confused with) [^,;:.!?\n]{1,60}?(?=,| it\b"
    r"| is\b|[;:.!?\n]|$)"
)
# "No beetroot is used"; "No, it is" has a comma, and "no other than" denies nothing.
_NO_NOUN = re.compile(
    r"(?i)(?<![\w,])(?:no|hardly any)(?! (?:doubt|wonder|other|one|question|matter|less|more|fewer|longer|problem)) "
    r"(?:[\w-]+ ){0,2}?[\w-]+ (?=(?:is|are|was|were|has|have|had)\b)"
)
_DOUBTED = re.compile(
    r"(?i)(?<!no )(?<!without )(?<!not )(?<!n't )\b(?:doubt(?:ful|s)?|unlikely|improbable)(?: (?:that|whether|if|to "
    r"be))? [^,;.!?\n]{1,60}"
)
_INTENDED = re.compile(
    r"(?i)\b(?:planned|intended|wanted|hoped|tried|meant|attempted|was going|were going|supposed) to\b[^.;\n]{1,"
    r"80}?(?=,? (?:but|yet|only to|however)\b|; )"
)
_NEITHER = re.compile(r"(?i)\bneither\b[^,;:.!?\n]{1,80}?\bnor\b[^,;:.!?\n]{1,80}")

# ---- Japanese
_JA_INSTEAD = re.compile(r"[^、。！？!?\n]{1,40}(?:以外|のかわり|の代わり|と違って|とは違い|とは別)")
_JA_CORRECTION = re.compile(
    r"(?P<stop>[、,。.…—―！!\s])(?:あ、?|おっと、?|えっと、?)?(?:(?:いや|いえ|違う|違った|失礼|失敬|すみません"
    r"|すいません|ごめんなさい|もとい|訂正|間違え(?:ました|た)|間違い(?:です|でした))"
    r"(?:いたしました|いたします|しました|します|です|でした|、)*(?:[、,。.…\s]|$)?)+(?:正しくは|正確には)?、?"
)
_JA_DENIED = re.compile(
    r"(?P<span>[^、。！？!?\n]{1,60}?)(?<!だけ)(?<!のみ)(?<!ばかり)(?<!わけ)(?:では|じゃ|で)"
    r"(?:なく(?:て)?|ない(?!か|でしょう|だろう)(?:です)?|ありません(?!か|でしょう)(?:でした)?|ございません(?!か))"
)
_JA_NEITHER = re.compile(r"(?<![^、。\n])[^、。\n]{1,30}でも[^、。\n]{1,30}でもな(?:く|い|かった)")
_JA_NEGATED = re.compile(
    r"(?P<span>[^、。！？!?\n]{1,60}?)(?:ません(?:でした)?(?!か)|ない(?=です|。|$|が|けど)|なかった"
    r"|[らばまかさたわえべれせけ]ず(?=[、。に]|$)|(?<=は)なく(?=[、て])|(?<=[らばまかさたわえべれせけ])なく(?=[、て]))"
)
_JA_NOT_NEGATED = re.compile(
    r"かもしれ|なければ|なくては|しか|ほかなら|他なら|以外|違い|相違|とは限|申し訳|すみ$|すみま|わかり|分かり"
    r"|わから|分から|知り|存じ|変わ|言うまで|いうまで|間もな|劣ら|欠かせ|もまた|まず$|必ず|かならず|はず$|わず$"
    r"|とりあえず|定か|詳し|少な|危な|つまらな|もったいな"
)
_JA_CLAUSE = re.compile(r"[、。！？!?\n]|(?<=です|ます|した|った)が(?=.)|(?<=です|ます|した|った)けど")
_JA_STOPPED = re.compile(
    r"(?<![^、。\n])[^、。\n]{1,40}?(?:を|は|の[\u3400-\u9fff]{2}を)(?:やめ|止め|取りやめ|廃止|避け|中止|断念|手放し|使わ(?:なく|ず))[^、。\n]{0,8}"
)
_JA_RENAMED = re.compile(r"(?:年|月)に[^、。\n]*(?:改称|改名|移転|就任|変更|変わり)")
_JA_SINCE = re.compile(r"[0-9]年(?:から|以降|より)は?[^、。\n]{1,20}(?:です|だ(?![っが])|とな|にな|に移|と呼|に変)")
_JA_PAST = re.compile(r"以前|かつて|もともと|元々|当初|従来|昔|でした|だった|まで(?:は|$)|ていた|ていました")
_JA_PRESENT = re.compile(
    r"現在|現|今は|今の|いまは|今では|今年|後に|その後|新しい|移転|引き継|就任|交代|移りました|移った"
)
_JA_ASKS_PAST = re.compile(
    r"以前|かつて|当時|旧|元の|前の|先代|創業|設立|開業|でしたか|だったか|ましたか|たのは|たか|初代|最初"
)
_JA_KIN = (
    "妹|弟|兄|姉|娘|息子|妻|夫|父|母|祖父|祖母|孫|後任|前任|部下|上司|秘書|友人|弟子|師匠|甥|姪|いとこ|従兄|従弟|叔父|叔母"
    "|ライバル|後継|先輩|同僚|双子|長男|長女|次男|次女"
)
_JA_OF_ANOTHER = re.compile(rf"[\u3400-\u9fff々〆\u30a1-\u30fa\u30fc・]{{2,12}}(?:さん|氏|様|社長)?の(?:{_JA_KIN})")
_JA_EX = "旧|元|前|先代の?|前任の?|以前の|初代の?|かつての"
_JA_TOPIC = re.compile(r"^(?P<topic>[^はがのを、]{1,20})(?:の[^はが、]{1,12})?(?:は|が)")
_JA_CLEFT = re.compile(r"のは(?P<name>[^はがの、。]{2,20}?)(?:で|です|だ)?$")
# What ends the name of a firm, a person or a place, but not of a thing that a firm has (本社, 住所).
_JA_NAME_END = re.compile(
    r"(?:会社|(?<![本支当弊同他])社|製菓|物産|物流|工業|商事|商店|商会|産業|製作所|航空|電機|電気|堂|屋|窯|工房"
    r"|組合|組|銀行|大学|高校|病院|旅館|ホテル"
    r"|(?<!拠点の)(?<=[\u3400-\u9fff])[県市町村駅寺館園]|さん|氏|[\u30a1-\u30fa\u30fc]{3,})$"
)
_JA_SUBJECT = re.compile(r"^(?P<name>[^のはがにをで、。？?]{2,20})[のはがにをで]")


# Words (in small letters) of which a pattern cannot do without one: cheaper to look for than the pattern.
_NEEDED = {
    pattern: tuple(words.replace("_", " ").split("|"))
    for pattern, words in (
        (_NEITHER, "neither"),
        (_INSTEAD, "than_|of_|from_|unlike_|to_|but_|except_|with_"),
        (_NO_NOUN, "no_|hardly_any_"),
        (_INTENDED, "planned_|intended_|wanted_|hoped_|tried_|meant_|attempted_|going_|going_|supposed_"),
        (_DOUBTED, "doubt|unlikely|improbable"),
        (
            _DENIED,
            "not|never|nor|longer|stop|ceas|quit|up|abandon|avoid|reject|refus|discontinue|out|phased|free_|n't|n’t|isnt",
        ),
        (_JA_DENIED, "なく|ない|ありません|ございません"),
        (_JA_NEGATED, "ません|ない|なかった|ず|なく"),
    )
}
_AS_OF = re.compile(r"(?i)\bas of\b")
_WAS_ASKED = re.compile(r"(?i)\b(?:was|were|did)\b")
_FORMER_POST = re.compile(rf"(?:{_JA_EX})([\u3400-\u9fff]{{2,6}})")
_RIVAL_CLAUSE = re.compile(r"[;:!?\n]|\.(?=\s|$)|, (?=while|whereas|but)")
_PREDICATE_END = re.compile(r"[;\n]|\.(?=\s|$)|,? (?:but|while|whereas) |$")
_JA_STOP = re.compile(r"[、。！？!?\n]")


def asserted(answer: str, question: str) -> str:
    """The answer without what it denies, corrects, calls past, or says of somebody else than the question asks for."""
    text = compatible(answer)[: behaviour.SCORED_CHARS]  # NFKC makes up to 18 characters of one
    kept = without_others(last_word(text, question), question)
    kept = _of_subject(_present(_undenied(_uncorrected(kept)), question), question)
    return answer if kept == compatible(answer) else kept


def _uncorrected(text: str) -> str:
    for pattern in (_CORRECTION, _JA_CORRECTION):
        for _ in range(_MAX_CORRECTIONS):
            match = pattern.search(text)
            if match is None:
                break
            before, after = text[: match.start()], text[match.end() :]
            if not _SOMETHING.search(after) or not _SOMETHING.search(before):
                break
            text = before[: _sentence_start(before)] + _GAP + after
    return text


def _sentence_start(text: str) -> int:
    """Where the last sentence of a text without its closing mark begins."""
    return max((match.end() for match in re.finditer(r"[.!?]\s|[。！？\n]", text)), default=0)


def _undenied(text: str) -> str:
    def english(match: re.Match[str]) -> str:
        stop = (match["stop"] or "").casefold()
        span = match["span"]
        if match["verb"] is not None and (more := re.search(r"\band\b", span)):
            return _GAP + span[more.start() :] + (match["stop"] or "")  # avoided the one and took the other
        twice = _DENIES_TWICE.search(match["span"])
        return match[0] if twice or stop in _NOT_DENIED_STOPS else f"{_GAP}{match['stop'] or ''}"

    def japanese(match: re.Match[str]) -> str:
        return match[0] if _JA_NOT_NEGATED.search(match[0]) else _GAP

    def may_match(pattern: re.Pattern[str]) -> bool:
        return any(word in small for word in _NEEDED[pattern])

    small = small_letters(text)  # what is cut out only leaves fewer words
    for pattern in (_NEITHER, _INSTEAD, _NO_NOUN, _INTENDED, _DOUBTED):
        if may_match(pattern):
            text = pattern.sub(_GAP, text)
    if may_match(_DENIED):
        text = _DENIED.sub(english, text)
    if text.isascii():
        return text
    text = _JA_NEITHER.sub(_GAP, text)
    text = _JA_STOPPED.sub(_GAP, _JA_INSTEAD.sub(_GAP, text))
    if may_match(_JA_DENIED):
        text = _JA_DENIED.sub(_GAP, text)
    return _JA_NEGATED.sub(japanese, text) if may_match(_JA_NEGATED) else text


def _present(text: str, question: str) -> str:
    """Without what was so once, where another clause says what is so now and the question asks for that."""
    asks_past = _ASKS_PAST.search(question) and (not _ASKS_PRESENT.search(question) or _WAS_ASKED.search(question))
    # "As of 2021 these were the stations" is the present as the answer knows it.
    if not asks_past and not _AS_OF.search(text):
        text = _without_clauses(
            text, _CLAUSE, lambda clause: bool(_PAST.search(clause) and not _PRESENT.search(clause)), _IS_NOW
        )
    if not text.isascii() and not _JA_ASKS_PAST.search(question):
        text = _without_clauses(
            text,
            _JA_CLAUSE,
            lambda clause: bool(_JA_PAST.search(clause) and not _JA_PRESENT.search(clause)),
            _JA_PRESENT,
        )
        text = _without_clauses(
            text,
            _JA_CLAUSE,
            lambda clause: bool(_JA_RENAMED.search(clause) and not _JA_SINCE.search(clause)),
            _JA_SINCE,
        )
        text = _without_clauses(text, _JA_CLAUSE, lambda clause: _is_ex(clause, question), None)
    return text


def _is_ex(clause: str, question: str) -> bool:
    """Whether a clause names the former holder of a post that the question asks for."""
    return any(post in question for post in _FORMER_POST.findall(clause))


def _of_subject(text: str, question: str) -> str:
    """Without what is said of relatives and rivals, or of another name beside that of the question."""
    text = _IS_KIN.sub(_GAP, _OF_ANOTHER.sub(_GAP, text))
    text = _KIN_OF.sub(_GAP, text)
    text = _without_clauses(
        text,
        _RIVAL_CLAUSE,
        lambda clause: bool(_RIVAL.search(clause)),
        None,
    )
    names = _NAME.findall(question)
    if any(name in text for name in names):

        def other(clause: str) -> bool:
            match = _SUBJECT_VERB.match(clause)
            return bool(match and not any(name in clause for name in names) and _is_name(match["name"]))

        text = _predicates_of(text, other)
    if text.isascii():
        return text
    text = _JA_OF_ANOTHER.sub(_GAP, text)
    return _of_japanese_subject(text, question)


def _is_name(words: str) -> bool:
    return words.split()[0] not in {"It", "He", "She", "They", "This", "That", "There", "The", "Its", "In", "We", "I"}


def _predicates_of(text: str, other: Callable[[str], bool]) -> str:
    """Each clause of another subject without all but its subject, which may be the answer."""
    parts, last = [], 0
    for match in _PREDICATE_END.finditer(text):
        clause = text[last : match.start()]
        if other(clause):
            subject = _SUBJECT_VERB.match(clause)
            clause = clause[: subject.end("name")] + _GAP if subject else clause
        parts += [clause, match[0]]
        last = match.end()
    return "".join(parts)


def _of_japanese_subject(text: str, question: str) -> str:
    subject = _JA_SUBJECT.match(compatible(question))
    if not subject or subject["name"] not in text:
        return text

    def of_another(clause: str) -> bool:
        if subject["name"] in clause:
            return False
        cleft, topic = _JA_CLEFT.search(clause), _JA_TOPIC.match(clause)
        named = cleft["name"] if cleft else topic["topic"] if topic else ""
        return bool(_JA_NAME_END.search(named)) and named not in question

    return _without_clauses(text, _JA_STOP, of_another, re.compile(re.escape(subject["name"]) + "[はがの]"))


def _without_clauses(
    text: str, border: re.Pattern[str], is_left_out: Callable[[str], bool], needed: re.Pattern[str] | None
) -> str:
    """The text without some of its clauses; with `needed`, only where another clause matches that."""
    pieces: list[tuple[str, str]] = []
    last = 0
    for match in border.finditer(text):
        pieces.append((text[last : match.start()], match[0]))
        last = match.end()
    pieces.append((text[last:], ""))
    out = [is_left_out(clause) for clause, _ in pieces]
    if not any(out):
        return text
    if needed is not None and not any(
        needed.search(clause) for (clause, _), gone in zip(pieces, out, strict=True) if not gone
    ):
        return text
    return "".join((_GAP if gone else clause) + mark for (clause, mark), gone in zip(pieces, out, strict=True))
