"""Which rules are run with what, and what is said of a slip of the pen."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
from smdebug_rulesconfig.debugger_rules import builtin_rules

from container.contract.errors import RuleError
from container.rules.definitions import RULES
from container.rules.parameters import parse
from container.rules.selection import choose


def test_without_names_all_built_in_rules_are_run_and_each_is_one_of_sagemakers():
    assert [rule.name for rule in choose([], [])] == list(RULES)
    for name in RULES:
        snake = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
        assert getattr(builtin_rules, snake)()["DebugRuleConfiguration"]["RuleConfigurationName"] == name


@pytest.mark.parametrize("spelling", ["VanishingGradient", "vanishing_gradient", "vanishing-gradient"])
def test_a_name_may_be_spelled_as_the_sdk_does(spelling: str):
    assert [rule.name for rule in choose([spelling], [])] == ["VanishingGradient"]


def test_a_parameter_belongs_to_the_rule_that_is_named_or_alone_has_it():
    chosen = choose([], ["only_nan=True", "all_zero.threshold=90", "Confusion.min_diag = 0.5"])
    given = {rule.name: rule.parameters for rule in chosen if rule.parameters}
    assert given == {"ExplodingTensor": {"only_nan": "True"}, "AllZero": {"threshold": "90"}} | {
        "Confusion": {"min_diag": " 0.5"}
    }
    own = choose(["AllZero", "mine.py:Mine"], ["limit=3"])
    assert (own[1].file, own[1].name, own[1].parameters) == (Path("mine.py"), "Mine", {"limit": "3"})


def test_values_are_text_as_sagemaker_hands_them_over():
    kind = RULES["UnchangedTensor"].parameters
    given = {"collection_names": "weights, biases", "num_steps": "4", "rtol": "1e-3", "equal_nan": "true"}
    parsed = parse("UnchangedTensor", kind, given | {"tensor_regex": ""})
    assert parsed == kind(
        collection_names=("weights", "biases"), num_steps=4, rtol=1e-3, equal_nan=True, tensor_regex=None
    )


@pytest.mark.parametrize("name", RULES)
def test_defaults_are_within_their_own_limits(name: str):
    kind = RULES[name].parameters
    defaults = {
        field.name: ",".join(field.default) if isinstance(field.default, tuple) else field.default
        for field in fields(kind)
    }
    assert parse(name, kind, defaults) == kind()


@pytest.mark.parametrize(
    ("rules", "parameters", "message"),
    [
        (["VanishingGradents"], [], "there is no rule VanishingGradents; did you mean VanishingGradient?"),
        (["quux"], [], "there is no rule quux; there are PoorWeightInitialization, VanishingGradient"),
        (["Overfit", "overfit"], [], "a rule is named twice"),
        (["mine.py"], [], "names a file and no class; write it as mine.py:MyRule"),
        (["Overfit"], ["patience"], "--parameter patience has no value; write it as NAME=VALUE"),
        (["Overfit"], ["patients=3"], "Overfit has no parameter patients; did you mean patience?"),
        (["Overfit"], ["patience=soon"], "patience of Overfit is 'soon'; it must be a whole number, at least 1"),
        (["Overfit"], ["patience=0"], "patience of Overfit is '0'; it must be a whole number, at least 1"),
        (["Overfit"], ["patience=1.5"], "patience of Overfit is '1.5'; it must be a whole number, at least 1"),
        (["Confusion"], ["min_diag=2"], "min_diag of Confusion is '2'; it must be a number from 0 to 1"),
        (["Confusion"], ["min_diag=nan"], "min_diag of Confusion is 'nan'; it must be a number from 0 to 1"),
        (["ExplodingTensor"], ["only_nan=maybe"], "it must be true or false"),
        (["DeadRelu"], ["tensor_regex=(a"], "has '(a', which is not a regular expression"),
        (["LossNotDecreasing"], ["mode=training"], "it must be one of TRAIN, EVAL, GLOBAL"),
        ([], ["threshold=1"], "threshold may be a parameter of PoorWeightInitialization, VanishingGradient, AllZero"),
        ([], ["only_nans=True"], "no rule that is run has a parameter only_nans; did you mean only_nan?"),
        (["Overfit"], ["AllZero.threshold=1"], "names the rule AllZero, which is not run; these are: Overfit"),
    ],
)
def test_what_is_wrong_is_one_sentence_with_the_nearest_name(rules: list[str], parameters: list[str], message: str):
    with pytest.raises(RuleError) as raised:
        choose(rules, parameters)
    assert message in str(raised.value)
