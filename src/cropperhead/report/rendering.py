"""The only Jinja environment: it renders the report's page and cards from `templates/`."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from cropperhead import words
from cropperhead.evaluation import number_text
from cropperhead.report import markdown


def render_template(name: str, **values: Any) -> str:
    """Render a template; values are escaped except in Markdown, where templates escape texts."""
    environment = Environment(
        loader=PackageLoader("cropperhead.report"),
        autoescape=lambda template: not str(template).endswith(".md.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "text": markdown.escape_text,
        "table": markdown.format_table,
        "number": number_text.format_number,
        "percent": number_text.format_percent,
        "count": "{:,}".format,
        "megabytes": lambda size: f"{size / 1e6:.2f} MB",
    }
    environment.globals |= {
        "share": number_text.format_share,
        "plural": words.format_count,
        "code": markdown.code_span,
    }
    return environment.get_template(name).render(**values)
