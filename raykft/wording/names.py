"""What readers call the things that files know by a name; files themselves always hold the name."""

from __future__ import annotations

from raykft.wording.messages import Message

LIST = Message(", ", "、")  # between the members of a list

STATUSES = {
    "ok": Message("ok", "完了"),
    "stopped": Message("stopped", "早期終了"),
    "diverged": Message("diverged", "発散"),
    "out_of_memory": Message("out_of_memory", "メモリ不足"),
    "invalid": Message("invalid", "無効な設定"),
    "lost": Message("lost", "ホスト喪失"),
    "failed": Message("failed", "失敗"),
    "interrupted": Message("interrupted", "中断"),
    "unfinished": Message("unfinished", "未完了"),
    "damaged": Message("damaged", "ファイル破損"),
}
RUNNING = Message("running", "実行中")  # what `raykft status` calls the unfinished ones

SPLITS = {"select": Message("select", "選択用"), "report": Message("report", "報告用")}

OUTCOMES = {
    "correct": Message("correct", "正解"),
    "partial": Message("partial", "部分正解"),
    "wrong": Message("wrong", "誤答"),
    "refused": Message("refused", "回答拒否"),
    "empty": Message("empty", "空の回答"),
    "unjudged": Message("not judged", "判定なし"),
}

KINDS = {
    "recall": Message("recall", "想起"),
    "format": Message("format", "形式"),
    "list": Message("list", "列挙"),
    "premise": Message("premise", "前提"),
    "hint": Message("hint", "ヒント"),
    "long": Message("long", "長文"),
    "mc": Message("mc", "多肢選択"),
    "instruct": Message("instruct", "指示追従"),
    "free": Message("free text", "自由記述"),
}

BASELINES = {
    "base": Message("base", "ベースモデル"),
    "facts_needed": Message("base + needed facts", "ベース + 必要な事実"),
    "facts_all": Message("base + all facts", "ベース + 全事実"),
    "bm25": Message("base + BM25", "ベース + BM25"),
    "tuned_bm25": Message("winner + BM25", "最良 + BM25"),
    "always_no": Message('always "no"', "常に「いいえ」"),
    "template_copy": Message("template copy", "定型文の写し"),
}

BADGES = {
    "CONTAMINATED": Message("CONTAMINATED", "データ汚染"),
    "PARTIAL": Message("PARTIAL", "学習途中"),
    "1-SEED": Message("1-SEED", "1シード"),
    "PROXY-ONLY": Message("PROXY-ONLY", "代用指標のみ"),
    "NO-EFFECT": Message("NO-EFFECT", "効果なし"),
}

OBJECTIVES = {
    "graded": Message("graded", "尤度"),
    "gain_minus_penalty": Message("gain minus penalty", "「獲得−罰則」の"),
    "gain_minus_forgetting": Message("gain minus forgetting", "「獲得−忘却」の"),
    "gain": Message("gain", "「獲得」の"),
    "knowledge": Message("knowledge", "「知識」の"),
}

# Rows of the table of BLEU and ROUGE.
OVERLAP_PROBES = {
    "domain en": Message("domain en", "ドメイン（英）"),
    "domain ja": Message("domain ja", "ドメイン（日）"),
    "free en": Message("free texts en", "自由記述（英）"),
    "free ja": Message("free texts ja", "自由記述（日）"),
    "general en": Message("general en", "一般（英）"),
    "general ja": Message("general ja", "一般（日）"),
}
OVERLAP_PARTS = {"full": Message("full", "全文"), "head": Message("head", "最初の文")}
OVERLAP_COLUMNS = {
    "probes": Message("probes", "設問"),
    "answer": Message("answer", "回答"),
    "metric": Message("metric", "指標"),
    "base": Message("base", "ベース"),
    "tuned": Message("tuned", "学習後"),
    "change": Message("change", "差"),
    "n": Message("n", "件数"),
    "tokenizer": Message("tokenizer", "トークナイザ"),
}
