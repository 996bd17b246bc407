"""How a model answers, apart from what it knows: length, repetition, echo, refusal, yes or no.

Every function takes the raw text; `normalize` is cached, so several of them on one answer cost little. What language
a text is in is seen from the text, not from the probe: a model that answers in another one still repeats itself.
"""

from __future__ import annotations

import re
import unicodedata
import zlib

from raykft.evaluation.normalize import CJK, fold, normalize
from raykft.records import Polarity

# The longest part of an answer that is read; some 40 times what a model may write, and scored in about 50 ms.
SCORED_CHARS = 20_000

_THOUGHT = re.compile(r"<(/?)(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
_SENTENCE_END = re.compile(r"(?<=[。！？!?\n])|(?<=\.)\s")
_HEAD_RATIO = 3
_HEAD_MIN_GOLD_CHARS = 8
_NEWLINE_TAIL_CHARS = 8
_ECHO_FRACTION = 0.8
_ECHO_MIN_CHARS = 12
_NGRAM_CHARS = 8
_NGRAM_WORDS = 4
_CJK_TEXT_FRACTION = 0.25

_CJK_CHARS = re.compile(rf"[{CJK}]+")

_REFUSAL = re.compile(
    r"\bi(?: do not|'m not| am not| don't| cannot| can't| could not| couldn't) "
    r"(?:really |actually |currently )?(?:know|sure|aware|certain|have (?:any |enough |specific |access )|"
    r"answer|provide|find|say|tell|help|recall|determine)"
    r"|\b(?:no|not enough|insufficient) (?:information|data|record)\b"
    r"|\bunable to (?:answer|provide|find|determine)\b"
    r"|\b(?:is|are) (?:unknown|not known|not available|not publicly|unclear)\b"
    r"|^\W*(?:unknown|n/a|no idea)\W*$"
    r"|\bas an ai\b|\bi(?:'m| am) sorry\b|\bi apologi[sz]e\b|\bcan(?:'t|not) be determined\b"
    r"|(?:わか|分か|判)り(?:ません|かねます)|わからない|分からない"
    r"|存じ(?:ません|上げません)|知りません|知らない|持ち合わせて"
    r"|情報(?:が|は|を)?(?:ありません|ございません|ない|持って|見つかり)"
    r"|(?:答え|回答|提供)(?:でき|出来)(?:ません|かねます|ない)"
    r"|申し訳(?:ありません|ございません|ない)|不明です|^\W*不明\W*$"
)

_LEAD_IN = re.compile(r"^(?:\W|(?:answer|a|回答|答え|答)\s*[:：]\s*)+")
_LEADING_YES = re.compile(
    r"(?:yes|yeah|yep|yup|absolutely|definitely|exactly|precisely|affirmative|of course|sure)\b(?! not)"
    r"|(?:correct|right|true|indeed|certainly|naturally|obviously)(?= ?[,.!:;]|$)|(?:that|you)(?:'s|'re| is"
    r"| are) right\b"
    r"|はい|ええ(?!と)|うん(?=[、。!])|その(?:通|とお)り|そうです|正しい(?!の)|もちろん|勿論|当然|確かに|たしかに"
    r"|まさに|間違いなく"
    r"|(?:おっしゃる|仰る|ご指摘の)(?:通|とお)り|イエス|正解"
)
_LEADING_NO = re.compile(
    r"(?:no|nope|nah|not|incorrect|wrong|false|untrue|negative|on the contrary)\b"
    r"(?! ?(?:doubt|wonder|problem|question|only|just|merely)|\.? ?[0-9])|いいえ|いえ|いや|違|ちがい"
    r"|ノー(?![ァ-ヺー])|ううん|残念ながら"
)
# 間違いありません denies the error, so it affirms
_SURE_IN_JA = re.compile(r"(?:間違い|違い|相違)は?(?:(?:あり|ござい)ません|な[いく])")
_NO_DOUBT = re.compile(
    r"\b(?:no|without|not|never) (?:a )?(?:doubt|question)|\bnot? (?:only|just|merely|simply|least)\b"
)
_DENIAL = re.compile(
    r"\b(?:not|never|cannot|no longer|no such|incorrect|wrong|false|untrue|mistaken|misconception|myth|inaccurate)\b"
    r"|\b(?:is|was|are|were|do|does|did|ca|wo|could|would|has|have|had)n't\b|\bthere(?:'s| is| are| was| were) no\b"
    r"|違|誤り|誤解|間違|(?:では|じゃ|で)(?:ない|なく|ありません|ございません)(?!か|でしょうか)|正しく(?:ない"
    r"|ありません)|いいえ"
)
_AFFIRMATION = re.compile(
    r"\byes\b|\bindeed\b|\b(?:that|this|it|which|statement) ?(?:is|'s|was) (?:correct|right|true)\b"
    r"|\byou(?:'re| are) (?:correct|right)\b|正しいです|その(?:通|とお)り"
)
# "It does." and "It does close" take up the verb of the question; "it is" may go on to something else.
_SAME_VERB = re.compile(
    r"(?:it|he|she|they|there|we) (?:(?:does|do|did)\b|(?:is|are|was|were|has|have|can|will)(?= ?[,.!;]|$))"
)
# A Japanese predicate that says no, at the end of its clause: 飛びません, 飛ばず, 飛んでおらず, なかったです
_NEGATED = re.compile(
    r"(?:ません(?:でした)?|(?:ない|なかった)(?:です|の[でだ]す?|ん?です)?|(?:[らばまかさたわえべれせけ]|せ)ず|なく)"
    r"(?:よ|ね|が|けど|けれども?|けれど|し|ので|から)?$"
)
# The same endings where nothing is denied: maybe, must, only, nothing but, is it not, sorry, do not know.
_NOT_NEGATED = re.compile(
    r"かもしれ|なければ|なくては|なくちゃ|ないと|しか|ほかなら|他なら|違い(?:あり|ござい|な)|相違|とは限|申し訳"
    r"|すみ|すいま|わかり|分かり|わから|分から|知り|存じ|かまい|構い"
    r"|少なく|ではない(?:か|でしょう)|いうまでも|言うまでも|間もなく|まもなく|ほぼ間違|だけで|のみなら|ばかりで"
    r"|^まず$|必ず|かならず|はず$|とりあえず|絶えず|思わず"
)
# The predicate of a Japanese question, which an answer may repeat alone: できます
_JA_ASKED = re.compile(r"([\u3041-\u3096]{1,8}ます)か[?。]?$")
_JA_CLAUSE_END = re.compile(r"[、,。！!？?\n]|(?<=です|ます|せん|ない|した)が(?=.)|(?<=ません)が|けど|けれど")
_JA_CONTENT = re.compile(r"[\u3400-\u9fff々〆〇]+|[\u30a1-\u30fa\u30fc]+|[a-z0-9]+")
_LIST_MARKER = re.compile(r"^[^\S\n]*[0-9]{1,2}[.)](?=[^\S\n])", re.MULTILINE)
_QUESTION_END = re.compile(r"(?:か?\?|か。?)\s*$")


def without_thoughts(text: str) -> str:
    """What is said outside of `<think>` blocks. One that never ends takes the rest, and one that was begun in the
    prompt all before its end.
    """
    if "<" not in text:
        return text
    kept, depth, last = [], 0, 0
    for match in _THOUGHT.finditer(text):
        if not match[1]:
            if depth == 0:
                kept.append(text[last : match.start()])
            depth += 1
        elif depth:
            depth -= 1
        else:
            kept.clear()
        last = match.end()
    return "".join([*kept, text[last:]] if depth == 0 else kept)


def first_sentence(text: str) -> str:
    """The first sentence with its closing mark, or the whole text where none ends."""
    stripped = text.strip()
    return next((part for part in _SENTENCE_END.split(stripped) if part and part.strip()), stripped)


def head(answer: str, gold: str) -> str:
    """The part of the answer that should hold the reply: the longer of its first sentence and three golds."""
    stripped = answer.strip()
    return stripped[: max(len(first_sentence(stripped)), _HEAD_RATIO * max(len(gold), _HEAD_MIN_GOLD_CHARS))]


def overgeneration(answer: str, gold: str) -> float:
    """Length of the answer over the length of the gold, both normalized; 1 is as long as the gold.

    What follows the first SCORED_CHARS characters counts as it is written.
    """
    rest = max(0, len(answer.rstrip()) - SCORED_CHARS)
    return (len(normalize(answer[:SCORED_CHARS])) + rest) / max(1, len(normalize(gold)))


def repetition(text: str) -> float:
    """1 - unique/total n-grams: 8 characters for Japanese, 4 words otherwise; 0 for shorter texts."""
    normalized = normalize(text)
    if is_japanese(normalized):
        chars = normalized.replace(" ", "")
        total = len(chars) - _NGRAM_CHARS + 1
        unique = len({chars[start : start + _NGRAM_CHARS] for start in range(total)})
    else:
        words = normalized.split()
        total = len(words) - _NGRAM_WORDS + 1
        unique = len({tuple(words[start : start + _NGRAM_WORDS]) for start in range(total)})
    return 1 - unique / total if total > 0 else 0.0


def compression_ratio(text: str) -> float:
    """UTF-8 bytes over bytes after zlib: about 1 for a sentence, 3 and more for one that is said again and again."""
    written = text.encode(errors="replace")
    return len(written) / len(zlib.compress(written)) if written else 0.0


def is_japanese(text: str) -> bool:
    """Whether at least a quarter of the characters are Japanese."""
    if text.isascii():
        return False
    return sum(map(len, _CJK_CHARS.findall(text))) >= _CJK_TEXT_FRACTION * len(text)


def echoes(answer: str, question: str) -> bool:
    """Whether the answer starts with (at least four fifths of) the question.

    A Japanese question asks at its end, and a good answer may begin with all that comes before: there the whole
    question must be repeated, but for a closing か.
    """
    asked = normalize(question)
    if is_japanese(asked):
        start = asked.removesuffix("か")
    else:
        start = asked[: max(_ECHO_MIN_CHARS, int(_ECHO_FRACTION * len(asked)))]
    return bool(start) and normalize(answer).startswith(start)


def refuses(answer: str, gold: str = "") -> bool:
    """Whether the head of the answer says that it is not known or cannot be answered."""
    return bool(_REFUSAL.search(fold(head(answer, gold))))


def without_list_markers(text: str) -> str:
    """The text without the numbers that count its own lines, which claim nothing."""
    return _LIST_MARKER.sub("", text)


def newline_tail(text: str, at_least: int = _NEWLINE_TAIL_CHARS) -> bool:
    """Whether the text runs out into `at_least` characters of white space with a line break among them."""
    tail = text[len(text.rstrip()) :]
    return len(tail) >= at_least and "\n" in tail


def polarity(answer: str, question: str = "") -> Polarity | None:
    """Yes or no, read from the first sentence that is not the question again; None where it says neither.

    A leading yes or no decides; otherwise a denial anywhere in the sentence, then an affirmation. A Japanese predicate
    that is negated (飛びません) denies what the question asks; where the question negates it too, it affirms.
    """
    sentence = _LEAD_IN.sub("", fold(_first_statement(answer, question)))
    if _LEADING_YES.match(sentence):
        return "yes"
    if _LEADING_NO.match(sentence) and not _SURE_IN_JA.match(sentence):
        return "no"
    if _SURE_IN_JA.search(sentence):
        return "yes"
    if _DENIAL.search(_NO_DOUBT.sub(" ", sentence)):
        return "no"
    if _denies_question(sentence, question):
        return "yes" if _denies_question(_QUESTION_END.sub("", fold(question).strip()), "") else "no"
    if _AFFIRMATION.search(sentence) or _SAME_VERB.match(sentence):
        return "yes"
    asked = _JA_ASKED.search(fold(question).strip())
    return "yes" if asked and sentence.startswith(asked[1]) else None


def _denies_question(sentence: str, question: str) -> bool:
    """Whether a clause of a Japanese sentence is negated that speaks of what the question does, or of nothing else."""
    if sentence.isascii():
        return False
    asked = fold(question)
    for clause in _JA_CLAUSE_END.split(sentence):
        clause = clause.strip()
        if _NEGATED.search(clause) and not _NOT_NEGATED.search(clause):
            said = _JA_CONTENT.findall(clause)
            if not question or not said or any(part in asked for part in said):
                return True
    return False


def statement(answer: str, question: str) -> str:
    """The answer from its first sentence that does not merely ask; "" where there is none."""
    first = _first_statement(answer, question)
    text = unicodedata.normalize("NFKC", answer)
    return text[text.index(first) :] if first else ""


def _first_statement(answer: str, question: str) -> str:
    """The first sentence that does not merely ask; tuned models often repeat the question first."""
    text = unicodedata.normalize("NFKC", answer).strip()
    asked = unicodedata.normalize("NFKC", question).strip()
    if asked and text.casefold().startswith(asked.casefold()):
        text = text[len(asked) :]
    sentences = (part for part in _SENTENCE_END.split(text) if part and part.strip())
    return next((part for part in sentences if not _QUESTION_END.search(fold(part))), "")
