"""A docstring's first sentence stands alone."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILES = [file for folder in ("container", "slipway", "bench") for file in sorted((ROOT / folder).rglob("*.py"))]

# Or code in backticks, a file's name, or a proper name, which keeps its own spelling.
_BEGINS_WELL = re.compile(r"`|[A-Z]|[a-z]+[.-][a-z]|(smdebug|torch|timm|uvicorn|botocore)\b")
# A full stop comes before any other end.
_SENTENCE = re.compile(r"[^?!]*?\.(\s|$)", re.DOTALL)


def docstrings() -> Iterator[tuple[str, bool, str]]:
    """Where each is, whether it is public, and the text."""
    for file in FILES:
        place = str(file.relative_to(ROOT))
        yield from _below(ast.parse(file.read_text()), place, public=not file.name.startswith("_") or "__" in file.name)


def _below(node: ast.AST, place: str, *, public: bool) -> Iterator[tuple[str, bool, str]]:
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and (
        text := ast.get_docstring(node)
    ):
        yield place, public, text
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            within = isinstance(node, ast.Module | ast.ClassDef) and not child.name.startswith("_")
            yield from _below(child, f"{place}:{child.lineno} {child.name}", public=public and within)


def test_no_docstring_begins_with_of():
    """Those of attributes too."""
    begins = re.compile(r'^\s*"""Of ', re.MULTILINE)
    assert not [file for file in FILES if begins.search(file.read_text())]


def test_public_docstrings_begin_with_a_capital_or_a_name():
    assert not [place for place, public, text in docstrings() if public and not _BEGINS_WELL.match(text)]


def test_the_first_sentence_of_public_docstrings_ends_with_a_full_stop():
    first = ((place, text.split("\n\n")[0]) for place, public, text in docstrings() if public)
    # Constructors may begin with their arguments: the class has said what it is.
    assert not [place for place, text in first if not _SENTENCE.match(text) and not text.startswith("Args:")]
