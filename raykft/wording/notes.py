"""What optuna-dashboard shows under a study and its trials. Markdown; values are escaped by whoever says it."""

from __future__ import annotations

from raykft.wording.messages import Message

ABOUT = Message(
    "Values are what the searcher was told ({values}). Complete: scored in full; those shown as infeasible went over "
    "the forgetting budget or cannot be trained. Pruned: stopped early, with the value of that epoch. Fail: the "
    "attribute `status` and the trial's note say why.",
    "値（{values}）は探索アルゴリズムに伝えたものです。Completeは採点まで終えた試行で、そのうちinfeasible（実行不可能）は、"
    "忘却の上限を超えたか、学習できなかったものです。Prunedは早期終了した試行で、値は終了したエポックのものです。"
    "Failの理由は、属性 `status` と試行のノートにあります。",
)
BOARD = Message(
    "The whole board: {command}, or the page {page}.",
    "リーダーボード全体は {command} またはページ {page} で読めます。",
)

TRIAL = Message(
    "**{trial}**: {status}, {epoch} of {epochs} epochs, {seconds:.0f} s",
    "**{trial}**: {status}、{epochs}エポック中{epoch}エポック、{seconds:.0f}秒",
)
WINNER = Message("the winner", "最良のレシピ")
FIGURES = Message("select questions: {figures}", "選択用の設問: {figures}")
HELD_OUT = Message("held-out questions: {figures}", "報告用の設問: {figures}")
SEEDS = Message("mean of {n} seeds", "シード{n}個の平均")
FIGURE = Message("{name} {value:.2f}", "{name} {value:.2f}")
ADAPTER = Message("adapter: {place} in the experiment's directory", "アダプタ: 実験ディレクトリの {place}")
NO_ADAPTER = Message("no adapter was kept", "アダプタはありません。")
ANSWERS = Message("its answers: {command}", "回答の表示: {command}")
EXPORT = Message("take its adapter: {command}", "アダプタの書き出し: {command}")
