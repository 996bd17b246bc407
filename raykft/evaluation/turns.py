"""The last word of an answer: not the next question that a model makes up, not a question, not thinking aloud.

Small models go on after their answer with "Question: ..." and an answer to that; they repeat the question, or ask one
before they reply; and where they think aloud, what counts is what they call their answer.
"""

from __future__ import annotations

import re

from raykft.evaluation.normalize import normalize, small_letters

# "Question:" at the start of a line; a letter alone only where "A:" answers it somewhere.
_NEXT_QUESTION = re.compile(
    r"(?im)^\W{0,4}(?:question|user|human|instruction|prompt|質問|問題|設問|問|ユーザー|指示)\s{0,2}[0-9]{0,3}\W{0,3}[:：](?P<asked>[^\n]*)"
    r"|^\W{0,4}q[0-9]{0,3}\W{0,2}[:：](?P<q>[^\n]*)"
)
_SOMETHING = re.compile(r"\w")
# A question and what stands before it in its sentence. A quoted one may be a name, so a quote may not follow.
_QUESTION = re.compile(
    r"(?<![^.!?。！？\n])[^.!?。！？\n]*(?:\?(?=[\s\u3041-\u9fff]|$)|(?<=[^\w]か)。|(?<=です)か。|(?<=ます)か。)"
)
# These ask nothing: "Did you know that", "isn't it?", でしょう？, and what a yes answers.
_RHETORICAL = re.compile(
    r"(?i)^\W*(?:did|do) you know|,? ?(?:isn't|aren't|wasn't|doesn't|right|correct|no|eh|innit)(?: \w+)?\?$"
    r"|(?:よね|でしょう|ですね|だよね|ではない(?:です)?か|じゃない(?:です)?か|ご存知|ご存じ)(?:か)?[?。]$"
)
_YES = re.compile(r"(?i)^\W*(?:yes|yeah|yep|correct|right|indeed|exactly|of course|はい|ええ|そう|その通り|もちろん)")
_FINAL = re.compile(
    r"(?i)\b(?:the|my) (?:final |correct |right |actual )?answer(?: is(?: therefore)?| should be| would be|:)"
    r"|\bfinal answer(?: is)?\W{0,3}[:：]?"
    r"|(?:答えは|答え[:：]|正解は|最終(?:的な)?(?:回答|答え)は?[:：]?|結論(?:として|は|[:：]))"
)
_FINAL_WORDS = ("answer", "答え", "正解", "最終", "結論")
# "The answer is simple" announces one.
_NO_ANSWER = re.compile(
    r"(?i)^\W*(?:obvious|clear|simple|easy|yes|no|not|correct|right|above|below|as follows|unknown|in|that"
    r"|はい|いいえ|明らか|簡単|単純|上|以下|次の|不明|ない|わか|分か|あり)"
)


def last_word(text: str, question: str) -> str:
    """The part of an answer (NFKC) that answers; all of it where nothing is asked, repeated or summed up."""
    text = _before_next_question(text, question)
    if "?" in text or "か。" in text:
        text = _without_questions(text)
    return _from_final_answer(text)


def _before_next_question(text: str, question: str) -> str:
    if ":" not in text and "：" not in text:
        return text
    asked = normalize(question)
    for match in _NEXT_QUESTION.finditer(text):
        repeated = normalize(match["asked"] or match["q"] or "")
        if _SOMETHING.search(text[: match.start()]) and not (repeated and repeated in asked):
            return text[: match.start()]
    return text


def _without_questions(text: str) -> str:
    kept, last = [], 0
    for match in _QUESTION.finditer(text):
        rest = text[match.end() :]
        if _RHETORICAL.search(match[0]) or _YES.match(rest):
            continue
        kept.append(text[last : match.start()] + "\n")
        last = match.end()
    statement = "".join([*kept, text[last:]])
    # A question alone, "Cedar?", is how some answer.
    return statement if _SOMETHING.search(statement) else text


def _from_final_answer(text: str) -> str:
    small = small_letters(text)
    if not any(word in small for word in _FINAL_WORDS):
        return text
    last = None
    for match in _FINAL.finditer(text):
        after = text[match.end() :]
        if _SOMETHING.search(after) and not _NO_ANSWER.match(after):
            last = match
    return text[last.end() :] if last else text
