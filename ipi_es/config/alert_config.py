"""Which results of a job raise alerts, and where the worker sends notifications."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from ipi_es.config.types import DAY, Count, Inconsistent, Number, PositiveSpan, ReadableFile, Section, Text
from ipi_es.errors import ConfigError

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?")


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError(f"“{text}” is not allowed: lowercase letters a–z, digits, - and _, at most 64 characters")
    return text


def is_http(url: str) -> bool:
    """Return whether a text is one URL with http:// or https:// and a host."""
    try:
        parts = urlsplit(url)
    except ValueError:  # such as a bracket that doesn't close
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not any(each.isspace() for each in url)


def _http(secret: SecretStr) -> SecretStr:
    if not is_http(secret.get_secret_value().strip()):
        raise ValueError("must be a URL with http:// or https://")
    return secret


def _apprise(secret: SecretStr) -> SecretStr:
    if "://" not in secret.get_secret_value():
        raise ValueError("must be a URL as Apprise has them, such as mailtos://… or slack://…")
    return secret


def console_mistake(url: str) -> str | None:
    """Say what is wrong with a console's URL, without quoting it; None: nothing. Every alert contains the URL."""
    if "@" in url:
        return "has credentials in it, and would be in every alert: leave them out"
    return None if is_http(url) else "must be a URL with http:// or https://, such as https://kibana.example.org"


def _console(text: str) -> str:
    mistake = console_mistake(text)
    if mistake is not None:
        raise ValueError(mistake)
    return text.rstrip("/")


WebhookUrl: TypeAlias = Annotated[SecretStr, AfterValidator(_http)]
AppriseUrl: TypeAlias = Annotated[SecretStr, AfterValidator(_apprise)]
AlertOn: TypeAlias = Literal["incidents", "buckets", "influencers", "records"]

WAYS = ("webhook", "webhook_file", "apprise", "apprise_file")


class Destination(Section):
    """One place that the worker itself notifies."""

    name: Annotated[str, AfterValidator(_name)] = Field(
        description="Used in logs, and to remember what was sent there: under another name, sending starts again."
    )
    webhook: WebhookUrl | None = Field(default=None, description="URL that gets each alert as a JSON object by POST.")
    webhook_file: ReadableFile | None = Field(default=None, description="File that holds `webhook`.")
    apprise: AppriseUrl | None = Field(
        default=None, description="URL of one of Apprise's services: mail, Slack, Teams, PagerDuty and more."
    )
    apprise_file: ReadableFile | None = Field(default=None, description="File that holds `apprise`.")
    bearer_token_file: ReadableFile | None = Field(
        default=None, description="File with a token that the webhook gets in its Authorization header."
    )

    @model_validator(mode="after")
    def _one_way(self) -> Destination:
        ways = [name for name in WAYS if getattr(self, name) is not None]
        if len(ways) != 1:
            raise Inconsistent(((), f"must have one of {', '.join(WAYS)}, and has {' and '.join(ways) or 'none'}"))
        if self.bearer_token_file is not None and not self.is_webhook:
            raise Inconsistent((("bearer_token_file",), "is for a webhook: Apprise's URLs hold their credentials"))
        return self

    def secret_url(self) -> str:
        """Return the URL to send to, secrets included: never log it. Raises ConfigError if its file can't be read."""
        secret = self.webhook or self.apprise
        if secret is not None:
            return secret.get_secret_value().strip()
        return read_secret(self.webhook_file or self.apprise_file)

    @property
    def is_webhook(self) -> bool:
        """Whether it gets JSON by POST; else Apprise sends the message."""
        return self.webhook is not None or self.webhook_file is not None

    def token(self) -> str | None:
        """Read the webhook's token; None: it has none. Raises ConfigError where its file can't be read."""
        return None if self.bearer_token_file is None else read_secret(self.bearer_token_file)


def read_secret(path: Path | None) -> str:
    """Read a secret's file (None: empty text). It is read at each use, so that a new secret needs no restart.

    Raises ConfigError where the file can't be read.
    """
    try:
        return "" if path is None else path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"can't be read: {error}", place=str(path)) from None


class Alerts(Section):
    """What is worth an alert; also the defaults of `ipi-es alerts render` and `install`."""

    on: tuple[AlertOn, ...] = Field(
        default=("buckets",),
        description="Results that alert: buckets are at most one alert a bucket_span, incidents one for each and one "
        "more when it becomes worse by a severity.",
    )
    threshold: Number = Field(default=75, ge=0, le=100, description="The least score that alerts.")
    score: Literal["initial", "current"] = Field(
        default="initial",
        description="`initial`: the score when it was written, which a renormalization doesn't change.",
    )
    max_age: PositiveSpan = Field(
        default=7 * DAY, description="Results of buckets older than this are not sent: a backfill raises no alerts."
    )
    console: Annotated[Text, AfterValidator(_console)] | None = Field(
        default=None, description="Address of Kibana or OpenSearch Dashboards, for links to the dashboard."
    )
    explorer: Annotated[Text, AfterValidator(_console)] | None = Field(
        default=None,
        description="Address of `ipi-es serve` as people reach it: the worker's own messages link to the finding "
        "there, and not to `console`.",
    )
    max_per_hour: Count = Field(
        default=20,
        ge=1,
        le=1_000,
        description="Messages an hour to each destination of `notify`; what is beyond comes together in one.",
    )
    notify: tuple[Destination, ...] = Field(
        default=(), description="Where `ipi-es run` sends alerts by itself; by default nowhere."
    )

    @model_validator(mode="after")
    def _names_differ(self) -> Alerts:
        names = [each.name for each in self.notify]
        if len(set(names)) < len(names):
            raise Inconsistent((("notify",), "two destinations have the same name"))
        return self
