"""The settings of scoring on several processes or machines."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from ipi_es.config.types import Count, Inconsistent, ReadableFile, Section


def _dask_address(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("tcp", "tls", "ws", "wss", "ucx") and bool(parts.hostname) and parts.port is not None
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("must be the scheduler's address, such as tcp://dask.example.org:8786 or tls://…")
    return text


class DaskSettings(Section):
    """Several processes or machines for `ipi-es backfill`, by Dask; needs the extra `[dask]`."""

    scheduler: Annotated[str, AfterValidator(_dask_address)] | None = Field(
        default=None,
        description="Address of a Dask scheduler, such as `tcp://dask.example.org:8786`; by default that of "
        "`$DASK_SCHEDULER_ADDRESS`, and without it none is used.",
    )
    workers: Count | None = Field(
        default=None,
        ge=1,
        le=512,
        description="Processes on this machine, in place of a scheduler. By default one process does everything, "
        "without Dask.",
    )
    tls_ca: ReadableFile | None = Field(
        default=None,
        description="File with the certificate authority of a `tls://` scheduler (PEM); by default as in Dask's own "
        "configuration.",
    )
    tls_certificate: ReadableFile | None = Field(
        default=None, description="File with this client's certificate for the scheduler (PEM)."
    )
    tls_key: ReadableFile | None = Field(
        default=None, description="File with the key of `tls_certificate` (PEM, without a passphrase)."
    )

    @model_validator(mode="after")
    def _consistent(self) -> DaskSettings:
        if self.scheduler is not None and self.workers is not None:
            raise Inconsistent(((), "scheduler and workers are different ways to score on several processes: keep one"))
        if len({self.tls_ca is None, self.tls_certificate is None, self.tls_key is None}) > 1:
            raise Inconsistent(((), "tls_ca, tls_certificate and tls_key belong together: give all, or none"))
        if self.tls_ca is not None and not (self.scheduler or "tls://").startswith(("tls://", "wss://")):
            raise Inconsistent((("tls_ca",), "is for tls://, but the scheduler's address begins otherwise"))
        return self

    @property
    def used(self) -> bool:
        """Whether anything but this process is used."""
        return self.scheduler is not None or self.workers is not None
