"""Titles of tables and the lines around them: the terminal, Markdown, `show` and `status`."""

from __future__ import annotations

from raykft.wording.messages import Message

SELECT = Message("select split: what the search saw", "選択用の設問（select）: 探索が見た結果")
REPORT = Message(
    "report split: held-out probes, only for the {n} trials chosen above",
    "報告用の設問（report）: 上で選ばれた{n}試行だけを採点",
)
REPORT_INTERVALS = Message("{title}; 95 % intervals", "{title}。[ ]は95%信頼区間")
MEASUREMENT = Message("measurement: ranked by {score} ({objective})", "測定の精度: 順位は{score}（{objective}）")

MORE_TRIALS = Message("and {n} more trials", "ほか{n}試行")
REST = Message(
    "all findings and trials: raykft leaderboard {place} --details; all columns: --format md",
    "すべての所見と試行: raykft leaderboard {place} --details（すべての列は --format md）",
)
LEFT_OUT = Message("left out for width: {columns}", "幅の都合で省いた列: {columns}")

TRIALS = Message("trials: {counts}", "試行: {counts}")
COUNT = Message("{n} {status}", "{status} {n}件")
NONE_YET = Message("none yet", "まだなし")
INCOMPLETE = Message(
    "the search is not complete: the same `raykft tune` command continues it",
    "探索は完了していません。同じ `raykft tune` コマンドで続きを実行できます。",
)
NO_SCORE = Message("no trial has a score yet", "スコアの付いた試行はまだありません。")
WINNER = Message("winner: {trial}  ({sample})", "最良のレシピ: {trial}  ({sample})")
ADAPTER = Message("adapter: {place}", "アダプタ: {place}")
NEXT = Message("next: {command}", "次: {command}")

DECIDES = Message(
    "this board decides {share:.0%} of its pairs", "このボードは試行の組の{share:.0%}で優劣を決められます。"
)
AGREEMENT = Message(
    "graded and generated scores agree at Spearman {agreement:.2f}",
    "尤度スコアと生成スコアの順位相関（Spearman）は{agreement:.2f}です。",
)
GREY = Message("grey columns are mostly noise here: {columns}", "灰色の列は、ここではほとんどノイズです: {columns}。")
TESTS = Message("tests: {test}", "検定: {test}。")
TEST = Message(
    "paired bootstrap over clusters of facts, Holm-corrected",
    "事実のまとまりを単位とする対応のあるブートストラップ、Holm補正",
)

NO_ORDER = Message(
    "fewer than two trials have a score; there is no order to measure",
    "スコアの付いた試行が2件未満で、測るべき順位がありません。",
)
UNKNOWN_NOISE = Message(
    "how much of the order is noise cannot be told; train the leaders with more seeds (raykft confirm)",
    "順位のどれだけがノイズかは判断できません。上位の試行を別のシードでも学習してください（raykft confirm）。",
)
APART = Message(
    "the first is told from the second by {gap:.2f}, more than noise makes of equal recipes",
    "1位と2位の差は{gap:.2f}で、同等のレシピの間にノイズで生じる差を超えています。",
)
OVERRULED = Message(
    "by its score the second leads by {gap:.2f}; answers put the first before it, which more seeds would not change",
    "スコアでは2位のほうが{gap:.2f}高いのですが、実際の回答から1位を上にしています。シードを増やしても変わりません。",
)
SEEDS_WOULD = Message(
    "{n} more seeds of the first two would separate them (raykft confirm --top 2 --seeds {total})",
    "上位2件は、シードをあと{n}個ずつ増やせば優劣が決まる見込みです（raykft confirm --top 2 --seeds {total}）。",
    one="{n} more seed of the first two would separate them (raykft confirm --top 2 --seeds {total})",
)
SEEDS_WOULD_NOT = Message(
    "the first two differ by {gap:.2f}, less than this many questions can tell; more seeds would not help: "
    "ask about more facts, or take the cheaper one",
    "上位2件の差は{gap:.2f}で、この設問数では判別できません。シードを増やしても変わらないので、"
    "設問で尋ねる事実を増やすか、安価なほうを選んでください。",
)
NO_SEEDS_WOULD = Message(
    "the first two differ by {gap:.2f}, so little that no reasonable number of seeds would separate them: "
    "take the cheaper one",
    "上位2件の差は{gap:.2f}しかなく、現実的なシード数では優劣が決まりません。安価なほうを選んでください。",
)

# `raykft show`
PROBE = Message("probe", "設問ID")
QUESTION = Message("question", "質問文")
BASE_MODEL = Message("base model", "ベースモデル")
TUNED = Message("tuned", "学習後")
OVERLAP = Message(
    "{split} split: overlap with the gold answers, 0 to 100; a wrong name in the right sentence scores high",
    "正解文との一致度（{split}の設問、0〜100。固有名詞が誤りでも文が似ていれば高い）",
)

# `raykft status`
PROGRESS = Message("{name}: {ended} of {total} trials ended", "{name}: {total}試行中{ended}試行が終了")
PROGRESS_COUNTS = Message(
    "{name}: {ended} of {total} trials ended ({counts})", "{name}: {total}試行中{ended}試行が終了（{counts}）"
)
WILL_GO_ON = Message(
    "{trial}: interrupted after epoch {epoch} of {epochs}; it will go on",
    "{trial}: エポック{epoch}/{epochs}の後で中断（次の実行で再開）",
)
AT_EPOCH = Message("{trial}: epoch {epoch} of {epochs}", "{trial}: エポック{epoch}/{epochs}")
AT_EPOCH_SINCE = Message(
    "{trial}: epoch {epoch} of {epochs}, last report {seconds:.0f} s ago",
    "{trial}: エポック{epoch}/{epochs}、最後の報告は{seconds:.0f}秒前",
)
