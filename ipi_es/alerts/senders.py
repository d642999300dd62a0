"""The two senders: a JSON webhook, and Apprise for everything else. Errors never quote a URL: it is a secret."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Protocol
from urllib.parse import urlsplit

import requests

from ipi_es.alerts.message import Notification
from ipi_es.alerts.redaction import redactor
from ipi_es.config.alert_config import Destination, is_http
from ipi_es.errors import ExtraMissing, NotSent
from ipi_es.extras import NOTIFY, require

TIMEOUT = (5.0, 10.0)
"""Seconds to connect, and to wait for each part of an answer."""

HEADER_MOST = 500
"""Characters of an id in a header: servers refuse a request whose headers are larger than some KiB."""


class Sender(Protocol):
    """A sender of notifications to one destination."""

    def send(self, notification: Notification) -> None:
        """Send a notification. Raises NotSent if it wasn't accepted, or if that isn't known."""


class WebhookSender:
    """Posts a notification as JSON; ``Idempotency-Key`` holds its id, or a digest of it. Any 2xx status is success."""

    def __init__(self, destination: Destination, timeout: tuple[float, float] = TIMEOUT) -> None:
        """``timeout``: seconds to connect, and to wait for the response."""
        self._destination, self._timeout = destination, timeout

    def send(self, notification: Notification) -> None:
        """Send a notification, see :class:`Sender`."""
        name, url, token = self._destination.name, self._destination.secret_url(), self._destination.token()
        if not is_http(url):
            raise NotSent(f"{name}: its file holds no URL with http:// or https://", hint="a URL, and nothing else")
        headers = {"Idempotency-Key": header_id(notification)}
        if token and not (token.isascii() and token.isprintable()):
            raise NotSent(f"{name}: its token has characters that no header can hold", hint="one line of plain ASCII")
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            with requests.post(
                url,
                json=notification.to_dict(),
                headers=headers,
                timeout=self._timeout,
                allow_redirects=False,
                stream=True,
            ) as answer:
                status, wait = answer.status_code, _asked_wait(answer.headers)
        except requests.exceptions.ReadTimeout:
            host, seconds = urlsplit(url).hostname, self._timeout[1]
            said = f"{name}: {host} gave no answer in {seconds:g} s: it may have taken it, or not"
            raise NotSent(said) from None
        except (requests.exceptions.RequestException, ValueError) as error:  # ValueError for invalid hosts
            host = urlsplit(url).hostname
            raise NotSent(f"{name}: {host} could not be reached ({type(error).__name__})") from None
        if not 200 <= status < 300:
            raise NotSent(
                f"{name}: {urlsplit(url).hostname} answered with {status}", hint="check its URL and its log", wait=wait
            )


def header_id(notification: Notification) -> str:
    """Return a notification's id in a form that fits a header: names in ids may have line ends, or be very long."""
    text = notification.id.encode("ascii", "backslashreplace").decode()
    if text.isprintable() and len(text) <= HEADER_MOST:
        return text
    digest = hashlib.blake2b(notification.id.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{notification.worst.job_id}|{notification.worst.alert}|{digest}"


def _asked_wait(headers: Mapping[str, str]) -> int | None:
    """Return the seconds of a Retry-After header; a time there is relative to the answer's own Date: clocks differ."""
    asked = headers.get("Retry-After", "").strip()
    if asked.isdecimal():
        return int(asked)
    try:
        seconds = (parsedate_to_datetime(asked) - parsedate_to_datetime(headers.get("Date", ""))).total_seconds()
    except (TypeError, ValueError):  # no header, no date, or only one of them with a time zone
        return None
    return max(int(seconds), 0)


class AppriseSender:
    """Sends title and text through one of Apprise's services."""

    def __init__(self, destination: Destination) -> None:
        self._destination = destination

    def send(self, notification: Notification) -> None:
        """Send a notification. Errors name only the URL's scheme: the host may be a part of the secret."""
        name, url = self._destination.name, self._destination.secret_url()
        try:
            require(f"destination {name}", NOTIFY)
        except ExtraMissing as error:
            raise NotSent(error.message, hint=error.hint) from error
        import apprise  # the import takes a third of a second: only where it is used
        from apprise.exception import AppriseException

        kind = {
            "critical": apprise.NotifyType.FAILURE,
            "major": apprise.NotifyType.FAILURE,
            "minor": apprise.NotifyType.WARNING,
        }.get(notification.worst.severity, apprise.NotifyType.INFO)
        service = apprise.Apprise()
        named = f"{name} ({_scheme(url)}://)"
        try:
            with _without_secrets(url):
                if not service.add(url):
                    raise NotSent(f"{name}: Apprise can't read this URL", hint="look at the form of its service's URLs")
                taken = service.notify(
                    body=notification.text,
                    title=notification.title,
                    notify_type=kind,
                    body_format=apprise.NotifyFormat.TEXT,
                )
        except (OSError, TypeError, ValueError, AppriseException) as error:
            raise NotSent(f"{named}: Apprise failed ({type(error).__name__})") from None
        if not taken:
            raise NotSent(f"{named}: the service did not take it", hint="the log has the request to Apprise")


@contextmanager
def _without_secrets(url: str) -> Iterator[None]:
    """Keep a URL's parts out of Apprise's log lines, which quote URLs and tokens, from any thread."""
    hidden = redactor(url)

    def redact(record: logging.LogRecord) -> bool:
        record.msg, record.args, record.exc_info = hidden(record.getMessage()), (), None
        return True

    log = logging.getLogger("apprise")
    log.addFilter(redact)
    try:
        yield
    finally:
        log.removeFilter(redact)


def _scheme(url: str) -> str:
    """Return the service's name in a valid Apprise URL: ``slack``, ``mailtos``."""
    return url.partition("://")[0].strip().lower()


def sender_of(destination: Destination) -> Sender:
    """Return the sender for a destination."""
    return WebhookSender(destination) if destination.is_webhook else AppriseSender(destination)
