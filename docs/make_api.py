"""Writes api.md: the public Python classes, from their docstrings.

python docs/make_api.py
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path

import slipway

PAGE = Path(__file__).with_name("api.md")

_HEAD = """# The Python classes

Written by `python docs/make_api.py` from the docstrings. The classes need no SageMaker SDK. Where version 2 of it is
installed, they are subclasses of its classes too, whose other methods and arguments are as its reference describes
them. With version 3, `estimator.trainer` is a ModelTrainer and `tuner.tuner` a HyperparameterTuner of the same
settings; `model.resource`, `predictor.resource` and `transformer.resource` are sagemaker-core's.
"""
_WIDTH = 100
_TITLES = {"Args": "Arguments", "Returns": "Returns", "Raises": "Raises"}
_SECTION = re.compile(rf"^({'|'.join(_TITLES)}):\n((?:    .*\n?|\n)+)", re.MULTILINE)
_NAMES = re.compile(r"[\w.]+(?:, [\w.]+)*(?=: )")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def page() -> str:
    """Return the whole page."""
    modules = {**slipway._MODULES, **slipway._OF_SDKS}
    public = [getattr(import_module(f"slipway.{modules[name]}"), name) for name in slipway.__all__]
    kinds = [each for each in public if isinstance(each, type)]
    return "\n".join([_HEAD, *(_class(kind, kinds) for kind in kinds)])


def _class(kind: type, kinds: Sequence[type]) -> str:
    # What another class of this page has is described there.
    elsewhere = {base for other in kinds if other is not kind and issubclass(kind, other) for base in other.__mro__}
    constructor, members = "", {}
    for base in reversed(kind.__mro__):
        if base.__module__.startswith("slipway.") and base not in elsewhere:
            definition = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
            assert isinstance(definition, ast.ClassDef)
            for node, after in zip(definition.body, [*definition.body[1:], None], strict=True):
                if isinstance(node, Function) and node.name == "__init__":
                    constructor = _code(_signature(node, kind.__name__)) + "\n"
                elif isinstance(node, Function) and not node.name.startswith("_"):
                    documentation = ast.get_docstring(node) or ""
                    members[node.name] = f"{_code(_signature(node, node.name))}\n{_markdown(documentation)}"
                elif isinstance(node, ast.AnnAssign) and not ast.unparse(node.target).startswith("_"):
                    about = ast.literal_eval(after.value) if isinstance(after, ast.Expr) else ""
                    # With the quotation marks that ruff writes, which formats this page too.
                    line = ast.unparse(node).replace("'", '"')
                    members[ast.unparse(node.target)] = f"{_code(line)}\n{_markdown(about)}"
    head = f"## {kind.__name__}\n\n{constructor}{_markdown(inspect.getdoc(kind) or '')}"
    return "\n".join([head, *(f"### {kind.__name__}.{name}\n\n{text}" for name, text in members.items())])


def _signature(node: Function, name: str) -> str:
    decorators = {ast.unparse(decorator) for decorator in node.decorator_list}
    returns = f" -> {ast.unparse(node.returns)}" if node.returns and name == node.name else ""
    if decorators & {"property", "cached_property"}:
        return f"{name}{returns.replace(' ->', ':')}"
    if "staticmethod" not in decorators:
        node.args.args = node.args.args[1:]  # self or cls
    arguments = [_spaced(argument) for argument in _split(ast.unparse(node.args))]
    line = f"{name}({', '.join(arguments)}){returns}"
    if len(line) <= _WIDTH:
        return line
    return f"{name}(\n" + "".join(f"    {argument},\n" for argument in arguments) + f"){returns}"


def _split(arguments: str) -> Iterator[str]:
    """Split at the commas that are in no bracket."""
    start = depth = 0
    for place, letter in enumerate(arguments):
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and not depth:
            yield arguments[start:place].strip()
            start = place + 1
    yield arguments[start:].strip()


def _spaced(argument: str) -> str:
    named, equals, default = argument.partition("=")
    return f"{named} = {default}" if equals and ": " in named else argument


def _code(text: str) -> str:
    return f"```python\n{text}\n```\n"


def _markdown(documentation: str) -> str:
    """Turn a docstring in Google's form into Markdown."""
    text = inspect.cleandoc(documentation).replace("<", "&lt;") + "\n"
    plain = _SECTION.sub("", text).strip()
    parts = [f"{plain}\n"] if plain else []
    for title, body in _SECTION.findall(text):
        entries = re.split(r"\n(?=\S)", textwrap.dedent(body).strip())
        parts.append(f"**{_TITLES[title]}**\n\n" + "".join(f"- {_item(entry)}\n" for entry in entries))
    return "\n".join(parts)


def _item(entry: str) -> str:
    line = " ".join(entry.split())
    return _NAMES.sub(lambda found: f"`{found[0].replace(', ', '`, `')}`", line, count=1)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
