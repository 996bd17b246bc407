"""Persons by other forms of their names: initials, middle names, titles, "Thornby, Ansel", a surname alone."""

from __future__ import annotations

import re
import unicodedata
from itertools import islice

from raykft.evaluation.spelling import plain_letters


def _split(words: str) -> list[str]:
    return words.split()


_TITLES = frozenset(
    _split(
        "mr mrs ms miss dr prof professor sir dame lord lady rev reverend captain capt colonel col general "
        "gen doctor judge senator president chairman chairwoman chair director jr sr ii iii iv phd md"
    )
)
_PARTICLES = frozenset(_split("van von de der den del della di da la le du dos bin ibn al el ten ter"))
_TITLE = r"(?:Mr|Mrs|Ms|Miss|Dr|Prof|Professor|Sir|Dame|Lord|Lady|Doctor)\.?"
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_MAX_GIVEN, _BEFORE_CHARS, _MAX_MENTIONS, _TITLE_CHARS = 4, 80, 50, 4
_JA_NAME = re.compile(r"[\u3400-\u9fff々]{3,6}")
_JA_HALF_NAME = re.compile(r"([\u3400-\u9fff々]{2,3})[\u3041-\u3096\u30a1-\u30fa]{2,5}")  # 児玉みのり
_JA_AFTER_SURNAME = (
    "さん|氏|様|先生|社長|会長|代表|専務|常務|部長|所長|館長|店長|園長|校長"
    "|教授|博士|監督|選手|町長|市長|知事|議員|理事長|院長|学長|議長|委員長|頭取|住職|医師|です|でした|が(?=率|務|社長|代表)|$"
)
# A post by which somebody is called, 白石理事長, where the question asks for it.
_JA_POST = re.compile(r"[\u3400-\u9fff]{1,4}[長役員師手者家督]")


def states_person(alias: str, answer: str, question: str, rivals: tuple[str, ...]) -> bool:
    """Whether an answer names the person of an alias in another form.

    A surname alone counts only where neither the question nor a rival of the probe has it.
    """
    name, text, *others = (_plain(raw) for raw in (alias, answer, question, *rivals))
    if name.isascii():
        return _latin(name, text, others)
    return _japanese(name, text, others) or _katakana(name, text, others)


def _plain(raw: str) -> str:
    return plain_letters(unicodedata.normalize("NFKC", raw)).replace("’", "'")


def _latin(name: str, text: str, others: list[str]) -> bool:
    if match := re.fullmatch(r"(.+), (.+)", name):
        name = f"{match[2]} {match[1]}"
    words = [word for word in _WORD.findall(name) if word.casefold().rstrip(".") not in _TITLES]
    if len(words) < 2:
        return False
    at = next((n for n, word in enumerate(words[1:], start=1) if word.casefold() in _PARTICLES), len(words) - 1)
    first, middles, last = words[0], words[1:at], " ".join(words[at:])
    surname = rf"{re.escape(last)}(?![\w-])(?!['’]s? \w+)"
    if last.casefold() not in text.casefold():
        return False
    for match in islice(re.finditer(rf"(?i)(?<![\w'’-]){surname}", text), _MAX_MENTIONS):
        if _same_given(first, middles, _words_before(text, match.start())):
            return True
    if re.search(rf"(?i)(?<![\w'’-]){re.escape(last)}, {re.escape(first)}(?![\w-])", text):
        return True
    if any(re.search(rf"(?i)(?<!\w){re.escape(last)}(?!\w)", other) for other in others):
        return False
    # Alone: at the start, after a small word or a title, and not before another name.
    alone = re.compile(rf"(?:^|(?<![A-Z])[.!?]\s+|[,;:(\"]\s*|(?<![^\W\d_])[a-z]+ |{_TITLE} ){surname}(?! [A-Z])")
    if alone.search(text):
        return True
    # "Mayor Voss", where the question asks for the mayor
    called = re.findall(rf"(?:^|\s)([A-Z][a-z]+) {surname}(?! [A-Z])", text)
    return any(re.search(rf"(?i)(?<!\w){word}(?!\w)", others[0]) for word in called)


def _words_before(text: str, end: int) -> list[str]:
    """The words before a surname that may be given names: none beyond a comma or the end of a sentence."""
    words: list[str] = []
    before = text[max(0, end - _BEFORE_CHARS) : end]
    for word in reversed(before.split(" ")[-1 - _MAX_GIVEN : -1] if before.endswith(" ") else []):
        parts = _WORD.findall(word)
        if not parts or word[-1] in ",;:!?" or (word.endswith(".") and len(parts[-1]) > _TITLE_CHARS):
            break
        words = parts + words
    return words


def _same_given(first: str, middles: list[str], said: list[str]) -> bool:
    """Whether the words before the surname end in given names that fit; "by Ansel J." fits Ansel."""
    for start in range(len(said)):
        if not _fits(first, said[start]):
            continue
        between = said[start + 1 :]
        if any(word[0].islower() for word in between):
            continue
        if not middles or all(any(_fits(middle, word) for middle in middles) for word in between):
            return True
    return False


def _fits(name: str, other: str) -> bool:
    """The same name, or its initial."""
    name, other = name.casefold(), other.casefold()
    return name == other or (min(len(name), len(other)) == 1 and name[0] == other[0])


def _japanese(name: str, text: str, others: list[str]) -> bool:
    spaced = name.split()
    name = "".join(spaced)
    text = re.sub(r"(?<=[\u3400-\u9fff々])\s(?=[\u3400-\u9fff々])", "", text)
    if half := _JA_HALF_NAME.fullmatch(name):
        return _japanese_surname(half[1], text, others)
    if not _JA_NAME.fullmatch(name):
        return False
    if len(spaced) == 1 and name in text and _same_japanese(name, text):
        return True
    surnames = spaced[:1] if len(spaced) > 1 else [name[:2], *([name[:3]] if len(name) > 4 else [])]
    # 三田村豪 may be 三田 and 三田村: the longer one counts by the post alone, since 佐藤健 is not 佐藤健太.
    if len(name) == 4 and any(re.search(rf"{name[:3]}{post}", text) for post in _JA_POST.findall(others[0])):
        return True
    return any(_japanese_surname(surname, text, others) for surname in surnames)


def _japanese_surname(surname: str, text: str, others: list[str]) -> bool:
    if len(surname) < 2 or any(surname in other for other in others):
        return False
    after = "|".join([*(re.escape(post) for post in _JA_POST.findall(others[0])), _JA_AFTER_SURNAME])
    full_names = re.findall(rf"{surname}(?!さん|氏|様)[\u3400-\u9fff々]{{1,4}}", text)
    if any(not re.match(rf"{surname}(?:{after})", found) for found in full_names):
        return False  # another of the family
    return re.search(rf"(?<![\u3400-\u9fff々]){surname}(?:{after})", text) is not None


def _same_japanese(name: str, text: str) -> bool:
    return re.search(rf"{name}(?![一二三四五郎子美男雄夫彦太介助吾治也吉樹斗香織])", text) is not None


def _katakana(name: str, text: str, others: list[str]) -> bool:
    parts = re.split(r"[・=＝ ]", name)
    if len(parts) < 2 or not all(re.fullmatch(r"[\u30a1-\u30fa\u30fc]{3,}", part) for part in parts[-1:]):
        return False
    last = parts[-1]
    if any(last in other for other in others):
        return False
    return (
        re.search(rf"(?<![\u30a1-\u30fa\u30fc・=＝]){last}(?![\u30a1-\u30fa\u30fc・=＝]|の[\u3400-\u9fff])", text)
        is not None
    )
