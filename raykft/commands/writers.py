"""The writer that the options of `raykft data draft` name."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from raykft.errors import ConfigError
from raykft.untrusted.terminal import say

if TYPE_CHECKING:
    from raykft.drafting.draft import Writing

LOCAL = "local"
QUIET_S = 10.0  # between lines of progress


@contextmanager
def writing_of(
    writer: str | None, model: str | None, key_variable: str | None, max_tokens: int | None, prompts: Path | None
) -> Iterator[Writing | None]:
    """Who drafts besides the rules, while the body runs; None where nobody does.

    Raises:
        ConfigError: a part is named without the others.
        ResourceError, ModelError: the writer is not here.
    """
    if writer is None:
        if model or prompts or max_tokens is not None or key_variable is not None:
            raise ConfigError(
                "--writer-model, --writer-key, --max-tokens and --prompts are for a writer; name it with --writer URL"
            )
        yield None
        return
    if model is None:
        raise ConfigError(
            f"--writer {LOCAL if writer == LOCAL else 'URL'} needs the model's name; add --writer-model NAME"
        )
    if max_tokens is not None and max_tokens < 1:
        raise ConfigError(f"--max-tokens {max_tokens} must be at least 1")
    from raykft.drafting.draft import Writing
    from raykft.writer.desk import MAX_TOKENS
    from raykft.writer.endpoint import Endpoint
    from raykft.writer.local import LocalModel

    chosen = LocalModel(model, say=say) if writer == LOCAL else Endpoint(writer, model, key_variable=key_variable)
    say(f"drafting with {chosen.name} ...")
    try:
        yield Writing(chosen, prompts, MAX_TOKENS if max_tokens is None else max_tokens, _progress())
    finally:
        chosen.close()


def _progress() -> Callable[[int, int], None]:
    """A line from time to time."""
    said = time.monotonic()

    def tell(done: int, of: int) -> None:
        nonlocal said
        if done < of and time.monotonic() - said >= QUIET_S:
            said = time.monotonic()
            say(f"  {done} of {of} requests answered")

    return tell
