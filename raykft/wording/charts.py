"""What stands in and around the page's drawings. Where an axis or a legend is named, room is short."""

from __future__ import annotations

from raykft.wording.messages import Message

WINNER = Message("winner", "最良")
OTHERS = Message("other trials", "ほかの試行")

FRONT_TITLE = Message("Learning against forgetting", "獲得と忘却")
FRONT_TOLD = Message("Gain against forgetting, a mark for every fully trained trial", "学習を終えた各試行の獲得と忘却")
FRONT_ACROSS = Message("forgetting (less is better)", "忘却（小さいほど良い）")
GAIN = Message("gain", "獲得")
FRONT_LINE = Message("front", "パレートフロント")
BASELINES = Message("baselines, which forget nothing", "ベースライン（忘却なし）")
BASELINE_POINT = Message("{baseline}: gain {gain:.2f}", "{baseline}: 獲得 {gain:.2f}")
FRONT_POINT = Message(
    "{trial}: gain {gain:.2f} {gain_bounds}, forgetting {lost:.2f} {lost_bounds}; {sample}",
    "{trial}: 獲得 {gain:.2f} {gain_bounds}、忘却 {lost:.2f} {lost_bounds}、{sample}",
)

SHARE_RIGHT = Message("share right", "正答率")
LEVELS_TOLD = Message("Shares right by level, {split} split", "レベル別の正答率（{split}の設問）")
LEVELS_SELECT = Message("What it answers, select questions", "レベル別の正答率（選択用の設問）")
LEVELS_REPORT = Message("What it answers, held-out questions", "レベル別の正答率（報告用の設問）")
LEVEL_POINT = Message("{name}, {level}: {value:.2f}", "{name}、{level}: {value:.2f}")
LEVEL_POINT_BOUNDS = Message("{name}, {level}: {value:.2f} {bounds}", "{name}、{level}: {value:.2f} {bounds}")

CURVES_TITLE = Message("Graded scores over epochs", "エポックごとの尤度スコア")
CURVES_TOLD = Message(
    "Graded score after every epoch, a line for every trial", "各試行のエポックごとの尤度スコアの折れ線"
)
EPOCH = Message("epoch", "エポック")
RUNG_SCORE = Message("graded score at rungs", "途中評価の尤度スコア")
TO_THE_END = Message("trained to the end", "最後まで学習")
ENDED_EARLY = Message("ended early (cross)", "途中で終了（×）")
CURVE_POINT = Message(
    "{trial} ({status}): {value:.2f} after epoch {epoch:.0f}",
    "{trial}（{status}）: エポック{epoch:.0f}の後で{value:.2f}",
)

GENERATED_TITLE = Message("Generated answers", "生成した回答")
GENERATED_TOLD = Message("Gain of generated answers after the last epoch", "最終エポック後に生成した回答の獲得")
EPOCHS_TRAINED = Message("epochs trained", "学習したエポック数")
GENERATED_UP = Message("gain, generated answers", "獲得（生成した回答）")
GENERATED_NOTE = Message(
    "Answers are generated when a trial is done. A trial that was stopped has none. Small marks are single seeds.",
    "回答は試行が終わってから生成するため、早期終了した試行にはありません。小さな点は個々のシードです。",
)
SEED_POINT = Message("{trial}, seed {seed}: {value:.2f}", "{trial}、シード{seed}: {value:.2f}")

OUTCOME_SCORE = Message("score at the end", "最終スコア")
OUTCOME_RUNG = Message("graded score after epoch {epoch}", "エポック{epoch}後の尤度スコア")
SLICE_TOLD = Message("{outcome} by {setting}", "{setting} と{outcome}")
SLICE_POINT = Message("{trial}: {setting}={value}, {outcome:.2f}", "{trial}: {setting}={value}、{outcome:.2f}")
PARALLEL_TITLE = Message("All settings at once", "すべての設定をまとめて")
PARALLEL_TOLD = Message(
    "A line for every trial through its settings to its {outcome}", "各試行の設定から{outcome}までを結ぶ折れ線"
)
BEST_TRIAL = Message("best trial", "最良の試行")
BEST_QUARTER = Message("best quarter", "上位4分の1")
FEW_TRIALS = Message("cannot be told: {n} trials are too few", "判断できません（{n}試行では不足）。")
NO_EFFECT = Message(
    "cannot be told ({p} after correction for all settings)", "判断できません（全設定について補正後 {p}）。"
)
EFFECT_BEST_IS = Message(
    "goes with {share:.0%} of the differences {bounds}, {p}; best is {best}",
    "試行間の差の{share:.0%} {bounds}に対応します（{p}）。最も良いのは {best} です。",
)
EFFECT_BEST_NEAR = Message(
    "goes with {share:.0%} of the differences {bounds}, {p}; best near {best}",
    "試行間の差の{share:.0%} {bounds}に対応します（{p}）。{best} 付近が最も良くなります。",
)
