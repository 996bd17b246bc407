"""What `raykft plan` says."""

from __future__ import annotations

from raykft.wording.messages import Message

BASE_MODEL = Message("base model", "ベースモデル")
MODEL_IS = Message("{model}, {parameters:,} parameters", "{model}、パラメータ数 {parameters:,}")
ROWS = Message("rows", "データ")
ROWS_ARE = Message(
    "{rows} of the domain, {distractors} distractors to mix in",
    "ドメインの学習データ{rows}件、混ぜるディストラクタ{distractors}件",
)
TEXT = Message("text", "文章")
TEXT_IS = Message("{tokens:,} tokens in {pieces} piece(s)", "{tokens:,}トークン、{pieces}個に分割")
TRIALS = Message("trials", "試行")
TRIALS_ARE = Message(
    "{trials}{raced}, on {mixtures} different mixture(s) of rows", "{trials}{raced}、データの混ぜ方は{mixtures}通り"
)
RACED = Message(", then up to {n} run(s) of the best with other seeds", "、その後、上位の試行を別のシードで最大{n}回")
EPOCH_TOKENS = Message("tokens an epoch", "1エポックのトークン数")
TRIAL_TOKENS = Message("tokens a trial", "1試行のトークン数")
SPREAD = Message("{low:,.0f} to {high:,.0f}, median {median:,.0f}", "{low:,.0f}〜{high:,.0f}、中央値 {median:,.0f}")
HOSTS = Message("hosts", "ホスト")
HOSTS_ARE = Message(
    "{hosts} x {many}{device}, {slots} slot(s) each{apart}",
    "{hosts} × {many}{device}、それぞれ同時に{slots}試行{apart}",
)
CPU = Message("CPU ({cores} cores)", "CPU（{cores}コア）")
GPU = Message("{gpu} GPU", "{gpu} GPU")
MANY = Message("{n} x ", "{n} × ")
APART = Message(", and {n} that only evaluate", "、ほかに採点専用{n}個")
MEMORY = Message("memory a host", "1ホストのメモリ")
MEMORY_IS = Message("up to {total} of {limit}: {parts}", "最大 {total}（上限 {limit}）: {parts}")
PARTS = {
    "base": Message("base {size}", "ベースモデル {size}"),
    "slots": Message("{n} slot(s) {size}", "アダプタ{n}個 {size}"),
    "activations": Message("activations {size}", "活性 {size}"),
    "kv_cache": Message("or key-value cache {size}", "またはKVキャッシュ {size}"),
    "runtime": Message("runtime {size}", "実行環境 {size}"),
    "evaluation": Message("evaluation host {size}", "採点用ホスト {size}"),
}
SPEED = Message("speed of a device", "デバイスの速度")
SPEED_IS = Message("{rate:,.0f} trained tokens/s", "学習 {rate:,.0f}トークン/秒")
EXPECTED = Message("expected", "見込み")
WITHOUT_STOPPING = Message("without stopping", "早期終了なしの場合")
WORK = Message(
    "{tokens:,} trained tokens and {questions:,} questions: {hours} ({train} training, {evaluate} questions){cost}",
    "学習 {tokens:,}トークン、設問 {questions:,}問: {hours}（学習 {train}、設問 {evaluate}）{cost}",
)
COST = Message(", cost {cost:,.2f}", "、費用 {cost:,.2f}")
HOURS = Message("{hours:.1f} h", "{hours:.1f}時間")
MINUTES = Message("{minutes:.1f} min", "{minutes:.1f}分")
ASSUMED = Message("assumed", "前提")

TOO_LARGE = Message(
    "{n} of {corners} corners of the space do not fit:",
    "探索空間の端の{corners}通りのうち、次の{n}通りはメモリに収まりません:",
)
NEEDS = Message("needs", "必要量")
SLOTS_THAT_FIT = Message("slots that fit", "収まる試行数")
FEWER_SLOTS = Message(
    "next: --set resources.slots_per_host={slots}, or take these values out of search.space",
    "次: --set resources.slots_per_host={slots} を付けるか、これらの値を search.space から除いてください。",
)
LARGER_DEVICE = Message(
    "next: a device with more memory{fewer}, a smaller base_model, or other values in search.space",
    "次: メモリの大きいデバイス{fewer}、小さい base_model、search.space の別の値のいずれかにしてください。",
)
FEWER_HOSTS = Message(", fewer resources.hosts", "、少ない resources.hosts")

# What the figures assume.
MEASURED = Message("as measured", "測定値")
GPU_SPEED = Message(
    "{share:.0%} of {peak:g} TFLOP/s, and at least {floor:.0f} ms a step for kernel "
    "launches; not measured: on such a GPU `raykft doctor --config CONFIG` measures it, for --tokens-per-second",
    "{peak:g} TFLOP/sの{share:.0%}、カーネル起動に1ステップあたり{floor:.0f} ms以上（未測定。そのGPUで "
    "`raykft doctor --config CONFIG` を実行すると、--tokens-per-second に渡す値を測定できます）",
)
LAUNCH_BOUND = Message(
    ". Steps of {tokens:.0f} tokens are bound by them: more resources.slots_per_host cost little time",
    "。{tokens:.0f}トークンのステップはカーネル起動で律速されるため、"
    "resources.slots_per_host を増やしても時間はほとんど変わらない",
)
CPU_SPEED = Message(
    "{share:.0%} of {peak:g} GFLOP/s ({threads} core(s) a host, {unit})",
    "{peak:g} GFLOP/sの{share:.0%}（1ホスト{threads}コア、{unit}）",
)
UNITS = {
    "bf16": Message("bf16 with matrix units", "行列演算ユニットによるbf16"),
    "fp32": Message("fp32", "行列演算ユニットなしのfp32"),
}
SIZES = Message("sizes of the model: {source}", "モデルの寸法: {source}")
FROM_TABLE = Message(
    "those of {model} in raykft's table of models, because no config.json is here",
    "raykft内の表にある {model} の値（config.json がここにないため）",
)
LLAMA_LIKE = Message("a Llama-like shape of {billions:.2f} billion parameters", "パラメータ数{billions:.2f}BのLlama型")
TOKENS = Message("tokens: {how}", "トークン数: {how}")
ESTIMATED = Message(
    "estimated: {n} ASCII characters a token, any other character a token of its own",
    "推定（ASCIIは{n}文字で1トークン、その他は1文字で1トークン）",
)
COUNTED = Message("counted with the model's tokenizer", "モデルのトークナイザで計数")
SHORTENED = Message(
    "{n} question(s) lose their beginning to train.max_length", "質問{n}件は、train.max_length に収めるため先頭を削る"
)
PROPOSALS = Message(
    "proposals: {n} seeded draws, every axis on its own; a searcher that learns moves away from that",
    "候補: シードを固定した{n}回の抽出（設定ごとに独立）。学習する探索アルゴリズムは、この分布から離れていく",
)
ASHA = Message(
    "ASHA compares after epochs {milestones} and lets 1/{factor:g} pass in the long run: "
    "{epochs:.1f} epochs a trial, {finished:.0%} of trials reach their end",
    "ASHAはエポック{milestones}の後で比べ、長期的には1/{factor:g}を残す（1試行あたり{epochs:.1f}エポック、"
    "最後まで進む試行は{finished:.0%}）",
)
NOBODY_STOPS = Message("no trial is stopped early", "早期終了なし")
UNFORESEEN = Message(
    "what {scheduler} stops is not foreseen: expected is the same as without stopping",
    "{scheduler}による早期終了は予測できないため、見込みは早期終了なしの場合と同じとする",
)
RACE = Message(
    "race: the best {top} with up to {seeds} more seed(s), each counted as the longest recipe",
    "シードを変えた競争: 上位{top}件を、さらに最大{seeds}個のシードで（いずれも最も長いレシピとして計算）",
)
FLOPS = Message(
    "a trained token costs 4 FLOP a weight (the base is frozen), the head on answers and text only",
    "学習1トークンの計算量は重み1つあたり4 FLOP（ベースモデルは凍結）、出力層は回答と文章のトークンだけ",
)
READING = Message(
    "a token read or written for a score costs half of it; every answer is as long as its probe allows",
    "採点で読み書きするトークンはその半分。回答はすべて、設問が許す上限の長さとする",
)
DEVICE_SPEED = Message("speed of a device: {how}", "デバイスの速度: {how}")
AUTO_SLOTS = Message(
    "slots_per_host: from that speed; the search measures its own, and may take more or fewer",
    "slots_per_host: この速度から求めた値。探索時には実測するため、増減することがある",
)
SEVERAL_DEVICES = Message(
    "{n} devices train a trial {n} times as fast: what they wait for each other is left out",
    "{n}個のデバイスで1試行が{n}倍速くなるとする（互いの待ち時間は含めない）",
)
WORST_MEMORY = Message(
    "memory: every slot of a host trains the same corner on the longest rows at once, and {reserve:.0%} stay free",
    "メモリ: ホストの全試行が、同じ端の設定で最も長いデータを同時に学習する場合。{reserve:.0%}は空けておく",
)
PAID = Message(
    "cost: every host is paid for all the hours, whether it works or waits",
    "費用: 全ホストの全時間分（待っている時間も含む）",
)
LEFT_OUT = Message("left out: start-up, downloads, slots that wait", "含まれないもの: 起動、ダウンロード、空き待ち")
TEACHER = Message(
    "teacher: the base model of every host reads {rows:,} row(s) once, {tokens:,} tokens in some "
    "{seconds:.0f} s (in no figure above), and keeps {kept:.1f} MiB of it",
    "教師: 各ホストのベースモデルが{rows:,}件を一度だけ読む（{tokens:,}トークン、約{seconds:.0f}秒。"
    "上の数値には含まない）。保存量は{kept:.1f} MiB",
)
