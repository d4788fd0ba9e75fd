"""Renders a page as one HTML file that opens offline: styles, scripts, numbers and pictures are all inside."""

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

Figure = dict[str, Any]
"""`data` and `layout`, as `container.page.charts` makes them."""


def render(template: str, figures: Mapping[str, Figure], **values: Any) -> str:
    """Fill in a template of this package; every text is escaped there.

    Args:
        template: File name in `templates`; extends frame.html, whose comment says what it defines.
        figures: The charts by the anchor given to the macro `chart`.
        values: What the template names.
    """
    return _environment().get_template(template).render(figures=figures, **values)


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("container.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False}  # and keys in their own order
    return environment


def _number(value: float, form: str = ",") -> str:
    return format(value, form)
