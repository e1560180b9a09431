"""Loads the templates of the pages, which are Jinja files in `templates/`."""

from __future__ import annotations

import shlex

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from mvtec.words import counted


def template(name: str) -> Template:
    """One of our page templates."""
    environment = Environment(
        loader=PackageLoader("mvtec.evaluate.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["quoted"] = shlex.quote
    environment.globals["counted"] = counted
    return environment.get_template(name)
