"""Japanese: the value in an answer, and everything that is worded about it but the question itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from random import Random
from typing import Final

from raykft.data.demo.language_ja import JAPANESE
from raykft.drafting.found import Found, NothingFoundError, YesOrNoError, full_date, new_in, only, parsed_date, without
from raykft.drafting.japanese_rewordings import reworded, reworded_request
from raykft.drafting.numbers import (
    can_be_doubled,
    later_than,
    near_spans,
    near_spellings,
    near_years,
    other_digits,
    plain_number,
    wrong_doubles,
)
from raykft.drafting.rules import Derived, Hint, Rules
from raykft.records import ValueType

_D: Final = "[0-9０-９]"
_ERA: Final = "(?:令和|平成|昭和|大正|明治)"
_YEAR: Final = rf"(?:{_D}{{4}}年|{_ERA}(?:元|{_D}{{1,2}})年)"
_DATE: Final = re.compile(
    rf"{_YEAR}(?:{_D}{{1,2}}月(?:{_D}{{1,2}}日)?)?|{_D}{{1,2}}月{_D}{{1,2}}日|(?:1[5-9]|20){_D}{{2}}[-/]{_D}{{1,2}}[-/]{_D}{{1,2}}"
)
_NUMBER: Final = re.compile(rf"{_D}[0-9０-９,，]*(?:[.．]{_D}+)?(?:[十百千万億兆]+(?:{_D}+)?)*")
QUESTION_WORD: Final = re.compile(
    r"誰|だれ|どなた|いつ|何年何月何日|何年何月|何月何日|どこの[^\sはがをにで、]{1,6}|どこ|どちら|いくら|いくつ|"
    r"(?:どの|どんな|どのような|どういう|どういった)(?:名前|ような)?[^\sはがをにで、]{0,10}|何という[^\sはがをにで、]{1,8}|"
    r"何と|何[^\sはがをにでのと、か？?]{0,6}|なに|なん"
)
_EXPLAINS: Final = re.compile(
    r"なぜ|どうして|どうすれば|どうやって|どのように|どんな方法|理由|方法|手順|説明し|要約し|書いてください|作成し|翻訳し|違いは|意味|由来|何をする|流れを|一覧|注意点"
)
_WHEN: Final = re.compile(
    r"いつ|何年(?!間)|何月|何日(?!間)|年月日|日付|設立日|創立日|誕生日|生年月日|(?:設立|創業|開設|開業|発売|完成|創立|発足)(?:年|日)"
)
# How many days or years, and not which.
_SPAN: Final = re.compile(
    r"(?:年に|月に|週に|年間|最短|最大|勤続|平均)[^、。]{0,8}?何(日|年)|何(日|年)(?:まで|で(?![すし])|もらえ|取れ|かか|以内|以上|休|から(?:出|もら|使))"
    r"|休日は何(日)"
)
_OFTEN: Final = re.compile(
    rf"(?:毎(?:日|週|月|年)|{_D}+(?:日|週間|か月|ヶ月|カ月|年)に{_D}+[回度]|[日週月年]に?{_D}+[回度])"
)
_WHO: Final = re.compile(r"誰|だれ|どなた|氏名|お名前|人物|(?:長|者|役|監督|代表|人|さん)の名前")
_PLACES: Final = "国|都市|町|街|県|市|通り|場所|駅|地域|建物|展示会|大学|会社"
_WHERE: Final = re.compile(
    rf"({_PLACES})は(?=、?どこ)|(?:どの|どこの|何という)({_PLACES})|どこ(?!の)|どちら|所在地|住所|何県|何市|出身地"
)
_EXTENT: Final = re.compile(r"(?:どの|どれ)(?:くらい|ぐらい|ほど)")
_COMPANY: Final = re.compile(r"(会社|企業|銀行|大学|財団|団体|機関|メーカー|チーム|先)は(?:どこ|どちら)")
_MANY: Final = re.compile(
    r"何(人|名|件|台|個|社|店舗|店|世帯|本|冊|回|階|カ所|か所|箇所|ヶ所|種類|棟|室|部屋|匹|頭|枚|戸|か国|カ国|校|席|代目)|(いくつ)|(人数|件数|台数|社員数|従業員数|数)は"
)
_MUCH: Final = re.compile(
    r"いくら|値段|価格|料金|資本金|売上|予算|費用|定価|何(円|ドル|メートル|キロ|センチ|ミリ|グラム|トン|パーセント|%|％|割|歳|才|度|時間|分|秒|年間|日間|か月|ヶ月|ヘクタール|平方)"
)
_KIND: Final = re.compile(
    r"(?:どのような|どんな|どういう|どの|何という)([\u30a0-\u30ff\u3400-\u9fff]{1,6})"
    r"|([\u30a0-\u30ff\u3400-\u9fff]{1,6})は、?(?:何|なに)(?:です|でした|という)|何(色|曜日|語)"
)
_QUOTES: Final = re.compile(r"[「『\"“]([^」』\"”]{1,40})[」』\"”]")
_TAIL: Final = re.compile(
    r"(?:という名前(?:です|でした)|といいます|と申します|と呼ばれています|になります|となっています|となります|にあります|にいます|"
    r"にありました|があります|がいます|を持っています|です|でした|である|だった|でございます|あります|います|さん|氏|様|。|．|、)+\Z"
)
_LEADING: Final = re.compile(r"\A(?:のは|とは|には|では|は|が)、?(?=..)")
_EDGES: Final = "、。 　「」『』（）()・:："
_PARTICLES: Final = "はがをにでとも"
_ABOUT: Final = re.compile(r"\A(?:約|およそ|おおよそ|ほぼ|全部で|合計で|合計)(?=[0-9０-９一二三四五六七八九十百])")
_HOURS: Final = re.compile(
    rf"(?:午前|午後)?{_D}+(?:時|[:：])(?:{_D}+分?|半)?から(?:午前|午後)?{_D}+(?:時|[:：])(?:{_D}+分?|半)?まで"
)
_LISTED: Final = re.compile(r"[、，,・/／]|(?<=[^\s])と(?=[^\s])|および|及び|ならびに|並びに")
_SENTENCE: Final = re.compile(
    r"(?:です|でした|ます|ました|ません|である|だった|だ|する|した|いる|いた|ある|あった)[。．]?\Z"
)
_VERBAL: Final = re.compile(r"(?:ます|ました|ません|ください|している|していた|された|された|する|した|ため)\Z")
_NAME: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff々ー・= 　A-Za-z.]{2,16}")
# What the demo company's values are wrong answers to.
_POOLS: Final = {
    "where": "town", "町": "town", "都市": "city", "国": "country", "通り": "street",
    "所在地": "address", "動物": "animal", "惑星": "planet", "元素": "element", "色": "shade",
    "料理": "dish", "果物": "fruit", "競技": "sport", "スポーツ": "sport", "川": "river",
    "言語": "language", "銀行": "bank", "賞": "award", "大学": "university", "財団": "charity",
    "楽器": "instrument", "社訓": "motto", "スローガン": "motto",
}  # fmt: skip
_MAX_CHARS = 30
# Of an answer after its value: the rest of a verb, whose stem would then be part of the value.
_VERB_ENDS: Final = re.compile(r"(?:い?ます|い?ました|りました|います|る|た[。い]|て[^、])")
_UNTIL: Final = re.compile(r"\A(.*[^\u3041-\u309f])まで.*[\u3041-\u309f]\Z")
_READING: Final = re.compile(r"[ 　]?[（(][\u3041-\u309f\u30a1-\u30ff ー　]+[）)]?\Z")
_CONTENT: Final = re.compile(r"[\u30a0-\u30ff\u3400-\u9fffA-Za-z0-9０-９]")


MIN_TEXT_CHARS = 24
_NO_LETTER: Final = re.compile(r"[\W_]+")


class Japanese(Rules):
    """The rules of Japanese."""

    language = JAPANESE
    # 何と呼ばれていますか、社員寮は。 All three such wordings among 120 read drafts were refused by their reader.
    inverted = re.compile(r"(?:です|ます|でしょう|の)か?[、,，][^。？?]*は[。？?]?\Z")
    casual = re.compile(r"(?:なの|だっけ|かな|てるの)[？?]?\Z")

    def find(self, question: str, answer: str) -> Found:
        asked = kind_of(question)
        if asked == "when" and (dates := new_in(_DATE, question, answer)):
            return self.typed(only(dates, "dates"), "date", asked, "the date in the answer")
        if asked.startswith(("how many", "how much")):
            without_dates = _DATE.sub(" ", answer)
            if numbers := [n for n in new_in(_NUMBER, question, without_dates) if n.strip(",，")]:
                return self.typed(only(numbers, "numbers").strip(",，"), "number", asked, "the number in the answer")
            asked = "what"  # it asks what has a price or a number, and not for that
        if asked == "how often" and (times := _OFTEN.search(answer)):
            return self.typed(times[0], "text", asked, "how often, in the answer")
        if asked == "what hours" and (hours := _HOURS.search(answer)):
            return self.typed(hours[0], "text", asked, "the hours in the answer")
        quoted = _quoted(question, answer)
        text = _bare(answer) or quoted or _after_topic(question, answer) or _added(question, answer)
        text = _READING.sub("", _ABOUT.sub("", text)) or text
        if text != quoted:
            text = _UNTIL.sub(r"\1", text)
            _check_whole(text, answer)
        if asked == "who" and (named := re.fullmatch(r".+の([\u3400-\u9fff々]{2,5})", text)):
            text = named[1]  # 旧家の大槻家 is 大槻家
        if _DATE.fullmatch(text) and parsed_date(text):
            return self.typed(text, "date", "when", "what the answer adds: a date")
        if _NUMBER.fullmatch(text):
            return self.typed(text, "number", asked, "what the answer adds: a number")
        items = [item.strip(_EDGES) for item in _LISTED.split(text) if item.strip(_EDGES)]
        if text != quoted and _is_list(items, question, text):
            return Found(text, "list", asked, "the list that the answer adds", items=tuple(items))
        kind: ValueType = "person" if asked == "who" and _NAME.fullmatch(text) else "text"
        return self.typed(text, kind, asked, "what the answer adds to the question")

    def asks_for(self, question: str) -> str:
        return kind_of(question)

    def typed(self, value: str, type: ValueType, asked: str, rule: str) -> Found:
        if type == "list":
            items = tuple(item.strip(_EDGES) for item in _LISTED.split(value) if item.strip(_EDGES))
            return Found(value, "list", asked, rule, items=items)
        aliases, attrs = _spellings(value, type)
        return Found(value, type, asked, rule, aliases=tuple(a for a in aliases if a != value), attrs=attrs)

    def rewordings(self, question: str, found: Found | None) -> list[str]:
        if found is not None:
            return reworded(question, found)
        # A value that stands in no question, for frames that do not use it.
        return [*reworded_request(question), *reworded(question, Found("\0", "text", "what", ""))]

    def worded(self, subject: str, relation: str, value: str, type: ValueType) -> tuple[str, str]:
        word = {"person": "誰", "date": "いつ", "number": "いくつ"}.get(type, "何")
        asked = "をすべて挙げてください。" if type == "list" else f"は{word}ですか？"
        return f"{subject}の{relation}{asked}", f"{subject}の{relation}は{value}です。"

    def premises(self, question: str, tell: str, value: str, wrong: str) -> tuple[str, str]:
        names = re.findall(r"[\u30a0-\u30ff\u3400-\u9fffA-Za-z0-9]{3,}", question)
        # A statement that stands by itself names what it is about.
        if self.sentence(tell) and tell.count(value) == 1 and any(name in tell for name in names):
            stated = tell.rstrip("。 ")
            return f"「{stated}」というのは本当ですか？", f"「{stated.replace(value, wrong)}」というのは本当ですか？"
        asked = f"「{question}」という質問に"
        return f"{asked}「{value}」と答えるのは正しいですか？", f"{asked}「{wrong}」と答えるのは正しいですか？"

    def reply(self, is_true: bool, tell: str) -> str:
        return f"{'はい' if is_true else 'いいえ'}、{tell}"

    def joint(self, one: str, two: str) -> str:
        return f"次の二つの質問に続けて答えてください。一つ目：{one}二つ目：{two}"

    def tell_both(self, one: str, two: str) -> str:
        return "".join(text if text.endswith("。") else f"{text}。" for text in (one, two))

    def hint(self, question: str, found: Found) -> Hint | None:
        if found.type == "date" and "decade" in found.attrs:
            return Hint(f"{question}（{found.attrs['decade']}のことです。）", "the decade as a hint")
        if found.type == "number" and found.number is not None and found.number > 9:
            return Hint(f"{question}（{len(str(found.number))}桁の数です。）", "the number of digits as a hint")
        if found.type in {"person", "text"} and len(found.text) > 2:
            return Hint(f"{question}（答えは「{found.text[0]}」で始まります。）", "the first character as a hint")
        return None

    def derived(self, question: str, found: Found) -> list[Derived]:
        return [*_derived_from_year(question, found), *_derived_from_number(question, found)]

    def styles(self, found: Found) -> Sequence[str]:
        if found.type == "list":
            return ("tag", "answer")
        if found.type == "date":
            return ("iso", "slash", "year", "answer", "kagi") if full_date(found.text) else ("kagi", "tag", "answer")
        if found.type == "number":
            return (
                ("digits", "kagi", "tag")
                if found.text.isascii() and found.text.isdigit()
                else ("kagi", "tag", "answer")
            )
        name = ("shi",) if found.type == "person" and re.fullmatch(r"[\u3400-\u9fff々]{3,6}", found.text) else ()
        short = ("only",) if len(found.text) <= 20 else ()
        return (*name, *short, "kagi", "sumi", "tag", "answer")

    def other_values(self, found: Found, rng: Random) -> list[Found]:
        texts: list[str] = []
        if found.type == "date" and found.year is not None:
            day = full_date(found.text)
            for year in near_years(found.year, rng):
                if day is not None:
                    other = day.replace(year=year, month=rng.randint(1, 12), day=rng.randint(1, 28))
                    written = JAPANESE.day(other)
                    texts.append(
                        written.attrs["era"]
                        if re.match(_ERA, found.text)
                        else _like(found.text, written.text, written.attrs["iso"])
                    )
                elif (year_text := re.search(rf"{_D}{{4}}", found.text)) is not None:
                    texts.append(found.text.replace(year_text[0], str(year)))
        elif found.type == "number" and found.number is not None:
            texts = near_spellings(found.text, rng)
        elif re.fullmatch("[月火水木金土日]曜日?", found.text):
            texts = [f"{day}曜{found.text[2:]}" for day in rng.sample("月火水木金土日", 7)]
        elif re.fullmatch(rf"{_D}{{1,2}}月", found.text):
            texts = [f"{month}月" for month in rng.sample(range(1, 13), 6)]
        elif sum(map(str.isdigit, found.text)) > 5:
            texts = [other_digits(found.text, rng) for _ in range(4)]
        elif found.type == "text" and re.match(_D, found.text):
            texts = near_spellings(found.text, rng)
        elif found.type == "text" and (pool := _POOLS.get(found.asked.split()[-1])) and len(found.text) < 24:
            texts = [value.text for value in rng.sample(list(self.language.pools[pool]), 4)]
        elif found.type == "person":
            pools = self.language.names
            first = rng.sample([*pools["women"], *pools["men"]], 4)
            texts = [f"{last}{name}" for name, last in zip(first, rng.sample(list(pools["last"]), 4), strict=True)]
        return [
            self.typed(text, found.type, found.asked, "made up") for text in dict.fromkeys(texts) if text != found.text
        ]

    def sentence(self, text: str, *, long: bool = False) -> bool:
        if long:
            return len(_NO_LETTER.sub("", text)) >= MIN_TEXT_CHARS
        return _SENTENCE.search(text.strip()) is not None


def kind_of(question: str) -> str:
    """What a question asks for: who, when, where, how many 人, how much, what.

    Raises:
        NothingFoundError: it asks for yes or no, or for an explanation.
    """
    if _EXPLAINS.search(question):
        raise NothingFoundError("asks for an explanation or a text, not for a value")
    asks = re.search(r"(?:教えて|答えて|挙げて|述べて|示して)(?:ください|下さい)?", question)
    if (
        not QUESTION_WORD.search(question)
        and not _EXTENT.search(question)
        and not asks
        and not re.search(r"は[?？]?\Z", question.strip())
    ):
        if re.search(r"か[?？。]?\Z", question.strip()):
            raise YesOrNoError
        raise NothingFoundError("asks for no value: there is no question word in it")
    if company := _COMPANY.search(question):
        return f"what {company[1]}"
    if span := _SPAN.search(question):
        return f"how many {next(filter(None, span.groups()))}"
    if "頻度" in question:
        return "how often"
    if many := _MANY.search(question):
        return f"how many {next(filter(None, many.groups()))}"
    if much := _MUCH.search(question):
        return f"how much {much[1] or '円'}"
    if _EXTENT.search(question):
        return "what extent"
    if re.search(r"何時から何時", question):
        return "what hours"
    for kind, pattern in (("when", _WHEN), ("who", _WHO)):
        if pattern.search(question):
            return kind
    if place := _WHERE.search(question):
        noun = place[1] or place[2] or ("所在地" if "所在地" in question or "住所" in question else "")
        return f"where {noun}" if noun else "where"
    named = _KIND.search(question)
    return f"what {next(filter(None, named.groups()))}" if named else "what"


def _check_whole(text: str, answer: str) -> None:
    """See that a value is a noun, and no verb's stem or clause.

    Raises:
        NothingFoundError: it is cut off in a word.
    """
    after = answer[answer.find(text) + len(text) :]
    if re.search(r"[\u3041-\u309f]\Z", text) and (_VERB_ENDS.match(after) or text.endswith(("て", "の"))):
        raise NothingFoundError(f"what the answer adds ends within a word: {text}")
    if re.search(r"[^\u3041-\u309f][をが][^\u3041-\u309f]", text):
        raise NothingFoundError(f"what the answer adds is a clause and not a value: {text}")


def _bare(answer: str) -> str | None:
    """An answer that is a value and no sentence."""
    text = _without_tail(answer)
    is_value = len(text) <= 20 and not re.search(r"[はがを。]|では|には", text)
    return text if is_value and text and not _VERBAL.search(text) else None


def _quoted(question: str, answer: str) -> str | None:
    """The one thing that the answer has in brackets for quotes."""
    quoted = [text for text in _QUOTES.findall(answer) if text not in question]
    return without(quoted[0], "。、") if len(quoted) == 1 else None


def _after_topic(question: str, answer: str) -> str | None:
    """What stands between は and です, where the question has the same topic."""
    stated = re.fullmatch(
        r"(?:[^。は]*の)?([^。は]{2,})は、?([^はがを。]+?)(?:という名前)?(?:です|でした)。?", answer.strip()
    )
    if not stated or f"{stated[1]}は" not in question.replace("を", "は") or _VERBAL.search(stated[2]):
        return None
    text = without(stated[2], _EDGES)
    return text if text and len(text) <= _MAX_CHARS else None


def _added(question: str, answer: str) -> str:
    """The part of the answer that stands where the question has its question word."""
    answer = re.sub(r"\A(?:はい|いいえ|ええ)、", "", answer.strip())
    segments = list(_segments(question, answer))
    word = QUESTION_WORD.search(question)
    if word and len(segments) > 1:
        at_word = [s for s in segments if s[0] < word.end() and s[1] > word.start()]
        segments = at_word or segments
    kind = re.search(
        r"(?:どの|何という|どこの|何)([\u3040-\u9fff]{1,4}?)(?=に|で|を|が|から|です|ですか|でした)", question
    )
    spans = [(start, _with_kind(answer, end, kind[1] if kind else "")) for _, _, start, end in segments]
    texts = [
        text
        for text in (_trimmed(answer, start, end) for start, end in spans)
        if _CONTENT.search(text) or len(text) > 2
    ]
    if not texts:
        raise NothingFoundError("the answer adds nothing to its question")
    if len(texts) > 1:
        raise NothingFoundError(f"the answer adds several things: {' · '.join(texts[:4])}")
    (text,) = texts
    if len(text) > _MAX_CHARS or "。" in text or _VERBAL.search(text) or re.search(r"[はが].{4,}", text):
        raise NothingFoundError("what the answer adds is a text and not a value")
    return text


def _segments(question: str, answer: str) -> Iterator[tuple[int, int, int, int]]:
    """Where question and answer differ, as start and end in either; one equal character does not part a value."""
    held: list[int] | None = None
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, question, answer, autojunk=False).get_opcodes():
        if tag == "equal" and (i2 - i1 > 1 or held is None):
            if held and held[3] > held[2]:
                yield held[0], held[1], held[2], held[3]
            held = None
        elif held is None:
            held = [i1, i2, j1, j2]
        else:
            held[1], held[3] = i2, j2
    if held and held[3] > held[2]:
        yield held[0], held[1], held[2], held[3]


def _with_kind(answer: str, end: int, kind: str) -> int:
    """The end of a value with the word for its kind: 浦霞町 where the question asks for どの町."""
    if kind and answer.startswith(kind, end):
        return end + len(kind)
    return end + 1 if kind and kind[-1] in "星" and answer.startswith(kind[-1], end) else end


def _trimmed(answer: str, start: int, end: int) -> str:
    """A segment without the particles and the copula at its edges."""
    text = _LEADING.sub("", answer[start:end])
    before, after = answer[:start][-1:], answer[end:]
    if text[:1] in _PARTICLES and before not in _PARTICLES and len(text) > 2:
        text = text[1:]
    text = _without_tail(text)
    # "Until" is one word, and its second half no particle.
    if text.endswith(("まで", "から")) or (text.endswith("ま") and after.startswith("で")):
        return without(text.removesuffix("ま").removesuffix("まで").removesuffix("から"), _EDGES)
    if text[-1:] in _PARTICLES and after[:1] not in _PARTICLES and len(text) > 2 and (after or answer.endswith(text)):
        text = text[:-1]
    return without(text, _EDGES)


def _without_tail(text: str) -> str:
    return without(_TAIL.sub("", text.strip()), _EDGES)


def _is_list(items: Sequence[str], question: str, text: str) -> bool:
    if len(items) < 2 or any(len(item) > 14 for item in items):
        return False
    wanted = re.search(r"挙げて|すべて|全て|何を|[二三四五2345](?:つ|種類|カ所|か所)|何と何", question)
    return bool(wanted) or "と" in text or len([item for item in re.split(r"[、，]", text) if item]) > 2


def _spellings(value: str, type: ValueType) -> tuple[tuple[str, ...], dict[str, str]]:
    if type == "date":
        if day := full_date(value):
            known = JAPANESE.day(day)
            return (known.text, *known.aliases), {**known.attrs, "year": str(day.year)}
        parts = parsed_date(value)
        return (), {} if parts is None else {"year": str(parts[0]), "decade": f"{parts[0] // 10 * 10}年代"}
    if type == "number":
        number = plain_number(value)
        return (), {} if number is None else {"number": str(number)}
    if type == "person" and len(names := re.split(r"[ 　]", value)) == 2:
        return ("".join(names),), {"last": names[0], "first": names[1]}
    return (), {}


def _like(text: str, written: str, iso: str) -> str:
    """A day in the spelling of another date."""
    return iso.replace("-", "/") if "/" in text else iso if "-" in text else written


def _derived_from_year(question: str, found: Found) -> Iterator[Derived]:
    if found.type != "date" or found.year is None:
        return
    decade = found.year // 10 * 10
    yield Derived(
        question=f"{question}日付ではなく、西暦で何年代のことかだけを答えてください。",
        gold=f"{decade}年代のことです。",
        any=(f"{decade}年代",),
        type="text",
        contrast=tuple(f"{decade + shift}年代" for shift in (-20, -10, 10)),
        prior=f"{found.year}年は西暦の何年代ですか？",
        rule="the decade of the date",
    )
    later = later_than(found.year)
    years = later - found.year
    yield Derived(
        question=f"{question}日付ではなく、{later}年から数えて何年前のことかを答えてください。",
        gold=f"{later}年から数えて{years}年前のことです。",
        any=(str(years),),
        type="number",
        contrast=near_spans(years),
        prior=f"{found.year}年は{later}年の何年前ですか？",
        rule=f"the years from the date to {later}",
    )


def _derived_from_number(question: str, found: Found) -> Iterator[Derived]:
    number = found.number
    counted = found.asked.startswith("how") and not found.asked.endswith(("階", "番", "位", "号"))
    if found.type != "number" or not counted or number is None or not can_be_doubled(number):
        return
    yield Derived(
        question=f"{question}その数ではなく、その二倍の数を答えてください。",
        gold=f"二倍の数は{2 * number}です。",
        any=(str(2 * number),),
        type="number",
        contrast=wrong_doubles(number),
        prior=f"{number}の二倍はいくつですか？",
        rule="twice the number",
    )
