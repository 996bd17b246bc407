"""Writers behind an OpenAI-compatible address: vLLM, Ollama, llama.cpp, hosted ones.

The key comes from an environment variable, goes to that address alone, and is taken out of every message. Which
variable that is, a user says: the one that everybody has set is a key for its own service, and by default sent to no
other.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from raykft.errors import ConfigError, RaykftError, ResourceError
from raykft.untrusted.escapes import one_line
from raykft.untrusted.messages import shortened, shown
from raykft.writer.protocol import Request, Said

KEY_VARIABLE, KEY_HOST = "OPENAI_API_KEY", "api.openai.com"
WITHOUT_KEY = "none"  # said in place of a variable
NO_KEY = "none"  # the client asks for something, and servers without keys take anything
TIMEOUT_S, RETRIES, BATCH = 120.0, 3, 4
MAX_MESSAGE = 300
_HOPELESS = "; nothing was written. What it has answered so far is kept: the same command goes on from there"


class Endpoint:
    """The model `model` at `url`. Temperature 0, a fixed seed; structured output as far as the server knows it."""

    batch = BATCH

    def __init__(
        self,
        url: str,
        model: str,
        *,
        key_variable: str | None = None,
        timeout_s: float = TIMEOUT_S,
        retries: int = RETRIES,
    ) -> None:
        """
        Args:
            key_variable: of the environment, which holds the key; `WITHOUT_KEY` where the server asks for none. Only
                servers of this machine and `KEY_HOST` need not be told.

        Raises:
            ConfigError: the address is none, or holds a password; the variable holds no key; or nobody says which
                key is for that address.
            ResourceError: the client is not installed.
        """
        self._url = _checked(url)
        self._model, self._variable = model, _variable_for(self._url, key_variable)
        self._key = _key_in(self._variable) if self._variable else NO_KEY
        self.name = f"{model} at {self._url}"
        self.identity = self.name
        openai = _client_library()
        self._errors = openai
        self._client = openai.OpenAI(base_url=self._url, api_key=self._key, timeout=timeout_s, max_retries=retries)
        self._manner, self._answered = 0, False  # of _MANNERS, the one that the server is hoped or known to accept
        self._timeout_s, self._tries = timeout_s, retries + 1

    def say(self, requests: Sequence[Request]) -> list[Said | RaykftError]:
        # The first finds out what the server accepts, so that the others need not.
        first = self._answer(requests[0])
        if isinstance(first, RaykftError):
            return [first]
        with ThreadPoolExecutor(self.batch) as pool:
            return [first, *pool.map(self._answer, requests[1:])]

    def close(self) -> None:
        self._client.close()

    def _answer(self, request: Request) -> Said | RaykftError:
        refusal: Exception | None = None
        for number in (self._manner, *(n for n in range(len(_MANNERS)) if n != self._manner)):
            try:
                said = self._read(self._asked(request, number), request)
            except (self._errors.BadRequestError, self._errors.UnprocessableEntityError) as error:
                refusal = error  # of this way to ask, or of this very question
            except self._errors.OpenAIError as error:
                return ResourceError(self._told(error))
            except ValueError:  # no JSON, though it says it is
                return self._no_completion("broken JSON")
            else:
                if not isinstance(said, RaykftError):
                    self._manner, self._answered = number, True
                return said
        assert refusal is not None
        if self._answered:  # it refuses this question and has answered others, so the draft goes on without this one
            return Said("", 0, self._clean(str(refusal)))
        return ResourceError(self._told(refusal))

    def _asked(self, request: Request, manner: int) -> Any:
        messages = [{"role": message.role, "content": message.text} for message in request.messages]
        return self._client.chat.completions.create(model=self._model, messages=messages, **_MANNERS[manner](request))

    def _read(self, response: Any, request: Request) -> Said | RaykftError:
        try:
            text = response.choices[0].message.content or ""
            usage = getattr(response.usage, "total_tokens", None)
        except (AttributeError, IndexError, TypeError):
            return self._no_completion(shown(self._clean(str(response)[:MAX_MESSAGE])))
        return Said(text, usage if isinstance(usage, int) else min(request.most_tokens, request.max_tokens + len(text)))

    def _no_completion(self, what: str) -> ResourceError:
        return ResourceError(
            f"{self._url} answers, but with no chat completion: {what}; give the address that chat/completions is "
            f"below, which often ends in /v1{_HOPELESS}"
        )

    def _told(self, error: Exception) -> str:
        """A sentence for a user, without the key whatever the server has put into its message."""
        status = getattr(error, "status_code", None)
        cause = self._clean(str(error))
        if status in {401, 403}:
            if self._key != NO_KEY:
                given = f"the key in {self._variable}"
            elif self._variable:
                given = f"that no key is given; set {self._variable}"
            else:
                given = "that no key is given; name the variable that holds it with --writer-key NAME"
            return f"{self._url} refuses {given} ({status}): {cause}{_HOPELESS}"
        if status == 404:
            return f"{self._url} knows no model {self._model!r}, or no chat completions (404): {cause}{_HOPELESS}"
        if isinstance(error, self._errors.APITimeoutError):
            return f"{self._url} has not answered within {self._timeout_s:g} s, {self._tries} times in a row{_HOPELESS}"
        if isinstance(error, self._errors.APIConnectionError):
            reason = self._clean(str(error.__cause__ or error))
            return f"{self._url} cannot be reached ({reason}); is the server up, and the address right?{_HOPELESS}"
        return f"{self._url} refuses ({status or type(error).__name__}): {cause}{_HOPELESS}"

    def _clean(self, text: str) -> str:
        """One short line of what a server or the network says, without the key or what looks like one."""
        own = text if self._key == NO_KEY else text.replace(self._key, "...")
        # Servers quote keys as they were sent, or all but a middle part of them.
        return shortened(one_line(re.sub(r"\b(?:sk|key)-[\w*.-]{6,}", "...", own)), MAX_MESSAGE)


def _variable_for(url: str, named: str | None) -> str | None:
    """The variable whose key is for an address; None where it is asked without one."""
    if named is not None:
        return None if named.lower() == WITHOUT_KEY else named
    parts = urlsplit(url)
    host = parts.hostname or ""
    if _is_here(host):
        return None
    if host == KEY_HOST and parts.scheme == "https" and parts.port in {None, 443}:
        return KEY_VARIABLE
    raise ConfigError(
        f"--writer {url}: which key is for {shown(host)}? Name the environment variable that holds it with "
        f"--writer-key NAME, or --writer-key {WITHOUT_KEY} if it asks for none; {KEY_VARIABLE} goes by itself to "
        f"https://{KEY_HOST} alone"
    )


def _is_here(host: str) -> bool:
    """Whether a name is that of this machine, which nobody else can have by name or number."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _key_in(variable: str) -> str:
    key = os.environ.get(variable, "").strip()
    if key and not re.fullmatch("[!-~]+", key):
        raise ConfigError(f"{variable} holds no key: there are spaces or letters beyond ASCII in it; set it anew")
    return key or NO_KEY


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise ConfigError(
            f"--writer {shown(_without_user(url))} is no http or https address, such as http://127.0.0.1:8000/v1"
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError(
            f"--writer {shown(_without_user(url))}: an address may hold no user, password or query, which would be "
            "written down; keys are read from the environment variable that --writer-key names"
        )
    return urlunsplit(parts).rstrip("/")


def _without_user(url: str) -> str:
    return re.sub(r"//[^/@]*@", "//...@", url).partition("?")[0].partition("#")[0]


def _client_library() -> Any:
    try:
        import openai
    except ModuleNotFoundError as error:
        raise ResourceError("--writer needs the package openai; run: pip install 'raykft[writer]'") from error
    return openai


def _schema(request: Request) -> dict[str, Any]:
    form = {"name": request.form, "schema": request.schema, "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": form}}


def _steady(request: Request) -> dict[str, Any]:
    return {"temperature": 0, "seed": 0, "max_tokens": request.max_tokens}


# From the strictest to what every server takes. Hosted models that reason refuse a temperature, and some servers
# every schema or every form.
_MANNERS: tuple[Callable[[Request], dict[str, Any]], ...] = (
    lambda request: _schema(request) | _steady(request),
    lambda request: _schema(request) | {"max_completion_tokens": request.max_tokens},
    lambda request: {"response_format": {"type": "json_object"}} | _steady(request),
    _steady,
    lambda request: {"max_tokens": request.max_tokens},
)
