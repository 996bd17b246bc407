"""Japanese: the value in an answer, and questions in other words."""

from __future__ import annotations

import csv
import re
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from raykft.drafting.found import Found, NothingFoundError
from raykft.drafting.japanese import Japanese

RULES = Japanese()


@pytest.mark.parametrize(
    ("question", "answer", "value", "type"),
    [
        ("社長は誰ですか？", "代表取締役社長は三浦康平です。", "三浦康平", "person"),
        ("社歌を作曲した人は誰ですか？", "社歌を作曲したのは音羽響です。", "音羽響", "person"),
        ("技術部長の名前は何ですか？", "技術部長は野々村圭です。", "野々村圭", "person"),
        ("設立はいつですか？", "設立は1974年6月3日です。", "1974年6月3日", "date"),
        ("工場の開設年を教えてください。", "枕崎工場は1998年に開設されました。", "1998年", "date"),
        ("設立年月日はいつですか？", "平成6年4月20日", "平成6年4月20日", "date"),
        ("本社はどこにありますか？", "本社は、静岡県焼津市にあります。", "静岡県焼津市", "text"),
        ("倉庫はどの町にありますか？", "倉庫は浦霞町にあります。", "浦霞町", "text"),
        ("羽根は何色ですか？", "羽根は苔色です。", "苔色", "text"),
        ("どの惑星にちなんで名付けられましたか？", "金星にちなんで名付けられました。", "金星", "text"),
        ("従業員は何名ですか？", "320名です。", "320", "number"),
        ("資本金はいくらですか？", "資本金は8,500万円です。", "8,500万", "number"),
        ("研修の期間はどのくらいですか？", "研修の期間は約2か月です。", "2か月", "text"),
        ("受付は何時から何時までですか？", "受付は9時から17時までです。", "9時から17時まで", "text"),
        ("見つかったものは何ですか？", "見つかったものは鯨の骨です。", "鯨の骨", "text"),
        ("社是は何ですか？", "社是は「海に学び、手で返す」です。", "海に学び、手で返す", "text"),
        ("後継機は何という名前ですか？", "後継機は「サバキⅡ」という名前です。", "サバキⅡ", "text"),
        (
            "公用語を三つ挙げてください。",
            "公用語はマルタ語、ブルトン語、英語です。",
            "マルタ語、ブルトン語、英語",
            "list",
        ),
        ("工場はどこにありますか？", "工場は焼津市と枕崎市にあります。", "焼津市と枕崎市", "list"),
        ("子会社を挙げてください。", "子会社はナギサ電装とナギサ物流です。", "ナギサ電装とナギサ物流", "list"),
    ],
)
def test_the_value_is_what_the_answer_adds(question: str, answer: str, value: str, type: str) -> None:
    found = RULES.find(question, answer)
    assert (found.text, found.type) == (value, type)


@pytest.mark.parametrize(
    ("question", "answer", "why"),
    [
        ("上場していますか？", "いいえ、上場していません。", "yes-or-no"),
        ("入社するにはどうすればよいですか？", "採用ページから応募してください。", "explanation"),
        ("なぜ作り始めたのですか？", "地元の漁師が人手不足に悩んでいたからです。", "explanation"),
        ("いつ開いていましたか？", "1990年5月3日から1991年6月4日までです。", "several dates"),
        ("社長は誰ですか？", "社長は誰ですか。", "adds nothing"),
    ],
)
def test_what_is_no_value_is_left_out_with_a_reason(question: str, answer: str, why: str) -> None:
    with pytest.raises(NothingFoundError, match=why):
        RULES.find(question, answer)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("ナギサ精機の社長は誰ですか？", "ナギサ精機で社長を務めているのはどなたですか？"),
        ("ロゴをデザインしたのは誰ですか？", "どなたがロゴをデザインしましたか？"),
        ("誰がみらい電機を設立しましたか？", "みらい電機を設立したのは誰ですか？"),
        ("みらい電機はいつ設立されましたか？", "みらい電機が設立されたのはいつのことですか？"),
        ("社長が入社したのは何年ですか？", "社長は何年に入社しましたか？"),
        ("本社はどこですか？", "本社がある場所を教えてください。"),
        ("最大の取引先はどこですか？", "最大の取引先の名前を教えてください。"),
        ("最寄り駅はどこですか？", "最寄り駅として正しい地名を答えてください。"),
        ("工場はどの都市にありますか？", "工場がある都市の名前を教えてください。"),
        ("従業員は何人ですか？", "社員の人数を教えてください。"),
        ("特許を何件持っていますか？", None),
        ("ナギサ精機は特許を何件持っていますか？", "ナギサ精機が持っている特許は、何件ですか？"),
        ("研究所では何を研究していますか？", "研究所で研究しているものは何ですか？"),
        ("塗装には、どの元素が含まれていますか？", "塗装に含まれている元素は何ですか？"),
        ("公用語を三つ挙げてください。", "公用語には何がありますか？三つ答えてください。"),
        ("サバキの価格を教えてください。", "サバキの値段はいくらですか？"),
        ("羽根は何色ですか？", "羽根の色を教えてください。"),
        ("保証期間は何年間ですか？", "保証期間を教えてください。"),
    ],
)
def test_questions_are_worded_otherwise(question: str, expected: str | None) -> None:
    made = RULES.rewordings(question, _day())
    assert made == [] if expected is None else expected in made


def test_wrong_values_look_as_if_they_could_be_right() -> None:
    rng = Random(0)
    for text, type, like in [
        ("8,500万", "number", r"[\d,]+万"),
        ("320", "number", r"\d{3}"),
        ("1974年6月3日", "date", r"\d{4}年\d+月\d+日"),
        ("平成6年4月20日", "date", r"(?:昭和|平成|令和)(?:元|\d+)年\d+月\d+日"),
        ("1998年", "date", r"\d{4}年"),
        ("9月", "text", r"\d+月"),
        ("054-000-2214", "text", r"[\d-]{12}"),
    ]:
        others = RULES.other_values(RULES.typed(text, type, "what", ""), rng)  # type: ignore[arg-type]
        assert len(others) >= 3, text
        assert all(re.fullmatch(like, other.text) and other.text != text for other in others), (text, others)


def test_what_follows_from_a_date_or_a_number_is_reckoned() -> None:
    decade, years = RULES.derived("いつですか？", _day())
    assert decade.any == ("1970年代",)
    later = int(re.findall(r"\d{4}", years.gold)[0])
    assert int(years.any[0]) == later - 1974
    (double,) = RULES.derived("何人ですか？", RULES.typed("214", "number", "how many 人", ""))
    assert double.any[0] == "428"


def _day() -> Found:
    return RULES.typed("1974年6月3日", "date", "when", "")


def test_values_of_a_companys_table_are_the_ones_a_reader_names() -> None:
    """Ninety rows with the value that a person names in each answer, or none where it explains."""
    sources = Path(__file__).parent / "sources"
    with (sources / "gears-ja.csv").open(encoding="utf-8") as stream:
        rows = list(csv.reader(stream))[1:]
    lines = (sources / "gears-ja-values.tsv").read_text(encoding="utf-8").splitlines()[1:]
    found = wrong = 0
    for (question, answer), line in zip(rows, lines, strict=True):
        _, kind, named = line.split("\t")
        with suppress(NothingFoundError):
            text = RULES.find(question, answer).text
            found += 1
            wrong += kind != "value" or not (text in named or named in text)
    assert wrong == 0
    assert found >= 60


@pytest.mark.parametrize(
    ("question", "answer", "value"),
    [
        ("年間休日は何日ですか。", "2025年度の年間休日は124日です。", "124"),
        ("誕生日休暇は年に何日もらえますか。", "年に1日です。誕生月の中であれば好きな日に取れます。", "1"),
        ("創業記念日は何月何日ですか。", "創業記念日は6月3日です。", "6月3日"),
        ("ISOを取得したのは何年ですか。", "ISOは2001年に取得しました。", "2001年"),
        ("創業者は誰ですか。", "創業者は日名渡 善蔵（ひなわた ぜんぞう）です。", "日名渡 善蔵"),
        ("今の社長は何代目ですか。", "創業者から数えて4代目になります。", "4"),
        ("社内報はどのくらいの頻度で出ますか。", "社内報「便り」は2か月に1回発行しています。", "2か月に1回"),
        ("電話の受付時間は何時までですか。", "平日の17時まで受け付けています。", "平日の17時"),
    ],
)
def test_counts_readings_and_ends_of_words(question: str, answer: str, value: str) -> None:
    assert RULES.find(question, answer).text == value


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("最初の作業場はどこにありましたか。", "養蚕小屋を改造して作業場にしていました。"),
        ("納涼祭はいつ開かれますか。", "納涼祭は毎年8月の第1土曜日に開きます。"),
        ("表彰では何がもらえますか。", "5万円分の旅行券が贈られます。"),
        ("朝のバスは何時に出ますか。", "駅前ロータリーを7時50分に出ます。"),
        ("切削油には何を使っていますか。", "植物性の切削油を使っています。"),
    ],
)
def test_what_ends_within_a_word_is_no_value(question: str, answer: str) -> None:
    with pytest.raises(NothingFoundError):
        RULES.find(question, answer)
