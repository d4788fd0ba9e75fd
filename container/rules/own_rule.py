"""Users' own rules: subclasses of smdebug.rules.Rule in files."""

import difflib
import importlib.util
import inspect
import sys
from pathlib import Path
from typing import Any

from smdebug.rules.rule import Rule

from container.contract.errors import RuleError
from container.rules.parameters import nearest
from container.rules.selection import Chosen


def load_class(file: Path, name: str) -> type:
    """Load a class from a file, which is run as a module.

    Raises:
        RuleError: There is no such file or class, it cannot be imported, or it is not a Rule.
    """
    if not file.is_file():
        near = difflib.get_close_matches(file.name, [path.name for path in file.parent.glob("*.py")], n=1)
        raise RuleError(f"there is no file {file}" + (f"; did you mean {file.parent / near[0]}?" if near else ""))
    spec = importlib.util.spec_from_file_location(f"rules_of_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise RuleError(f"{file} is not a Python file; a rule of your own is named as FILE.py:CLASS")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(file.parent.resolve()))  # the files beside it can be imported
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise RuleError(f"{file} cannot be imported: {type(error).__name__}: {error}") from error
    rules = {
        key: value
        for key, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, Rule) and value is not Rule
    }
    if name not in rules:
        if hasattr(module, name):
            raise RuleError(f"{name} in {file} is not a subclass of smdebug.rules.Rule")
        raise RuleError(f"{file} has no class {name}; {nearest(name, rules, 'its rules are')}")
    return rules[name]


def make_rule(chosen: Chosen, trial: Any) -> Rule:
    """Make an instance of the user's class; its parameters are text, as SageMaker passes them.

    Raises:
        RuleError: As `load_class`, or a parameter is unknown.
    """
    assert chosen.file is not None
    kind = load_class(chosen.file, chosen.name)
    # smdebug 1.0.34 requires an action, which the rules in SageMaker's examples do not pass.
    Rule.__init__.__defaults__ = ("", None)
    wanted = inspect.signature(kind).parameters
    takes_all = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in wanted.values())
    known = [name for name in wanted if name not in ("base_trial", "action_str", "other_trials")]
    for name in chosen.parameters:
        if name not in known and not takes_all:
            raise RuleError(f"{chosen.name} has no parameter {name}; {nearest(name, known, 'it has')}")
    try:
        return kind(trial, **chosen.parameters)
    except Exception as error:
        raise RuleError(f"{chosen.name} of {chosen.file} cannot be made: {type(error).__name__}: {error}") from error
