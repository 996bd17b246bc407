"""What readers of a board are told, in every language: one message a line, English and Japanese side by side.

A text that a reader sees is a `Message` here and nowhere else; `tests/wording/` holds every message to both
languages with the same placeholders, and a Japanese board to having no English left in it.
Most errors and logs are English, and so are the keys and values of JSON, CSV and Parquet (docs/decisions/018).

Glossary: one word per idea. Sentences end in です・ます and a 。, titles and labels in a noun.

    adapter                 アダプタ            knowledge               知識
    at random               無作為              leaderboard             リーダーボード
    base model              ベースモデル        level                   レベル
    baseline                ベースライン        measurement             測定
    cluster (of facts)      まとまり            paraphrase              言い換え
    contamination           データ汚染          premise                 前提
    distractor              ディストラクタ      probe, question         設問
    early stopping          早期終了            rank (of an adapter)    ランク
    epoch                   エポック            rank (among trials)     順位
    expected answer         正解                recipe                  レシピ
    fact                    事実                report split, held out  報告用
    forgetting              忘却                search                  探索
    front                   パレートフロント    seed                    シード
    gain                    獲得                select split            選択用
    general ability         汎用能力            significant             有意
    generated score         生成スコア          training row            学習データ
    graded score            尤度スコア          trial                   試行
    interval                信頼区間            winner                  最良のレシピ

In tables and drawings, where room is short, the base model is ベース and the winner 最良.
"""
