"""Refuses arguments that no function takes; the SDK's `**kwargs` drop them silently."""

import difflib
from collections.abc import Iterable
from inspect import Parameter, signature

Function = tuple[type, str]
"""A class, and the name of its method."""

_VARIABLE = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


def known_arguments(owner: type, method: str) -> set[str]:
    """Collect the names of a method's arguments, those of the classes above it included: Slipway's and the SDK's."""
    functions = [vars(part)[method] for part in owner.__mro__ if method in vars(part) and part is not object]
    functions = [getattr(function, "__func__", function) for function in functions]  # of class methods
    return {
        name
        for function in functions
        for name, parameter in signature(function).parameters.items()
        if parameter.kind not in _VARIABLE and name not in ("self", "cls")
    }


def refuse_unknown(called: str, given: Iterable[str], *functions: Function, also: Iterable[str] = ()) -> None:
    """Refuse an argument that none of the functions takes.

    Args:
        called: What the user called, such as `Estimator`.
        given: The names of the arguments.
        functions: Those that the arguments are passed on to.
        also: More names that are known.

    Raises:
        TypeError: Names the argument, and the nearest known one.
    """
    known = set(also).union(*(known_arguments(*function) for function in functions))
    for name in given:
        if name not in known:
            [nearest] = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0)
            raise TypeError(f"{called}() has no argument {name!r}; did you mean {nearest!r}?")
