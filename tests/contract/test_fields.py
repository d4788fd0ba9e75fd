"""Typed fields: what they read, and what they say about a value that does not fit."""

from typing import Any

import pytest

from container.contract.errors import ServeError
from container.contract.fields import Field


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        (Field(int, 1, 9), " 8.0 ", 8),
        (Field(float), "1e-3", 0.001),
        (Field(bool), "TRUE", True),
        (Field(bool), "0", False),
        (Field(str), " as it is ", "as it is"),
        (Field(str, choices=("TRAIN", "EVAL")), "train", "TRAIN"),
        (Field(tuple), "a, b,", ("a", "b")),
    ],
)
def test_a_value_is_read_from_its_text(field: Field[Any], text: str, value: object):
    read = field.read(text, "it", ServeError)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("field", "allowed"),
    [
        (Field(int), "a whole number"),
        (Field(int, 1, 9), "a whole number from 1 to 9"),
        (Field(int, -1, 9), "a whole number from -1 to 9"),
        (Field(int, 1), "a whole number, at least 1"),
        (Field(float, high=9), "a number, up to 9"),
        (Field(float, above=0, high=10), "a number, above 0, up to 10"),
        (Field(float, 1, 3600, unit="seconds"), "a number of seconds from 1 to 3600"),
        (Field(bool), "true or false"),
        (Field(str, choices=("none", "lru")), "none or lru"),
        (Field(str, choices=("a", "b", "c")), "one of a, b, c"),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_what_is_allowed(field: Field[Any], allowed: str):
    with pytest.raises(ServeError) as raised:
        field.read("²", "IT", ServeError)
    assert str(raised.value) == f"IT is '²'; it must be {allowed}"
