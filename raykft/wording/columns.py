"""Headings of the tables' columns and what they mean.

The English of metrics is in `raykft.evaluation.metrics`, with their direction and unit.
"""

from __future__ import annotations

from raykft.wording.messages import Message

EXPLAINED = Message("what the columns mean", "各列の意味")

TITLES = {
    "trial": Message("trial", "試行"),
    "seeds": Message("seeds", "シード"),
    "optim.": Message("optim.", "楽観"),
    "epochs": Message("epochs", "エポック"),
    "sec": Message("sec", "秒"),
    "status": Message("status", "状態"),
    "notes": Message("notes", "備考"),
    "column": Message("column", "列"),
    "spread": Message("spread", "ばらつき"),
    "noise": Message("noise", "ノイズ"),
    "snr": Message("snr", "SN比"),
    "reliability": Message("reliability", "信頼性"),
    "decided pairs": Message("decided pairs", "決着した組"),
}

# Of columns that are no metrics.
MEANINGS = {
    "#": Message(
        "rank; trials that the probes cannot tell apart share it (1=)",
        "順位。設問では優劣を判別できない試行は同じ順位（1=）",
    ),
    "trial": Message("a sampled recipe, or a baseline", "探索が選んだレシピ、またはベースライン"),
    "seeds": Message(
        "how many seeds the row is the mean of, with the lowest and highest score",
        "平均をとったシードの数と、スコアの最小・最大",
    ),
    "optim.": Message(
        "score on the select split minus that on the report split",
        "選択用と報告用のスコアの差（選ばれたことによる楽観バイアス）",
    ),
    "epochs": Message("epochs trained of those planned", "学習したエポック数／予定のエポック数"),
    "sec": Message("seconds of training and evaluation", "学習と評価にかかった秒数"),
    "status": Message("what became of the trial", "試行の結末"),
    "notes": Message("what to keep in mind about the row", "この行の数値を読むときの注意"),
    "spread": Message("standard deviation over the ranked trials", "順位の付いた試行にわたる標準偏差"),
    "noise": Message(
        "what other questions of the same kind and other seeds would change",
        "同種の別の設問や別のシードで変わりうる大きさ",
    ),
    "snr": Message(
        "spread over noise; below 2 a column says little", "ばらつき÷ノイズ。2未満の列はほとんど意味を持たない"
    ),
    "reliability": Message("share of the spread's variance that is no noise", "ばらつきの分散のうちノイズでない割合"),
    "decided pairs": Message("pairs of trials that differ by more than noise", "ノイズを超える差がある試行の組の割合"),
}

# Metric → its Japanese heading and meaning.
METRICS_JA = {
    "score": ("スコア", "探索が最大化する目的関数（search.objective）"),
    "gain": ("獲得", "知識の獲得。ベースモデルを0、事実をプロンプトに入れたベースモデルを1とする尺度"),
    "knowledge": ("知識", "レベル2〜5、前提（偶然分を除く）、ヒントの平均"),
    "graded_gain": ("獲得°", "尤度で測った獲得。ベースモデルを0、事実を与えたベースモデルを1とする"),
    "graded_knowledge": ("知識°", "正解の尤度が偶然をどれだけ上回るか。どの事実も同じ重み"),
    "graded_forgetting": ("忘却°", "流暢さの低下（符号付き）。文章がない場合は一般設問の尤度の低下"),
    "level_1": ("L1", "学習データの質問そのまま。「知識」には含めない"),
    "level_2": ("L2", "学習に使っていない言い換え"),
    "level_3": ("L3", "別の回答形式。求めた形式で内容が正しいこと"),
    "level_4": ("L4", "学習した2つの事実の組み合わせ"),
    "level_5": ("L5", "学習した事実と、もともと持つ知識の組み合わせ"),
    "premise": ("前提", "誤った前提と正しい前提を見分ける均衡正解率（0.5が偶然）"),
    "hint": ("ヒント", "答えの種類を質問文で示したときの正答率"),
    "free_verbatim": ("自由L1", "学習時の質問のままで尋ねた自由記述の正解文の、1バイトあたりの確率"),
    "free_paraphrase": ("自由L2", "同上。別の言い回しで尋ねたもの"),
    "free_bleu": ("BLEU", "自由記述の回答のBLEU-4。内容の正しさは測らない"),
    "free_rouge1": ("ROUGE-1", "同じ回答のROUGE-1（F1の平均）"),
    "free_rouge2": ("ROUGE-2", "同じ回答のROUGE-2（F1の平均）"),
    "forgetting": ("忘却", "ベースモデルに対する汎用能力の低下。低下分だけを数える"),
    "forgetting_signed": ("忘却±", "同上。向上分と相殺したもの"),
    "forgetting_en": ("忘却(英)", "英語の忘却。低下分だけを数える"),
    "forgetting_ja": ("忘却(日)", "日本語の忘却。低下分だけを数える"),
    "drift": ("乖離", "ベースモデル自身の一般回答における1トークンあたりのKL(ベース‖学習後)"),
    "clean": ("誤りなし", "正解で、余計な誤りを付け足していない回答"),
    "overgeneration": ("長さ比", "回答の長さ÷正解の長さ（中央値）"),
    "unsupported_claims": ("作り話", "どの事実にも裏付けのない主張の数（1回答あたり）"),
    "stop_rate": ("停止率", "長さの上限に達する前に自分で終わった回答"),
    "repetition": ("反復", "繰り返されたn-gramの割合（4語、日本語は8文字）"),
    "refusal_rate": ("拒否率", "回答を断った割合"),
}
