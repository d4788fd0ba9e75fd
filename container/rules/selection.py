"""The choice of rules and parameters on the command line, checked as far as possible without smdebug."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from container.contract.errors import RuleError
from container.rules.definitions import RULES
from container.rules.parameters import names_of, nearest, parse


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A rule to run."""

    name: str
    """The name of the built-in rule, or of the user's class."""
    file: Path | None = None
    """The file with the user's class."""
    parameters: dict[str, str] = field(default_factory=dict)


def choose(rules: Sequence[str], parameters: Sequence[str]) -> list[Chosen]:
    """Read `--rule NAME` or `FILE:CLASS`, and `--parameter [RULE.]NAME=VALUE`.

    Args:
        rules: Empty for all built-in rules.
        parameters: A name without a rule belongs to the only chosen rule that has it.

    Raises:
        RuleError: A rule or parameter is unknown, a value is wrong, or several rules have the parameter.
    """
    chosen = [_rule(text) for text in rules] or [Chosen(name=name) for name in RULES]
    by_name = {rule.name: rule for rule in chosen}
    if len(by_name) < len(chosen):
        raise RuleError("a rule is named twice; name each once")
    for text in parameters:
        name, equals, value = text.partition("=")
        if not equals:
            raise RuleError(f"--parameter {text} has no value; write it as NAME=VALUE or RULE.NAME=VALUE")
        rule, dot, plain = name.strip().rpartition(".")
        owner = by_name[_named(rule, by_name)] if dot else _owner(plain, chosen)
        owner.parameters[plain] = value
    for rule_ in chosen:
        if rule_.file is None:
            parse(rule_.name, RULES[rule_.name].parameters, rule_.parameters)
    return chosen


def _rule(text: str) -> Chosen:
    file, colon, name = text.rpartition(":")
    if colon:
        return Chosen(name=name.strip(), file=Path(file.strip()).expanduser())
    if text.endswith(".py"):
        raise RuleError(f"--rule {text} names a file and no class; write it as {text}:MyRule")
    return Chosen(name=_built_in(text.strip()))


def _built_in(text: str) -> str:
    plain = {_letters(name): name for name in RULES}
    if found := plain.get(_letters(text)):
        return found
    raise RuleError(
        f"there is no rule {text}; {nearest(text, RULES, 'there are')}" + " (a rule of your own is named as FILE:CLASS)"
    )


def _letters(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def _named(rule: str, chosen: dict[str, Chosen]) -> str:
    for name in chosen:
        if _letters(name) == _letters(rule):
            return name
    raise RuleError(f"--parameter names the rule {rule}, which is not run; {nearest(rule, chosen, 'these are:')}")


def _owner(parameter: str, chosen: Sequence[Chosen]) -> Chosen:
    if len(chosen) == 1:
        return chosen[0]
    known = {rule.name: names_of(RULES[rule.name].parameters) for rule in chosen if rule.file is None}
    owners = [rule for rule in chosen if parameter in known.get(rule.name, ())]
    own = [rule for rule in chosen if rule.file is not None]
    if not owners and len(own) == 1:
        return own[0]
    if len(owners) == 1 and not own:
        return owners[0]
    if owners:
        names = ", ".join(rule.name for rule in [*owners, *own])
        raise RuleError(f"{parameter} may be a parameter of {names}; say whose: {owners[0].name}.{parameter}=…")
    every = dict.fromkeys(name for names in known.values() for name in names)
    raise RuleError(f"no rule that is run has a parameter {parameter}; {nearest(parameter, every, 'they have')}")
