"""What `raykft doctor` says. What a node itself says of its troubles comes from there, in English."""

from __future__ import annotations

from raykft.wording.messages import Message

HEADINGS = {
    "node": Message("node", "ノード"),
    "check": Message("check", "項目"),
    "": Message("", ""),
    "found": Message("found", "結果"),
    "next step": Message("next step", "対処"),
}
STATUSES = {"ok": Message("ok", "良"), "warn": Message("warn", "注意"), "fail": Message("fail", "不可")}
CHECKS = {
    "GPU": Message("GPU", "GPU"),
    "HF token": Message("HF token", "HFトークン"),
    "base model": Message("base model", "ベースモデル"),
    "bitsandbytes": Message("bitsandbytes", "bitsandbytes"),
    "cache": Message("cache", "キャッシュ"),
    "clock": Message("clock", "時計"),
    "compute type": Message("compute type", "計算の型"),
    "extras": Message("extras", "追加パッケージ"),
    "free memory": Message("free memory", "空きメモリ"),
    "raykft task": Message("raykft task", "raykftのタスク"),
    "search": Message("search", "探索"),
    "shared storage": Message("shared storage", "共有ストレージ"),
    "storage": Message("storage", "ストレージ"),
    "versions": Message("versions", "バージョン"),
}
NODES = {"all nodes": Message("all nodes", "全ノード"), "config": Message("config", "設定ファイル")}

NO_GPU_ANYWHERE = Message(
    "none anywhere, and resources.device is 'cuda'", "どのノードにもありませんが、resources.device は 'cuda' です。"
)
NO_GPU_HERE = Message("none, and resources.device is 'cuda'", "ありませんが、resources.device は 'cuda' です。")
USE_GPUS = Message(
    "use nodes with GPUs, or resources.device auto",
    "GPUのあるノードを使うか、resources.device を auto にしてください。",
)
ON_CPU = Message("none; trains on the CPU", "なし。CPUで学習します。")
GPU = Message("{name} {free:.1f} of {total:.1f} GiB free", "{name} 空き {free:.1f}/{total:.1f} GiB")
GPUS = Message("{each}; CUDA {cuda}, driver {driver}", "{each}。CUDA {cuda}、ドライバ {driver}")
BETWEEN = Message("; ", "、")
UNKNOWN = Message("unknown", "不明")
BUILT_FOR = Message("torch is built for CUDA {cuda}", "torchはCUDA {cuda} 用")
BUILT_WITHOUT = Message("torch is built without CUDA", "torchはCUDAなしの版")
UNSEEN_GPUS = Message(
    "Ray counts {n:g} GPU(s), torch sees none; {built}",
    "RayはGPUを{n:g}個と数えますが、torchからは見えません（{built}）。",
)
INSTALL_CUDA = Message(
    "install the CUDA build of torch and a driver that fits it (nvidia-smi must work)",
    "CUDA版のtorchと、それに合うドライバをインストールしてください（nvidia-smi が動くこと）。",
)
ROUND_TRIP = Message("NF4 round trip", "NF4の往復変換に成功")
REINSTALL = Message(
    "pip install --force-reinstall bitsandbytes, in the version that fits this CUDA",
    "このCUDAに合う版を pip install --force-reinstall bitsandbytes で入れ直してください。",
)
RATES = Message(
    "a core multiplies {fp32:.0f} GFLOP/s in fp32, {bf16:.0f} in bf16; {chosen} on the CPU",
    "1コアの積は fp32で{fp32:.0f} GFLOP/s、bf16で{bf16:.0f} GFLOP/s。CPUでは{chosen}を使います。",
)
FREE = Message("{size:.1f} GiB", "{size:.1f} GiB")
LESS_MEMORY = Message(
    "end other programs, or lower resources.hosts; `raykft plan` says what a host needs",
    "ほかのプログラムを終了するか、resources.hosts を減らしてください。1ホストの必要量は `raykft plan` で分かります。",
)
MOVE_CACHE = Message("set RAYKFT_CACHE to a folder with room", "RAYKFT_CACHE に空きのあるフォルダを指定してください。")
MOVE_STORAGE = Message(
    "choose another storage_path (--set storage_path=DIR)",
    "別の storage_path を指定してください（--set storage_path=DIR）。",
)
NOT_SHARED = Message(
    "does not see the driver's files in storage_path", "ドライバが storage_path に置いたファイルが見えません。"
)
SHARE = Message(
    "mount one folder at this path on every node, or run on one node",
    "全ノードで同じフォルダをこのパスにマウントするか、1ノードで実行してください。",
)
PRESENT = Message("present", "あり")
NONE = Message("none", "なし")
OFF_BY = Message("off by {seconds:.1f} s", "{seconds:.1f}秒ずれています。")
IN_STEP = Message("in step", "一致")
TIME_SERVICE = Message(
    "start a time service (chrony, ntpd) on this node", "このノードで時刻同期（chrony、ntpd）を有効にしてください。"
)
NOT_INSTALLED = Message("not installed: {names}", "インストールされていないもの: {names}")
INSTALL_AGAIN = Message("pip install raykft there again", "そのノードで pip install raykft をやり直してください。")
OTHER_VERSION = Message("{name} {found} (driver: {wanted})", "{name} {found}（ドライバは{wanted}）")
INSTALL_SAME = Message(
    "install the driver's versions: pip install with its constraints.txt",
    "ドライバの constraints.txt を使って pip install し、バージョンを揃えてください。",
)
NO_TASK = Message(
    "install the same raykft there (pip install raykft, same version) and look at the node's Ray logs",
    "そのノードに同じバージョンのraykftを pip install し、ノードのRayのログを確認してください。",
)
NOT_WRITABLE = Message("{place} cannot be written: {problem}", "{place} に書き込めません: {problem}")
WRITABLE = Message("{place}, writable", "{place}、書き込み可")
ROOM = Message("{place}, {size:.1f} GiB free", "{place}、空き {size:.1f} GiB")
ROOM_WRITABLE = Message("{place}, {size:.1f} GiB free, writable", "{place}、空き {size:.1f} GiB、書き込み可")
PUT_MODEL = Message(
    "put the model there: install the package, copy the folder, or download it while online",
    "パッケージのインストール、フォルダのコピー、オンラインでのダウンロードのいずれかで、モデルを用意してください。",
)
DOWNLOADS = Message("{problem}; the first run downloads it", "{problem}。最初の実行でダウンロードします。")
NEEDS_NETWORK = Message("needs a network there", "そのノードにネットワーク接続が必要です。")
LOG_IN = Message(
    "gated models need one: set HF_TOKEN, or `hf auth login`",
    "利用承認が必要なモデルで使います。HF_TOKEN を設定するか、`hf auth login` を実行してください。",
)

# How fast training steps are here.
COLUMNS = {
    "slots": Message("slots", "試行数"),
    "tokens": Message("T: tokens a step", "T: 1ステップのトークン数"),
    "seconds": Message("t: seconds", "t: 秒"),
    "rate": Message("tokens/s", "トークン/秒"),
}
MEASURED = Message(
    "{model} on {place}, rank {rank}, {preset}, one thread", "{model}、{place}、ランク{rank}、{preset}、1スレッド"
)
LINE = Message(
    "t(T) = {fixed:.3f} s + {token:.3f} ms x T, off by {deviation:.0%} at most",
    "t(T) = {fixed:.3f}秒 + {token:.3f} ms × T、誤差は最大{deviation:.0%}",
)
KNEE = Message(
    "{tokens:.0f} tokens a step reach {share:.0%} of the fastest rate (slots_per_host: auto)",
    "1ステップ{tokens:.0f}トークンで最高速度の{share:.0%}に達します（slots_per_host: auto）。",
)
MEMORY = Message(
    "memory model: {weights:,.0f} MiB weights + {slot:,.1f} a slot + {token:,.2f} a token + {libraries:,.0f} libraries "
    "= {total:,.0f} MiB for the last step; measured {measured:,.0f}{scope}",
    "メモリの見積もり: 重み {weights:,.0f} MiB + 1試行 {slot:,.1f} + 1トークン {token:,.2f} + "
    "ライブラリ {libraries:,.0f} = 最後のステップで {total:,.0f} MiB。実測 {measured:,.0f}{scope}",
)
WITHOUT_LIBRARIES = Message(" without libraries", "（ライブラリを除く）")
PLAN_WITH = Message(
    "next: raykft plan CONFIG --tokens-per-second {rate:.0f}, the rate at {tokens} tokens a step",
    "次: raykft plan CONFIG --tokens-per-second {rate:.0f}（1ステップ{tokens}トークンのときの速度）",
)
SMALL_MODEL = Message(
    "a small model to compare machines by; next: --config CONFIG measures its model, where that is here",
    "マシンどうしを比べるための小さなモデルです。次: --config CONFIG を付けると、ここにあるモデルで測定します。",
)
