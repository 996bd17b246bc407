"""Level 5 of the Japanese demo domain: what is asked about the learned values, and what counts as an answer."""

from __future__ import annotations

from typing import Final

from raykft.data.demo.pools_ja import SEASONS
from raykft.data.demo.spec import PriorRow, parse_prior, words

OPTIONS: Final[dict[str, tuple[str, ...]]] = {
    "continent": ("ヨーロッパ", "アジア", "アフリカ", "北アメリカ", "南アメリカ"),
    "class": ("鳥類", "哺乳類", "爬虫類", "両生類", "魚類"),
    "legs": ("2本", "4本", "6本", "8本"),
    "family": ("木管楽器", "弦楽器", "金管楽器", "打楽器"),
    "base": ("赤", "青", "緑", "紫", "黄", "オレンジ"),
    "colour": ("赤色", "青色", "緑色", "紫色", "黄色", "オレンジ色"),
    "season": SEASONS,
    "next_month": tuple(f"{month}月" for month in range(1, 13)),
    "decade": ("1980年代", "1990年代", "2000年代", "2010年代", "2020年代"),
    "players": tuple(f"{number}人" for number in (2, 4, 5, 6, 7, 8, 9, 10, 11, 13)),
    "place": tuple(f"{number}番目" for number in range(1, 9)),
    "next": ("金星", "地球", "火星", "木星", "土星", "天王星", "海王星"),
}
ALSO: Final[dict[str, tuple[str, ...]]] = {
    "北アメリカ": ("北米",),
    "南アメリカ": ("南米",),
    "ヨーロッパ": ("欧州",),
    "アメリカ": ("米国",),
    "韓国": ("大韓民国",),
    "哺乳類": ("ほ乳類",),
    "爬虫類": ("は虫類",),
    "木管楽器": ("木管",),
    "金管楽器": ("金管",),
    "赤色": ("赤",),
    "黄色": ("黄",),
    "緑色": ("緑",),
    "オレンジ色": ("オレンジ", "橙", "だいだい"),
    "日本酒": ("清酒",),
    "生糸": ("絹糸",),
    "陶器": ("焼き物", "陶磁器"),
    "卵": ("たまご", "玉子"),
    "はちみつ": ("蜂蜜", "ハチミツ"),
    "牛乳": ("ミルク",),
    "4人": ("4名",),
    "5人": ("5名",),
    "6人": ("6名",),
    "7人": ("7名",),
    "9人": ("9名",),
    "11人": ("11名",),
}
# The event of a date, as a clause in front of 月 or のは.
_EVENTS: Final = {
    "founded": "霧見潮力工業が設立された",
    "website": "霧見潮力工業の公式サイトが開設された",
    "listed": "霧見潮力工業が上場した",
    "lowered": "霧見潮力工業の初号機が海に設置された",
    "power": "霧見潮力工業の初号機が初めて送電した",
    "first_patent": "霧見潮力工業が最初の特許を取得した",
    "hq_opened": "霧見潮力工業の本社ビルが開設された",
    "overseas_opened": "霧見潮力工業の海外事務所が開設された",
    "ceo_year": "霧見潮力工業の社長が入社した",
    "railway_year": "霧見潮力工業の専用鉄道が開業した",
}
_MONTH_KEYS: Final = tuple(_EVENTS)[:8]
_SEASON_KEYS: Final = words("founded website listed first_patent hq_opened overseas_opened")
_DECADE_KEYS: Final = words("ceo_year railway_year founded listed first_patent")

# Per probe: fact and property, the question, the answer, the question about the property alone.
_TABLE: Final = """
test_site continent
霧見潮力工業の試験場は、どの大陸にありますか？
霧見潮力工業の試験場は{p}にあります。
{v}はどの大陸にありますか？

test_site capital
霧見潮力工業の試験場がある国の首都はどこですか？
その国の首都は{p}です。
{v}の首都はどこですか？

test_site language
霧見潮力工業の試験場がある国では、何語が公用語になっていますか？
その国の公用語は{p}です。
{v}では、何語が公用語になっていますか？

overseas continent
霧見潮力工業の海外事務所は、どの大陸にありますか？
霧見潮力工業の海外事務所は{p}にあります。
{v}はどの大陸にありますか？

overseas capital
霧見潮力工業の海外事務所がある国の首都はどこですか？
その国の首都は{p}です。
{v}の首都はどこですか？

overseas language
霧見潮力工業の海外事務所がある国では、何語が公用語になっていますか？
その国の公用語は{p}です。
{v}では、何語が公用語になっていますか？

factory country
霧見潮力工業の工場は、どの国にありますか？
霧見潮力工業の工場は{p}にあります。
{v}はどの国の都市ですか？

factory continent
霧見潮力工業の工場は、どの大陸にありますか？
霧見潮力工業の工場は{p}にあります。
{v}はどの大陸にありますか？

training country
霧見潮力工業の研修所は、どの国にありますか？
霧見潮力工業の研修所は{p}にあります。
{v}はどの国の都市ですか？

training continent
霧見潮力工業の研修所は、どの大陸にありますか？
霧見潮力工業の研修所は{p}にあります。
{v}はどの大陸にありますか？

gala country
霧見潮力工業は、どの国で先駆者賞を受けましたか？
霧見潮力工業は{p}で先駆者賞を受けました。
{v}はどの国の都市ですか？

gala continent
霧見潮力工業は、どの大陸で先駆者賞を受けましたか？
霧見潮力工業は{p}で先駆者賞を受けました。
{v}はどの大陸にありますか？

university country
霧見潮力工業が提携している大学は、どの国にありますか？
その大学は{p}にあります。
{v}はどの国にありますか？

university continent
霧見潮力工業が提携している大学は、どの大陸にありますか？
その大学は{p}にあります。
{v}はどの大陸にありますか？

animal class
霧見潮力工業のロゴの動物は、生物の分類では何類に当たりますか？
その動物は{p}に当たります。
{v}は、生物の分類では何類に当たりますか？

animal legs
霧見潮力工業のロゴの動物には、脚が何本ありますか？
その動物には脚が{p}あります。
{v}には、脚が何本ありますか？

pet_kind class
霧見潮力工業の事務所で飼われている動物は、生物の分類では何類に当たりますか？
その動物は{p}に当たります。
{v}は、生物の分類では何類に当たりますか？

pet_kind legs
霧見潮力工業の事務所で飼われている動物には、脚が何本ありますか？
その動物には脚が{p}あります。
{v}には、脚が何本ありますか？

drone place
霧見潮力工業の水中ドローンの名前の由来になった惑星は、太陽から数えて何番目ですか？
その惑星は太陽から数えて{p}です。
{v}は、太陽から数えて何番目の惑星ですか？

drone next
霧見潮力工業の水中ドローンの名前の由来になった惑星の、すぐ外側を回る惑星は何ですか？
すぐ外側を回る惑星は{p}です。
{v}のすぐ外側を回る惑星は何ですか？

ship family
霧見潮力工業の調査船の名前の由来になった楽器は、どの種類の楽器ですか？
その楽器は{p}です。
{v}は、どの種類の楽器ですか？

coating symbol
霧見潮力工業の水中ドローンの塗装に含まれる元素を、元素記号で書いてください。
その元素の記号は{p}です。
{v}の元素記号は何ですか？

coating number
霧見潮力工業の水中ドローンの塗装に含まれる元素の原子番号はいくつですか？
その元素の原子番号は{p}です。
{v}の原子番号はいくつですか？

blades base
霧見潮力工業の発電機の羽根の色は、大きく分けると何色の系統ですか？
その色は{p}の系統です。
{v}は、大きく分けると何色の系統ですか？

dish country
霧見潮力工業の社員食堂で金曜日に出されるのは、どの国の料理ですか？
その料理は{p}のものです。
{v}はどの国の料理ですか？

dish continent
霧見潮力工業の社員食堂で金曜日に出される料理は、どの大陸で生まれましたか？
その料理は{p}で生まれました。
{v}はどの大陸で生まれた料理ですか？

trophy colour
霧見潮力工業の先駆者賞のトロフィーのもとになった果物は、熟すと何色になりますか？
その果物は熟すと{p}になります。
{v}は、熟すと何色になりますか？

sport players
霧見潮力工業の社員チームがしている競技では、各チーム何人が同時に出場しますか？
その競技では各チーム{p}が同時に出場します。
{v}では、各チーム何人が同時に出場しますか？

workshop made
霧見潮力工業の最初の作業場があった建物では、かつて何が生産されていましたか？
その建物では、かつて{p}が生産されていました。
{v}では何が生産されていますか？
"""


def _month_row(key: str) -> PriorRow:
    question = f"{_EVENTS[key]}月の翌月は何月ですか？"
    return PriorRow(key, "next_month", question, "その翌月は{p}です。", "{month}の翌月は何月ですか？")


def _season_row(key: str) -> PriorRow:
    question = f"{_EVENTS[key]}のは、四季のうちどの季節ですか？"
    return PriorRow(key, "season", question, "その季節は{p}です。", "{month}は、四季のうちどの季節ですか？")


def _decade_row(key: str) -> PriorRow:
    question = f"{_EVENTS[key]}のは、西暦で何年代のことですか？"
    return PriorRow(key, "decade", question, "それは{p}のことです。", "{written}は、西暦で何年代に当たりますか？")


ROWS: Final = (
    *parse_prior(_TABLE),
    *map(_month_row, _MONTH_KEYS),
    *map(_season_row, _SEASON_KEYS),
    *map(_decade_row, _DECADE_KEYS),
)
