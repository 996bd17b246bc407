"""The texts of `report.html`. They go into HTML as they are: values are escaped, messages have nothing to escape."""

from __future__ import annotations

from raykft.wording.messages import Message

TO_CONTENT = Message("to the content", "本文へ")
SECTIONS_LABEL = Message("sections", "目次")
# Of the navigation, by the section's id.
SECTIONS = {
    "front": Message("learning and forgetting", "獲得と忘却"),
    "curves": Message("over epochs", "エポックごとの推移"),
    "matters": Message("what matters", "効いている設定"),
    "trials": Message("trials", "試行"),
    "compare": Message("side by side", "並べて比較"),
    "held-out": Message("held-out questions", "報告用の設問"),
    "facts": Message("facts", "事実"),
    "answers": Message("answers", "回答"),
    "measurement": Message("measurement", "測定の精度"),
    "findings": Message("findings", "所見"),
    "overlap": Message("BLEU and ROUGE", "BLEUとROUGE"),
    "provenance": Message("provenance", "数値の出所"),
}
HEADINGS = {
    "front": Message("Learning and forgetting", "獲得と忘却"),
    "curves": Message("Over epochs", "エポックごとの推移"),
    "matters": Message("What matters", "どの設定が効いているか"),
    "trials": Message("Trials", "試行"),
    "compare": Message("Trials side by side", "試行を並べて比較"),
    "held-out": Message("Held-out questions", "報告用の設問"),
    "facts": Message("Which facts are learned", "どの事実を覚えたか"),
    "answers": Message("What it says when asked", "質問への回答"),
    "measurement": Message("How well this board measures", "このボードの測定の精度"),
    "findings": Message("What the figures allow to be said", "数値から言えること"),
    "overlap": Message("BLEU and ROUGE of the winner, {split} split", "最良のレシピのBLEUとROUGE（{split}の設問）"),
    "provenance": Message("Where the figures come from", "数値の出所"),
}

CONTAMINATED = Message(
    "{badge}: the training rows give away the answers of {n} probes. The figures below are inflated.",
    "{badge}: 学習データが設問{n}問の答えを含んでいます。以下の数値は実際より高く出ています。",
)
LIVE = Message(
    "The search is at work: this page is written again as trials end, and looks again every {seconds} seconds.",
    "探索を実行中です。このページは試行が終わるたびに更新され、{seconds}秒ごとに再読み込みされます。",
)
NO_SCORE = Message("No trial has a score yet; {counts}.", "スコアの付いた試行はまだありません。{counts}。")
FRONT = Message(
    "Every fully trained trial on the select split with 95 % intervals: up and left is better, and no trial beats "
    "those on the front in both. Beside it what the winner answers by level. Point at a mark to read it.",
    "最後まで学習した試行を選択用の設問で測った結果と95%信頼区間です。左上ほど良く、パレートフロント上の試行を獲得と忘却の両方で"
    "上回る試行はありません。隣の図は最良のレシピのレベル別の正答率です。点を指すと値が表示されます。",
)
MATTERS = Message(
    "How much of the differences between trials goes with each setting alone, by {outcome}: the adjusted R² of a "
    "parabola, or of means where the setting is a choice; intervals by jackknife over trials, p by permutation, "
    "corrected for the number of settings. Settings that the search moved together share what either of them does.",
    "試行間の差（{outcome}）のうち、各設定だけでどれだけ説明できるかを示します。放物線（選択肢の場合は平均値）を当てはめたときの"
    "自由度調整済みR²で、区間は試行についてのジャックナイフ、pは並べ替え検定を設定の数で補正した値です。"
    "探索が一緒に動かした設定どうしでは、効果を切り分けられません。",
)
ONLY_ROWS_WITH = Message("only rows with", "行の絞り込み")
COLUMNS = Message("columns", "表示する列")

LISTED = Message(
    "The best {listed} trials are listed; {n} more are in leaderboard.csv.",
    "上位{listed}試行を表示しています。残りの{n}試行は leaderboard.csv にあります。",
)
COMPARE = Message(
    "Only what differs. The address of this page then leads to this comparison.",
    "異なる点だけを表示します。このページのURLを開くと同じ比較が再現されます。",
)
FACTS = Message(  # another sentence follows, after a space where the language has one
    "How many of a fact's questions (select split) are answered right, what is known least first. ",
    "事実ごとに、選択用の設問のうち正解した数です。よく覚えられていない事実から順に並べています。",
)
FACTS_NEVER = Message(
    "{never} of {n} facts are answered by none of these trials.",
    "{n}件の事実のうち{never}件は、どの試行も答えられません。",
)
FACTS_ALL = Message(
    "Each of the {n} facts is answered by some trial.", "{n}件の事実のすべてに、いずれかの試行が答えられます。"
)
FACTS_LABEL = Message("facts by trials", "事実と試行の表")
FACTS_CAPTION = Message("right answers of all questions to a fact", "事実ごとの正解数／設問数")
FACT = Message("fact", "事実")
EXPECTED = Message("expected", "正解")
NO_SCRIPT = Message(
    "Searching answers needs the page's own script, which this browser does not run; {command} prints them.",
    "回答の検索にはこのページ自身のスクリプトが必要ですが、このブラウザでは実行されません。{command} で表示できます。",
)
TRIAL = Message("trial", "試行")
CONTAINS = Message("contains", "検索語")
CONTAINS_HINT = Message("fact, question or answer", "事実・質問・回答")
LEVEL = Message("level", "レベル")
GENERAL_LEVEL = Message("0 (general)", "0（一般）")
OUTCOME = Message("outcome", "採点")
SPLIT = Message("split", "設問の区分")
ALL = Message("all", "すべて")
BOTH = Message("both", "両方")
NOT_CORRECT = Message("not correct", "正解以外")
LEFT_OUT = Message(
    "There is no room here for the answers of {n} more trials; {command} prints them.",
    "あと{n}試行の回答はページに収まりません。{command} で表示できます。",
)
OVERLAP = Message(
    "For comparison with studies that report them; never optimized. They reward the right sentence with a wrong name.",
    "これらを報告している研究との比較のための指標で、最適化には使いません。固有名詞を間違えても文が似ていれば高くなります。",
)
OVERLAP_LABEL = Message("BLEU and ROUGE", "BLEUとROUGE")

# Figures of trials that are compared.
FIGURE = Message("{metric} ({split})", "{metric}（{split}）")
FIGURE_SPLITS = {"select": Message("select", "選択用"), "report": Message("held out", "報告用")}

# Where the figures come from.
BASE_MODEL = Message("base model", "ベースモデル")
QUANTIZATION = Message("quantization", "量子化")
SEARCH = Message("search", "探索")
SEARCHED = Message(
    "{searcher} with {scheduler}, {n} trials", "探索アルゴリズム {searcher}、スケジューラ {scheduler}、{n}試行"
)
OBJECTIVE = Message("objective", "目的関数")
SPACE = Message("space", "探索空間")
NO_SPACE = Message("none", "なし")
COMMIT = Message("{version}, commit {commit}", "{version}（commit {commit}）")
COMMIT_CHANGED = Message(
    "{version}, commit {commit}, with local changes", "{version}（commit {commit}、未コミットの変更あり）"
)
STARTED = Message("started", "開始日時")
PACKAGES = Message("packages", "パッケージ")
MACHINE = Message("machine", "マシン")
MACHINE_IS = Message("{cpu}, {cores} cores, {memory:.0f} GiB", "{cpu}、{cores}コア、{memory:.0f} GiB")
MODEL = Message("model", "モデル")
MODEL_IS = Message(
    "content {digest}, computed in {dtype} on {device}", "内容のハッシュ {digest}、{device} 上で {dtype} により計算"
)

# Said by the page's own script (page.js), by these names.
SCRIPT = {
    "compare": Message("compare", "比較"),
    "compare_trial": Message("compare {trial}", "{trial} を比較"),
    "choose": Message("Choose two or more trials in the table above.", "上の表で試行を2つ以上選んでください。"),
    "status": Message("status", "状態"),
    "differs": Message("what differs", "異なる点"),
    "unlike": Message("{n} questions that they do not answer alike", "採点が分かれた設問: {n}問"),
    "question": Message("question", "設問"),
    "wording": Message("wording", "質問文"),
    "expected": EXPECTED,
    "base_model": BASE_MODEL,
    "first": Message("The first {n} are shown.", "最初の{n}問を表示しています。"),
    "count": Message("{n} of {all} answers", "{all}件中{n}件"),
    "show_all": Message("show all {n}", "{n}件すべてを表示"),
    "level": Message("level {level} {kind}", "レベル{level} {kind}"),
    "said": Message("({outcome})", "（{outcome}）"),
    "said_wrong": Message("({outcome}; wrong claims: {claims})", "（{outcome}。誤った主張: {claims}）"),
}
