"""The templates of the pages: texts stay texts, and a value that is missing is an error."""

import pytest
from jinja2 import UndefinedError

from container.page import render

HOSTILE = "</script><script>alert('1')</script>"
VALUES = {
    "result": {"minutes": 1, "load_percent": 70, "model": HOSTILE, "engine": "e", "device": HOSTILE},
    "statuses": [HOSTILE, "200"],
    "parts": ["front", HOSTILE],
    "head": ["phase", HOSTILE],
    "rows": [[HOSTILE, HOSTILE]],
}


def test_no_text_becomes_markup_wherever_it_stands():
    page = render("soak.html", {"latency-chart": {"data": [{"name": HOSTILE}], "layout": {}}}, **VALUES)
    assert page.count("alert(") == 8
    assert "<script>alert(" not in page


def test_a_value_that_is_missing_is_an_error_and_no_gap():
    with pytest.raises(UndefinedError, match="'statuses' is undefined"):
        render("soak.html", {}, **{name: value for name, value in VALUES.items() if name != "statuses"})
