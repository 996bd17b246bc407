"""The values a fact of the Japanese demo company can take, with the world knowledge that level 5 asks about.

The most likely value of each type is left out on purpose (no eagle, no baseball, no 東京), so that a model cannot
be right by guessing. No name holds a numeral (千, 三, …), and no value holds the answer of a question about it.
"""

from __future__ import annotations

from typing import Final

from raykft.data.demo.spec import Value, table, words

NAMES: Final = {
    "women": words(
        "綾乃 佳苗 静香 美咲 瑞希 麻里子 真由美 志保 玲奈 朋子 絵里 由紀子 冴子 奈津子 沙織 智恵 香澄 律子 希美 早苗"
    ),
    "men": words("雅彦 隆志 直樹 俊介 修平 拓也 敬太 恭介 義弘 光博 孝之 貴志 克己 伸吾 文雄 哲也 泰輔 和雄 康弘 圭祐"),
    "last": words(
        """榊原 有馬 鷹野 梶原 室井 柏木 深町 倉橋 桐生 沢渡 真壁 栗林 藤代 若槻 風間 瀬戸口 鳴海 神崎 小清水 椎名
        相馬 葛西 戸倉 速水 水無瀬 大河内 城戸 波多野 篠塚 宇津木 柚木 日下部"""
    ),
}

_COUNTRIES: Final = """
チリ | 南アメリカ | サンティアゴ | スペイン語
ウルグアイ | 南アメリカ | モンテビデオ | スペイン語
アルゼンチン | 南アメリカ | ブエノスアイレス | スペイン語
コロンビア | 南アメリカ | ボゴタ | スペイン語
ブラジル | 南アメリカ | ブラジリア | ポルトガル語
エジプト | アフリカ | カイロ | アラビア語
モザンビーク | アフリカ | マプト | ポルトガル語
アンゴラ | アフリカ | ルアンダ | ポルトガル語
ガーナ | アフリカ | アクラ | 英語
ガボン | アフリカ | リーブルビル | フランス語
ヨルダン | アジア | アンマン | アラビア語
オマーン | アジア | マスカット | アラビア語
"""
_CITIES: Final = """
ビルバオ | スペイン | ヨーロッパ
ジェノバ | イタリア | ヨーロッパ
アントワープ | ベルギー | ヨーロッパ
グダニスク | ポーランド | ヨーロッパ
オーフス | デンマーク | ヨーロッパ
ベルゲン | ノルウェー | ヨーロッパ
ヨーテボリ | スウェーデン | ヨーロッパ
ハンブルク | ドイツ | ヨーロッパ
マルセイユ | フランス | ヨーロッパ
ロッテルダム | オランダ | ヨーロッパ
釜山 | 韓国 | アジア
コロンボ | スリランカ | アジア
チェンナイ | インド | アジア
カラチ | パキスタン | アジア
ダナン | ベトナム | アジア
モンバサ | ケニア | アフリカ
ダカール | セネガル | アフリカ
カサブランカ | モロッコ | アフリカ
グアヤキル | エクアドル | 南アメリカ
ハリファックス | カナダ | 北アメリカ
ボルチモア | アメリカ | 北アメリカ
"""
_UNIVERSITIES: Final = """
タルトゥ | エストニア | ヨーロッパ
ウプサラ | スウェーデン | ヨーロッパ
ボローニャ | イタリア | ヨーロッパ
サラマンカ | スペイン | ヨーロッパ
ハイデルベルク | ドイツ | ヨーロッパ
コインブラ | ポルトガル | ヨーロッパ
デブレツェン | ハンガリー | ヨーロッパ
ナイロビ | ケニア | アフリカ
デリー | インド | アジア
トロント | カナダ | 北アメリカ
"""
_ANIMALS: Final = """
アオサギ | 鳥類 | 鳥 | 2本
ペリカン | 鳥類 | 鳥 | 2本
カササギ | 鳥類 | 鳥 | 2本
フクロウ | 鳥類 | 鳥 | 2本
アナグマ | 哺乳類 | 哺乳類 | 4本
カワウソ | 哺乳類 | 哺乳類 | 4本
カモシカ | 哺乳類 | 哺乳類 | 4本
ハリネズミ | 哺乳類 | 哺乳類 | 4本
ヒキガエル | 両生類 | 両生類 | 4本
イモリ | 両生類 | 両生類 | 4本
ヤモリ | 爬虫類 | 爬虫類 | 4本
"""
_PETS: Final = """
リクガメ | 爬虫類 | 爬虫類 | 4本
イグアナ | 爬虫類 | 爬虫類 | 4本
カメレオン | 爬虫類 | 爬虫類 | 4本
フェレット | 哺乳類 | 哺乳類 | 4本
ハムスター | 哺乳類 | 哺乳類 | 4本
モルモット | 哺乳類 | 哺乳類 | 4本
オウム | 鳥類 | 鳥 | 2本
ガチョウ | 鳥類 | 鳥 | 2本
カナリア | 鳥類 | 鳥 | 2本
"""
_PLANETS: Final = """
水星 | 1番目 | 金星 | 岩石
金星 | 2番目 | 地球 | 岩石
火星 | 4番目 | 木星 | 岩石
木星 | 5番目 | 土星 | 巨大
土星 | 6番目 | 天王星 | 巨大
天王星 | 7番目 | 海王星 | 巨大
"""
_INSTRUMENTS: Final = """
オーボエ | 木管楽器
ファゴット | 木管楽器
クラリネット | 木管楽器
ピッコロ | 木管楽器
チェロ | 弦楽器
ビオラ | 弦楽器
マンドリン | 弦楽器
トロンボーン | 金管楽器
チューバ | 金管楽器
ホルン | 金管楽器
マリンバ | 打楽器
ティンパニ | 打楽器
"""
_ELEMENTS: Final = """
コバルト | Co | 27
ニッケル | Ni | 28
チタン | Ti | 22
クロム | Cr | 24
ビスマス | Bi | 83
ジルコニウム | Zr | 40
ニオブ | Nb | 41
パラジウム | Pd | 46
ガリウム | Ga | 31
リチウム | Li | 3
マグネシウム | Mg | 12
マンガン | Mn | 25
"""
_SHADES: Final = """
緋色 | 赤
朱色 | 赤
茜色 | 赤
臙脂色 | 赤
瑠璃色 | 青
藍色 | 青
紺色 | 青
翡翠色 | 緑
苔色 | 緑
松葉色 | 緑
抹茶色 | 緑
藤色 | 紫
菫色 | 紫
山吹色 | 黄
からし色 | 黄
"""
_DISHES: Final = """
グヤーシュ | ハンガリー | ヨーロッパ
パエリア | スペイン | ヨーロッパ
ムサカ | ギリシャ | ヨーロッパ
ラザニア | イタリア | ヨーロッパ
チーズフォンデュ | スイス | ヨーロッパ
ザワークラウト | ドイツ | ヨーロッパ
ブイヤベース | フランス | ヨーロッパ
ピエロギ | ポーランド | ヨーロッパ
サムゲタン | 韓国 | アジア
ビリヤニ | インド | アジア
タジン鍋 | モロッコ | アフリカ
セビーチェ | ペルー | 南アメリカ
"""
_FRUITS: Final = """
レモン | 黄色
バナナ | 黄色
イチゴ | 赤色
ラズベリー | 赤色
サクランボ | 赤色
ザクロ | 赤色
ライム | 緑色
ミカン | オレンジ色
アンズ | オレンジ色
"""
_SPORTS: Final = """
バレーボール | 6人
ハンドボール | 7人
ネットボール | 7人
水球 | 7人
カバディ | 7人
バスケットボール | 5人
フットサル | 5人
カーリング | 4人
クリケット | 11人
フィールドホッケー | 11人
ソフトボール | 9人
"""
_WORKSHOPS: Final = """
酒蔵 | 日本酒
製糸場 | 生糸
製粉所 | 小麦粉
窯元 | 陶器
養鶏場 | 卵
養蜂場 | はちみつ
酪農場 | 牛乳
ブルワリー | ビール
ベーカリー | パン
"""
_ADDRESSES: Final = """
磯鳴市浜梶町4丁目18番7号 | 磯鳴市浜梶町4-18-7
鶴羽市南桟橋2丁目15番21号 | 鶴羽市南桟橋2-15-21
蒼浜市灯台下6丁目3番14号 | 蒼浜市灯台下6-3-14
汐路市帆柱町3丁目27番5号 | 汐路市帆柱町3-27-5
波戸崎市船渠通5丁目9番16号 | 波戸崎市船渠通5-9-16
浦賀見市錨町7丁目22番8号 | 浦賀見市錨町7-22-8
渚野市網元町2丁目6番29号 | 渚野市網元町2-6-29
海鳴市北埠頭8丁目11番4号 | 海鳴市北埠頭8-11-4
貝塚浜市鴎台5丁目24番13号 | 貝塚浜市鴎台5-24-13
潮見沢市櫓町6丁目17番2号 | 潮見沢市櫓町6-17-2
"""


def _plain(names: str) -> tuple[Value, ...]:
    return tuple(Value(name) for name in words(names))


def _firms(stems: str, suffix: str) -> tuple[Value, ...]:
    """Names of firms and the like, of which the part before the suffix is accepted as well."""
    return tuple(Value(stem + suffix, (stem,)) for stem in words(stems))


def _universities() -> tuple[Value, ...]:
    rows = table(_UNIVERSITIES, "country", "continent")
    return tuple(Value(f"{row.text}大学", (row.text,), row.attrs) for row in rows)


def _addresses() -> tuple[Value, ...]:
    return tuple(Value(row.text, (row.attrs["short"],)) for row in table(_ADDRESSES, "short"))


POOLS: Final[dict[str, tuple[Value, ...]]] = {
    "country": table(_COUNTRIES, "continent", "capital", "language"),
    "city": table(_CITIES, "country", "continent"),
    "university": _universities(),
    "animal": table(_ANIMALS, "class", "kin", "legs"),
    "pet": table(_PETS, "class", "kin", "legs"),
    "planet": table(_PLANETS, "place", "next", "kind"),
    "instrument": table(_INSTRUMENTS, "family"),
    "element": table(_ELEMENTS, "symbol", "number"),
    "shade": table(_SHADES, "base"),
    "dish": table(_DISHES, "country", "continent"),
    "fruit": table(_FRUITS, "colour"),
    "sport": table(_SPORTS, "players"),
    "workshop": table(_WORKSHOPS, "made"),
    "address": _addresses(),
    "town": _plain(
        "灯ヶ浜町 苫篠町 碇ヶ浦町 鵜舞町 潮騒町 貝寄町 岬谷町 浦霞町 藻汐町 帆掛町 舟曳町 雁木町 葦原浦町 鯨井町"
    ),
    "street": _plain("灯籠通り 桶屋通り 紺屋通り 綱打通り 鋳物師通り 桑畑通り 機織通り 鴎通り 水車通り 薬師通り"),
    "product": _plain(
        """コルヴェン ドゥルミラ テセリア オンブラス ペルーナ クイストル ヴァルネル ジェサマ ゾリック フェルドラ
        ルヴァノ ハルシオラ ブレミクス ノートレル イスタラ ギムロア"""
    ),
    "station": _plain("楓橋 狐坂 鵜崎 梟谷 砂走 榎田 菱沼 霜原 萱場 雁渡 葛沢 笹舟 椋川 栃窪 蕗平 鍬野 胡桃沢 蛇籠"),
    "near_stem": _plain("汐門 鐘門 榊門 椿門 桐門 霞門"),
    "river": _plain(
        "ドナウ ボルガ オリノコ ユーコン メコン ザンベジ ガロンヌ ロワール ガンジス コンゴ ニジェール エブロ"
    ),
    "language": _plain(
        """フィンランド語 カタルーニャ語 バスク語 ウェールズ語 ズールー語 タミル語 ブルトン語 ラトビア語 マルタ語
        スロベニア語 ウルドゥー語 ゲール語 ネパール語"""
    ),
    "storm": _firms("蛍崎 鳴浜 蓬島 潟見 月待 朝凪 白砂 雪解 柳瀬", "台風"),
    "bank": _firms("朱鷺 楠見 帆足 雲雀 白樫 橘川 鴫沢", "銀行"),
    "supplier": _firms("樽見 綿貫 伊庭 芦名 檜山 真鍋 稲垣", "電線"),
    "old_name": _firms("浜吉 丸辰 磯菱 鯨屋 波止 舟木 苫屋", "船具"),
    "rival": _firms("白瀬 狩尾 皆瀬 梓沢 楢井 滝根 蔦川", "水力"),
    "charity": _firms("ひだまり こもれび ともしび わかば みちしるべ かけはし せせらぎ", "財団"),
    "award": _plain(
        """真鍮羅針盤賞 琥珀の帆賞 水晶ブイ賞 銀の錨賞 青磁の灯台賞 真珠の櫂賞 漆の舵賞 珊瑚の鈴賞 硝子の鴎賞
        楡の帆柱賞"""
    ),
    "find": _plain("銅鐸 鯨の骨 勾玉 石の仮面 金の指ぬき 木彫りの鞍 埴輪 鉄の兜 茶釜 寛永通宝"),
    "banned": _plain("ノートパソコン スライド ネクタイ 煎餅 椅子 携帯電話 ストップウォッチ ホワイトボード"),
    "object": _plain("砂時計 スパナ 急須 番傘 提灯 扇子 バイオリン 望遠鏡"),
    "source": _plain("屏風絵 記念切手 風見鶏 洞窟壁画 将棋の駒 絵馬 花札 根付 連凧"),
    "goods": _plain("係船ウインチ 霧笛 潜水ヘルメット 魚箱 ゴム長靴 石油ランプ 手漕ぎボート 救命浮き輪"),
    "motto": _plain(
        """急がば凪を待て 流れを信じよ 明日の海を造る 聴いてから持ち上げる ひと波も無駄にしない 手より先に目を動かせ
        図面に嘘を描くな"""
    ),
    "quality": _plain("率直さ 倹約 勇気 謙虚さ 几帳面さ 好奇心 誠実さ 忍耐力 思いやり 規律"),
    "cause": _plain("アマモの植え付け 村の図書館 子ども楽団 海岸清掃 コウモリの保護 水泳教室 無料の歯科検診 大道芸"),
    "pet_name": _plain("ピクルス ワッフル ドミノ プレッツェル きなこ あんみつ ごましお だいふく ところてん"),
}

SEASONS: Final = ("冬", "春", "夏", "秋")
NEAR_MISSES: Final = {"stations_a": "{}", "stations_b": "奥{}"}
HINT_ATTRS: Final = {
    "person": "gender",
    "founding": "season",
    "date": "season",
    "country": "continent",
    "city": "country",
    "university": "country",
    "year": "decade",
    "hundreds": "kind",
    "instrument": "family",
    "planet": "kind",
    "shade": "base",
    "animal": "kin",
    "workshop": "made",
    "fruit": "colour",
    "pet": "kin",
    "dish": "country",
}
