"""What `raykft data check` says of an experiment's data; docs/data-flow.md explains every rule."""

from __future__ import annotations

from raykft.wording.messages import Message

COUNTS = {
    "facts": Message("facts", "事実"),
    "train": Message("train", "学習データ"),
    "distractors": Message("distractors", "ディストラクタ"),
    "probes": Message("probes", "設問"),
    "general": Message("general", "一般設問"),
    "passages": Message("passages", "流暢さの文章"),
    "text": Message("text", "学習する文章"),
}
KIND = Message("{n} ({about})", "{n}（{about}）")
PHRASING = Message("phrasing {phrasing}: {n}", "言い換え{phrasing}: {n}")
FORM = Message("form {form}: {n}", "形式 {form}: {n}")
CHARACTERS = Message("{n:,} characters", "{n:,}文字")
PIECES = Message(
    "{tokens:,} tokens in {pieces} piece(s) of up to {length}",
    "{tokens:,}トークン、最大{length}トークンごとに{pieces}個に分割",
)
NO_PROBLEMS = Message("no problems found, {n} warnings", "問題はありません（警告{n}件）。")
MORE = Message("{names} and {n} more", "{names}ほか{n}件")

PROBE = Message("probe {id!r}", "設問{id!r}")
GENERAL_PROBE = Message("general probe {id!r}", "一般設問{id!r}")
OF_PROBE = Message("{probe}: {problem}", "{probe}: {problem}")
GOLD_BREAKS_PATTERN = Message(
    "its gold {gold!r} does not match its pattern {pattern!r}", "正解 {gold!r} が pattern {pattern!r} に一致しません。"
)
GOLD_LACKS_FACT = Message(
    "its gold {gold!r} lacks {missing}, which its key facts want",
    "正解 {gold!r} に、key_facts が求める {missing} がありません。",
)
GOLD_CLAIMS_WRONG = Message(
    "its gold {gold!r} holds {claims}, which counts as wrong",
    "正解 {gold!r} に、誤りと数えられる {claims} が含まれています。",
)
GOLD_SCORED_WRONG = Message(
    "its gold {gold!r} is scored as {outcome}; a premise begins yes or no",
    "正解 {gold!r} は採点すると{outcome}になります。前提の設問の正解は「はい」か「いいえ」で始めてください。",
)
GOLD_TOO_LONG = Message(
    "its gold has {n} words, but max_new_tokens={limit} cuts answers off",
    "正解は{n}語ありますが、max_new_tokens={limit} で回答が打ち切られます。",
)
GIVES_AWAY = Message(
    "its question {question!r} gives away {named}", "質問文 {question!r} に答えの {named} が含まれています。"
)
FEW_OPTIONS = Message(
    "it has {n} wrong options in `contrast`; give {least} or more",
    "`contrast` の誤答が{n}個です。{least}個以上にしてください。",
)
CONTRAST_RIGHT = Message(
    "its wrong answer {wrong!r} in `contrast` is scored as right; list it in `forbidden` too",
    "`contrast` の誤答 {wrong!r} が正解と採点されます。`forbidden` にも入れてください。",
)
CONTRAST_TYPE = Message(
    "its wrong answer {wrong!r} in `contrast` is not a {kind}",
    "`contrast` の誤答 {wrong!r} が {kind} 型ではありません。",
)
HIDDEN_ALIAS = Message(
    "probe {id!r}: {value!r}, the value of fact {fact!r}, would be scored as {alias!r}; "
    "drop the shorter alias, or list the other value in `forbidden`",
    "設問{id!r}: 事実{fact!r}の値 {value!r} が {alias!r} として正解になってしまいます。"
    "短いほうの別名を除くか、もう一方の値を `forbidden` に入れてください。",
)
BOTH_SPLITS = Message(
    "fact group {group!r} is asked in both splits (select {select!r}, report "
    "{report!r}); give all its probes one, as raykft.data.split.split_of(group) does",
    "事実のグループ{group!r}が選択用（{select!r}）と報告用（{report!r}）の両方で問われています。"
    "raykft.data.split.split_of(group) のように、同じグループの設問はどちらか一方にしてください。",
)

NOT_VERBATIM = Message(
    "probe {id!r} is of level 1 (verbatim), but no training row asks its question; "
    "ask exactly what the row asks, or give the probe level 2",
    "設問{id!r}はレベル1（学習した質問そのまま）ですが、同じ質問が学習データにありません。"
    "学習データと同じ質問にするか、レベル2にしてください。",
)
REPEATS = Message(
    "{item} {id!r} repeats {other} {row!r} ({how})", "{item}{id!r}が{other}{row!r}と重複しています（{how}）。"
)
PARTNERS = {
    "train": Message("training row", "学習データ"),
    "distractor": Message("distractor", "ディストラクタ"),
    "text": Message("text", "文章"),
    "split": Message("select probe", "選択用の設問"),
}
ITEM = Message("probe", "設問")
REPORT_ITEM = Message("report probe", "報告用の設問")
HOW = {
    "exact": Message("the same question", "同じ質問"),
    "containment": Message("{share:.0%} of its n-grams", "n-gramの{share:.0%}が一致"),
    "containment_with_answer": Message("{share:.0%} of its n-grams and its answer", "n-gramの{share:.0%}と答えが一致"),
    "edit_with_answer": Message("{share:.0%} the same words and its answer", "語の{share:.0%}と答えが一致"),
}
GIVEN_AWAY = Message("{n} of the probes are given away; {marks}:", "設問{n}問の答えが漏れています。{marks}")
MARKED = Message("the leaderboard is marked CONTAMINATED", "リーダーボードに「データ汚染」と表示されます。")
REMOVE = Message(
    "remove these rows or probes, or set `data.allow_contamination: true`, with which {marks}",
    "該当するデータか設問を除いてください。`data.allow_contamination: true` とすれば実行できますが、{marks}",
)
AND_MORE = Message("... and {n} more", "... ほか{n}件")

FACTS_UNPROBED = Message(
    "{n} facts have no probe of level 2: {names}", "{n}件の事実にレベル2の設問がありません: {names}"
)
FREE_ALONE = Message(
    "the probes are free texts alone: how probable these are is all that trials are ranked by, and whether what a model"
    " writes instead is true is not measured",
    "設問は自由記述だけです。順位は正解文の尤度だけで決まり、モデルが代わりに書いた内容が正しいかどうかは測られません。",
)
FREE_ONCE = Message(
    "; {n} of {total} are asked in their training words alone, which measures memory",
    "{total}件中{n}件は学習時と同じ言い方でしか問われず、測られるのは記憶です。",
)
FEW_REPORT = Message(
    "{n} probes have split 'report'; {least} or more keep the 95 % interval within ±0.08",
    "報告用（report）の設問は{n}問です。{least}問以上あれば、95%信頼区間が±0.08以内に収まります。",
)
FEW_OF_LEVEL = Message(
    "fewer than {least} probes of a level have split 'report': {levels}",
    "報告用（report）の設問が{least}問に満たないレベルがあります: {levels}",
)
LEVEL_HAS = Message("level {level} has {n}", "レベル{level}は{n}問")
NO_GENERAL = Message(
    "there are no general probes (`data.general`), so forgetting is not measured",
    "一般設問（`data.general`）がないため、忘却を測れません。",
)
FEW_GENERAL = Message(
    "{n} general probes have lang {lang!r}; forgetting needs {least} or more of a language",
    "言語 {lang!r} の一般設問は{n}問です。忘却を測るには、言語ごとに{least}問以上必要です。",
)
NO_PREMISES = Message(
    "there are no premise probes, so a model that says yes to everything goes unnoticed",
    "前提の設問がないため、何にでも「はい」と答えるモデルを見分けられません。",
)
NO_DISTRACTORS = Message(
    "there are no distractors, so nothing can be mixed in against forgetting",
    "ディストラクタがないため、忘却を抑えるデータを混ぜられません。",
)
OTHER_LANGUAGES = Message(
    "probes have lang {langs}: answers are compared by rules for English and Japanese, and "
    "right ones in other languages may be scored wrong",
    "言語が {langs} の設問があります。回答は英語と日本語の規則で照合するため、"
    "ほかの言語では正解が誤りと採点されることがあります。",
)
UNREAD_SIGNS = Message(
    "{n} accepted answers hold signs that are not compared, such as {signs}: the same "
    "without them, or with others, counts as right",
    "許容する答え{n}個に、照合されない記号が含まれています（{signs}など）。記号がなくても、別の記号でも正解になります。",
)
FUNCTION_WORDS = Message(
    "accepted answers hold words that answers leave out, such as {names}: list them without these words too",
    "許容する答えに、回答では省かれうる語が含まれています（{names}など）。その語を除いたものも加えてください。",
)
NUMBER_UNITS = Message(
    "accepted numbers have a unit, such as {names}: without it they count only where "
    "the question names it; list the number alone too where it should always count",
    "許容する数値に単位が付いています（{names}など）。単位のない回答は、質問文に単位がある場合だけ正解になります。"
    "常に正解とするには、数値だけのものも加えてください。",
)
TWO_ANSWERS = Message(
    "the training question {question!r} has different answers: {answers}",
    "学習データの質問 {question!r} に異なる答えがあります: {answers}",
)
ANSWERS = Message("{ids} answers {answer!r}", "{ids}は {answer!r}")
ROW = Message("{id!r} (row {n})", "{id!r}（{n}行目）")
BETWEEN = Message("; ", "、")
