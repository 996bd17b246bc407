"""What is told while a search runs: its panel, its progress lines, and what its hosts do."""

from __future__ import annotations

from raykft.wording.messages import Message

STAGES = {
    "searching": Message("searching", "探索"),
    "screening": Message("screening", "予選"),
}
PROGRESS = Message("{stage} {done}/{total}: {running}  {figures}", "{stage} {done}/{total}: {running}  {figures}")
PANEL = Message(
    "{stage}: {done}/{total} trials ({counts}), {running} running {figures}",
    "{stage}: {total}試行中{done}試行が終了（{counts}）、{running}試行を実行中 {figures}",
)
COUNT = Message("{n} {status}", "{status} {n}件")
NONE_ENDED = Message("none ended", "終了なし")
NONE_RUNS = Message("none runs", "実行中の試行はなし")
BETWEEN = Message("; ", "、")
AT_EPOCH = Message("{trial} epoch {epoch}/{epochs} {curve}", "{trial} エポック{epoch}/{epochs} {curve}")
BEGINS = Message("{trial} begins", "{trial} 開始")
MORE = Message("{n} more", "ほか{n}試行")
SCORE = Message("score {score:.2f}", "スコア {score:.2f}")
FIGURES = Message("({best}, {rate:.0f} tokens/s, {left})", "（{best}、{rate:.0f}トークン/秒、{left}）")
BEST = Message("best {score:.2f}", "最高スコア {score:.2f}")
NO_SCORE = Message("no score yet", "スコアはまだなし")
UNKNOWN_LEFT = Message("time left unknown", "残り時間は不明")
MINUTES_LEFT = Message("about {minutes:.0f} min left", "残り約{minutes:.0f}分")
SECONDS_LEFT = Message("about {seconds:.0f} s left", "残り約{seconds:.0f}秒")
COLUMNS = {
    "running trial": Message("running trial", "実行中の試行"),
    "epoch": Message("epoch", "エポック"),
    "loss": Message("loss", "損失"),
    "rung": Message("rung", "途中評価"),
    "rungs so far": Message("rungs so far", "途中評価の推移"),
}
# Reasons in the files of trials, which are in English.
STOPPED_EARLY = Message(
    "stopped early by {scheduler} after epoch {epoch} of {epochs}",
    "{scheduler}によりエポック{epoch}/{epochs}の後で早期終了",
)
INTERRUPTED = Message(
    "the run was interrupted after epoch {epoch} of {epochs}", "エポック{epoch}/{epochs}の後で実行が中断"
)

# Of one that goes on.
REUSED = Message("{trial}  reused ({status})", "{trial}  結果を再利用（{status}）")
RESUMED = Message("{trial}  resumed after epoch {epoch}", "{trial}  エポック{epoch}の後から再開")
RERUN = Message("{trial}  rerun", "{trial}  最初から実行")
ALL_ENDED = Message(
    "all {n} trials of {place} have ended; raise search.trials for more",
    "{place} の{n}試行はすべて終了しています。さらに試すには search.trials を増やしてください。",
)
WARNING = Message("warning: {text}", "警告: {text}")
STOPPING = Message(
    "stopping: what is finished is kept; press Ctrl-C again to stop at once",
    "停止しています。終わった分は保存されます。すぐに停止するには、もう一度 Ctrl-C を押してください。",
)

# Stages beside the trials.
SCORING_BASE = Message("scoring the base model ...", "ベースモデルを採点しています ...")
BASE_KNOWS = Message(
    "base model: knowledge {knowledge:.2f}{with_facts}{how}", "ベースモデル: 知識 {knowledge:.2f}{with_facts}{how}"
)
BASE_GRADED = Message(
    "base model: graded knowledge {knowledge:.2f}{with_facts}{how}",
    "ベースモデル: 尤度で測った知識 {knowledge:.2f}{with_facts}{how}",
)
WITH_FACTS = Message(", with the needed facts in context {knowledge:.2f}", "、必要な事実を与えた場合 {knowledge:.2f}")
CACHED = Message(" (cached)", "（キャッシュ）")
TOOK = Message(" ({seconds:.0f} s)", "（{seconds:.0f}秒）")
SCORING_BEST = Message(
    "scoring the best on the report split: {n} adapter(s) ...",
    "上位の試行を報告用の設問で採点しています: アダプタ{n}個 ...",
)
SCORED_AGAIN = Message(
    "a host died; {n} adapter(s) are scored again ...", "ホストが停止したため、アダプタ{n}個を採点し直しています ..."
)
SCORING = Message("scoring {place} ...", "{place} を採点しています ...")
RACE = Message(
    "race, round {number} of {rounds}: {names} with seed {seed} ...",
    "シードを変えた競争、{rounds}回中{number}回目: {names}（シード{seed}） ...",
)
CONFIRMING = Message(
    "training {n} trial(s) with {seeds} more seed(s): {runs} run(s) ...",
    "{n}試行をさらに{seeds}個のシードで学習しています: {runs}回 ...",
)

# Hosts.
LOADING = Message(
    "loading {model} ({quantization}) on {hosts} {device} host(s){kinds} ...",
    "{model}（{quantization}）を{hosts}個の{device}ホストに読み込んでいます{kinds} ...",
)
REPLICAS = Message(" of {n} replicas", "（1ホストあたり{n}個の複製）")
FOR_EVALUATION = Message(" and {n} for evaluation", "（ほかに採点用{n}個）")
TEXT_PIECES = Message(
    "data.text: {n} document(s) are {pieces} pieces of {length} tokens",
    "data.text: 文書{n}件を{length}トークンごとに分けると{pieces}個になります。",
)
SHORTENED = Message(
    "{n} training questions were shortened to fit train.max_length={length}",
    "学習データの質問{n}件を、train.max_length={length} に収まるよう短縮しました。",
)
UNTAUGHT = Message(
    "train.distill_weight: {taught} of {rows} training rows have a teacher. {without} name no fact, "
    "and {long} are too long for the model with their facts before them: these learn from "
    "their answers alone",
    "train.distill_weight: 学習データ{rows}件のうち{taught}件に教師があります。{without}件は事実を示しておらず、"
    "{long}件は事実を前に置くとモデルには長すぎるため、これらは回答だけから学習します。",
)
SLOW_BF16 = Message(
    "host(s) {hosts}: their CPUs only emulate bf16, in which all hosts compute; "
    "resources.compute_dtype: fp32 would be faster there",
    "ホスト{hosts}: 全ホストの計算に使うbf16を、このCPUは模倣でしか計算できません。"
    "resources.compute_dtype: fp32 のほうが速くなります。",
)
OUT_OF_MEMORY = Message(
    "{host} ran out of memory with {slots} trials at once: its steps then held at most "
    "{tokens} tokens, and trials took turns; fewer resources.slots_per_host would lose no "
    "time",
    "{host} は同時に{slots}試行を学習するにはメモリが足りず、1ステップを最大{tokens}トークンにして交互に学習しました。"
    "resources.slots_per_host を減らしても遅くはなりません。",
)
TEACHER_FOLLOWED = Message(
    "train.distill_weight: with the facts before it the base model's first choice was the right token "
    "at {share:.0%} of {places} places of answers; only there was it followed",
    "train.distill_weight: 事実を与えたベースモデルの第1候補は、回答の{places}箇所のうち{share:.0%}で"
    "正しいトークンでした。教師に従ったのはその箇所だけです。",
)
GOING_ON = Message(
    "going on with {n} host(s); those that join later are used",
    "ホスト{n}個で続けます。後から加わったホストも使います。",
)
WAITING = Message(
    "waiting up to {minutes:g} min for {n} free {kind} ...", "{kind}が{n}個空くのを最大{minutes:g}分待っています ..."
)
DEVICES = {"cuda": Message("GPUs", "GPU"), "cpu": Message("CPU cores", "CPUコア")}
MEASURING = Message("measuring what training steps cost ...", "学習ステップの所要時間を測定しています ...")
NOT_MEASURED = Message(
    "1 trial a host at once, since measuring steps failed: {error}",
    "学習ステップの測定に失敗したため、1ホストで同時に1試行とします: {error}",
)
SLOTS = Message("{slots} trial(s) a host at once: {why}", "1ホストで同時に{slots}試行: {why}")
SLOTS_BECAUSE = Message(
    "{tokens:.0f} tokens a step ({useful} trials) reach {share:.0%} of {rate:.0f} tokens/s, "
    "{fitting}{assumed} fit in memory, a search of {trials} takes {most} at most",
    "1ステップ{tokens:.0f}トークン（{useful}試行）で最高速度{rate:.0f}トークン/秒の{share:.0%}に達し、メモリには{fitting}試行分"
    "{assumed}が収まり、{trials}試行の探索で使えるのは最大{most}試行分です。",
)
ASSUMED = Message(" of {shape}", "（{shape}として）")
NOT_USED = Message("a host that joined could not be used: {error}", "加わったホストを使えませんでした: {error}")
NODE_LOST = Message(
    "the node of {host} was lost; its trials go on elsewhere",
    "{host} のノードが失われました。試行は別のホストで続きます。",
)
JOINED = Message("{host} has joined", "{host} が加わりました。")
