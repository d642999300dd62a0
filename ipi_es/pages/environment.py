"""Jinja's settings for every page: all text is escaped, and a name that a template lacks is an error."""

from __future__ import annotations

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from ipi_es.pages.text import one_in, score_text, severity_name
from ipi_es.results.documents.visible import visible


def environment(package: str) -> Environment:
    """Return an environment with the templates of a package and those that all pages share."""
    made = Environment(
        loader=ChoiceLoader([PackageLoader(package, "templates"), PackageLoader("ipi_es.pages", "templates")]),
        autoescape=True,  # for every file, whatever its extension
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"visible": visible, "score": score_text, "severity": severity_name, "one_in": one_in}
    return made
