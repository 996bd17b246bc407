"""What `--help` says: of every command, of its arguments and of its options.

Options with one text in English have one message here, and one in Japanese.
"""

from __future__ import annotations

from raykft.wording.messages import Message

# The words around them. The English ones are the command line library's own.
USAGE = Message("Usage", "使い方")
ARGUMENTS = Message("Arguments", "引数")
OPTIONS = Message("Options", "オプション")
COMMANDS = Message("Commands", "コマンド")
LIBRARY = {
    "[OPTIONS]": Message("[OPTIONS]", "[オプション]"),
    "COMMAND [ARGS]...": Message("COMMAND [ARGS]...", "コマンド [引数]..."),
    "Show this message and exit.": Message("Show this message and exit.", "このヘルプを表示します。"),
}
NOTES = {
    "required": Message("required", "必須"),
    "env var": Message("env var: {value}", "環境変数: {value}"),
    "default": Message("default: {value}", "既定値: {value}"),
}
BETWEEN_NOTES = Message("; ", "、")
NOTE = Message("[{text}]", "[{text}]")

# Commands.
APP = Message(
    "Find the QLoRA recipe that teaches a language model your domain knowledge while it forgets the least.",
    "専門知識をよく教え、忘却が最も少ないQLoRAの学習レシピを探します。",
)
TUNE = Message(
    "Run the search of CONFIG (or what is left of it) and print its leaderboard.",
    "CONFIGの探索を実行し、リーダーボードを表示します。途中まで済んでいれば続きから実行します。",
)
RESUME = Message(
    "Go on with an experiment, whatever ended its last run: says of every trial what becomes of it.",
    "中断した実験を再開します。前回の終わり方は問いません。どの試行をどう扱うかも表示します。",
)
EVALUATE = Message(
    "Score any PEFT adapter on CONFIG's probes; its leaderboard is NAME-evaluated.",
    "任意のPEFTアダプタをCONFIGの設問で採点します。結果は実験 NAME-evaluated のリーダーボードになります。",
)
CONFIRM = Message(
    "Train the best trials again with other seeds and show the spread of their scores.",
    "上位の試行を別のシードで学習し直し、ばらつきを表示します。",
)
REPORT = Message(
    "Write report.html: what the board says, plots, tables and answers on one page that needs no network.",
    "report.html を書き出します。結論、図、表、回答を1ページにまとめたもので、ネットワークなしで読めます。",
)
LEADERBOARD = Message(
    "Print the leaderboard of an experiment, finished or not.",
    "実験のリーダーボードを表示します。実行中や中断中の実験でも表示できます。",
)
SHOW = Message(
    "Show the base model's and the tuned answers of one trial side by side.",
    "ある試行の回答を、ベースモデルの回答と並べて表示します。",
)
SCORE = Message("Score answers from anywhere, with no model.", "どこで得た回答でも、モデルなしで採点します。")
SUBMIT = Message("Run CONFIG as a job on a Ray cluster.", "CONFIGをRayクラスタのジョブとして実行します。")
STATUS = Message(
    "Show how far an experiment is, or what became of a job.", "実験の進み具合、またはジョブの状態を表示します。"
)
STOP = Message(
    "Stop a job as Ctrl-C would; submit the same CONFIG again to continue it.",
    "Ctrl-C と同じようにジョブを止めます。同じCONFIGを投入し直せば、続きから実行します。",
)
INIT = Message(
    "Write a small experiment into DIR that runs as it stands: config, data files and a README.",
    "そのまま実行できる小さな実験をDIRに書き出します。設定、データ、READMEが入ります。",
)
PLAN = Message(
    "Say what CONFIG will train, need and cost, without starting anything.",
    "CONFIGの学習量、必要な資源、費用を見積もります。何も実行しません。",
)
DOCTOR = Message(
    "Check every node for what an experiment needs; exit code 1 if something is missing.",
    "実験に必要なものがそろっているかを全ノードで確認します。足りないものがあれば終了コードは1です。",
)
ASK = Message(
    "Ask the base model and one trial's model the same question.",
    "ベースモデルと、ある試行の学習後のモデルに同じ質問をします。",
)
EXPORT = Message(
    "Write one trial's PEFT adapter, or the model it makes of its base, with a model card.",
    "ある試行のPEFTアダプタ、または統合済みモデルを書き出します。モデルカードが付きます。",
)
DATA = Message("Draft an experiment's data, and look at it.", "実験のデータの下書きを作り、点検します。")
DATA_CHECK = Message(
    "Read and check all data of CONFIG, without a model: errors, contamination and what makes scores weak.",
    "CONFIGの全データを、モデルを使わずに検査します。誤り、データ汚染、スコアの信頼性を下げる点を調べます。",
)
DATA_DRAFT = Message(
    "Make an experiment of tables: questions and answers, or facts (subject, relation, value). By rule.\n\n"
    "With --writer a language model drafts too: facts from Markdown, HTML, text and PDF, values of answers, questions "
    "in other words and wrong answers. What it writes counts where the source bears it out.\n\n"
    "DIR gets config.yaml and its data, drafts.csv to review in a spreadsheet, and draft.md, which says what is left "
    "out.",
    "質問と回答、または事実（主語・関係・値）の表から、規則に従って実験を作ります。\n\n"
    "--writer を付けると言語モデルも下書きします。Markdown、HTML、テキスト、PDFからの事実、"
    "回答の要となる値、質問の言い換え、誤答が対象です。元の文書で裏付けられるものだけを採用します。\n\n"
    "DIRには、config.yaml とそのデータ、表計算ソフトで確認するための drafts.csv、"
    "省いたものを説明する draft.md を書き出します。",
)
DATA_PROMPTS = Message(
    "Write the prompts for `data draft --writer` into FOLDER, to be changed and named with --prompts.",
    "`data draft --writer` のプロンプトをFOLDERに書き出します。書き換えたものは --prompts で指定します。",
)

# Shared by several.
VERSION = Message("print the version", "バージョンを表示")
ANY_LANGUAGE = Message("of everything, this help too", "このヘルプを含む、すべての表示の言語")
LANGUAGE = Message("of the board and its page", "リーダーボードとページの言語")
CONFIG = Message("the experiment's YAML file", "実験のYAMLファイル")
DIRECTORY = Message("the experiment directory, or its URL", "実験のディレクトリまたはURL")
TRIAL = Message("a trial's id from the leaderboard", "リーダーボードにある試行のID")
OVERRIDES = Message("change a setting of the file; may be repeated", "ファイルの設定を変更（繰り返し可）")
TABLE_OR_JSON = Message("table or json", "table（表）または json")
NEW_DIRECTORY = Message("a new or empty directory", "新しい、または空のディレクトリ")
JOB_ID = Message("a job's id", "ジョブのID")
JOB_SERVER = Message("the cluster's job server, http://head:8265", "クラスタのジョブサーバ（例: http://head:8265）")
NOTIFY = Message(
    "a shell command to run at the end, with the board's head as input",
    "終了時に実行するシェルコマンド（リーダーボードの冒頭を標準入力に渡す）",
)

# resume, evaluate, confirm
TRIALS = Message("a new, higher total of trials", "試行の総数の新しい値（増やす場合）")
RESUME_ADDRESS = Message("another Ray cluster than it began on", "開始時とは別のRayクラスタ")
CONFIRM_ADDRESS = Message("another Ray cluster than it ran on", "実行時とは別のRayクラスタ")
ADAPTER = Message(
    "a PEFT adapter directory, trained anywhere", "PEFTアダプタのディレクトリ（どこで学習したものでも可）"
)
LM_EVAL = Message(
    "also a task of lm-evaluation-harness; repeatable", "lm-evaluation-harness のタスクも実行（繰り返し可）"
)
LM_EVAL_PATH = Message("a folder with task files of your own", "自作のタスクファイルを置いたフォルダ")
LM_EVAL_LIMIT = Message("only the first questions of every task", "各タスクで使う先頭の設問数")
TOP = Message("how many of the best trials", "上位何試行を対象にするか")
SEEDS = Message("seeds in all, the trial's own among them", "試行自身のシードを含む、シードの総数")

# leaderboard, show
FORMAT = Message("table, json, csv, md or parquet", "table（表）、json、csv、md、parquet のいずれか")
DETAILS = Message(
    "with the table: how well the board measures, and every finding",
    "表に加えて、測定の精度とすべての所見を表示",
)
EXPLAIN = Message("with the table: what its columns mean", "表に加えて、各列の意味を表示")
COLUMNS = Message(
    "of csv, json and parquet; as select.knowledge", "csv、json、parquet に出力する列（例: select.knowledge）"
)
SORT = Message("of csv, json and parquet, largest first", "csv、json、parquet の並べ替えに使う列（大きい順）")
ASCENDING = Message("with --sort: smallest first", "--sort を小さい順にする")
OUT = Message("instead of printing", "画面に表示する代わりに書き出すファイル")
LEVEL = Message("only this level (0 is general knowledge)", "このレベルのみ（0は一般知識）")
WRONG = Message("only answers that are not correct", "正解でない回答のみ")
OVERLAP = Message("BLEU-4, ROUGE-1 and ROUGE-2 instead of answers", "回答の代わりにBLEU-4、ROUGE-1、ROUGE-2を表示")
MECAB = Message(
    "with --overlap: Japanese by MeCab, not characters", "--overlap で、日本語を文字ではなくMeCabの単語で区切る"
)

# score, submit
PROBES = Message("probes, one JSON object a line", "設問のファイル（1行に1つのJSONオブジェクト）")
ANSWERS = Message(
    '{"probe_id", "answer", "stopped"?} a line', '回答のファイル（1行に {"probe_id", "answer", "stopped"?}）'
)
FACTS = Message(
    "the domain's facts: also count claims that they do not support",
    "分野の事実のファイル（事実に裏付けのない主張も数える）",
)
EXTRA = Message("further arguments of the command that the job runs", "ジョブが実行するコマンドへの追加の引数")
JOB = Message("tune, evaluate (-- ADAPTER) or leaderboard", "tune、evaluate（-- ADAPTER）、leaderboard のいずれか")
FOLLOW = Message("print the job's log and end with its exit code", "ジョブのログを表示し続け、ジョブの終了コードで終了")
ENV = Message("forward this environment variable too; may be repeated", "この環境変数もジョブに渡す（繰り返し可）")
SHARED = Message("a folder that every node sees; may be repeated", "全ノードから見えるフォルダ（繰り返し可）")
PYTHON = Message("the head node's interpreter that has Ray", "ヘッドノードで、Rayが入っているPython")
SUBJECT = Message("an experiment's directory or URL, or a job's id", "実験のディレクトリまたはURL、あるいはジョブのID")

# plan, doctor
GPU = Message("plan for such GPUs, e.g. h100", "このGPUを使うとして見積もる（例: h100）")
HOSTS = Message("training hosts, one a GPU", "学習ホストの数（GPU 1台につき1つ）")
PRICE = Message("of one host, in any currency", "1ホストの1時間あたりの料金（通貨は任意）")
PARAMETERS = Message("size of a model that is not here, e.g. 8e9", "手元にないモデルのパラメータ数（例: 8e9）")
RATE = Message("of one host, as `raykft doctor` measures it", "1ホストの学習速度（`raykft doctor` の測定値）")
DOCTOR_ADDRESS = Message(
    "a Ray cluster, HOST:6379 or ray://HOST:10001", "Rayクラスタ（HOST:6379 または ray://HOST:10001）"
)
DOCTOR_CONFIG = Message("an experiment file", "実験の設定ファイル")
MEASURE = Message(
    "time training steps here; by default without a cluster",
    "学習ステップの所要時間をこのマシンで測る（既定ではクラスタを使わないときに測る）",
)
DOCTOR_FORMAT = Message(
    "table or json; json measures no steps", "table（表）または json（json ではステップを測らない）"
)

# ask, export
QUESTION = Message("in quotes", "引用符で囲んだ質問")
MAX_NEW_TOKENS = Message("the longest answer", "回答の最大トークン数")
MERGE = Message("one whole model instead of an adapter", "アダプタではなく、統合済みのモデルを書き出す")
CHECK = Message("compare with what plain PEFT makes of it", "PEFTだけで読み込んだ場合の出力と比較する")

# data draft, data prompts
SOURCES = Message("tables or texts, and the directory to write", "表または文書と、書き出し先のディレクトリ")
DATA_LANGUAGE = Message(
    "en or ja; by default what most lines are in", "データの言語、en または ja（既定では多数の行の言語）"
)
DRAFT_SEED = Message("draws wrong answers, and the halves of the facts", "誤答の選択と、事実を2つに分けるときのシード")
DRAFT_FACTS = Message("ask about so many facts at most", "設問にする事実の最大数")
BASE_MODEL = Message("for config.yaml", "config.yaml に書くベースモデル")
QUESTION_COLUMN = Message("that holds the questions", "質問の列")
ANSWER_COLUMN = Message("that holds the answers", "回答の列")
ACCEPT = Message("take a reviewed drafts.csv back into DIR", "確認済みの drafts.csv をDIRに取り込む")
ENCODING = Message(
    "of sources, or that file, where they are not UTF-8",
    "元の文書または確認済みファイルの文字コード（UTF-8でない場合）",
)
VERIFY = Message(
    "ask the base model every probe, alone and with the facts",
    "すべての設問を、事実を与えない場合と与えた場合の両方でベースモデルに尋ねる",
)
WRITER = Message(
    "an OpenAI-compatible address that drafts too, or local",
    "下書きを手伝うモデルの、OpenAI互換APIのアドレス（raykftが自分で読み込むモデルなら local）",
)
WRITER_MODEL = Message(
    "that the writer's address serves, or a base model for local",
    "そのアドレスで使うモデルの名前（local ならベースモデル）",
)
WRITER_KEY = Message(
    "of the environment, which holds its key, or none", "APIキーを入れた環境変数の名前（不要なら none）"
)
MAX_TOKENS = Message("for the writer, read and written in all", "モデルが読み書きするトークン数の上限（合計）")
PROMPTS = Message("of your own prompts for the writer", "下書き用の自作プロンプトのフォルダ")
NEW_FOLDER = Message("a new one", "新しいフォルダ")
EN_OR_JA = Message("en or ja", "en または ja")
