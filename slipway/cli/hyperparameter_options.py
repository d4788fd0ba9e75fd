"""The hyperparameters as options of commands."""

from collections.abc import Callable, Sequence

import click

from container.train.hyperparameters import HYPERPARAMETERS, Hyperparameter


class HyperparameterOption(click.Option):
    """Sets a hyperparameter; shared settings of slipway.toml, such as the profile, are never meant for it."""


class HyperparameterCommand(click.Command):
    """Shows the hyperparameters in a section of their own."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, wanted in (("Options", False), ("Hyperparameters", True)):
            records = [
                record
                for parameter in self.get_params(ctx)
                if isinstance(parameter, click.Option)
                and isinstance(parameter, HyperparameterOption) is wanted
                and (record := parameter.get_help_record(ctx))
            ]
            with formatter.section(title):
                formatter.write_dl(records)


def hyperparameter_options(*, without: Sequence[str] = ()) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """One option for each row of the table; values are read by the table, as in a job's hyperparameters.json.

    Args:
        without: Hyperparameters that the command has no option for.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        for row in reversed(HYPERPARAMETERS):
            if row.name not in without:
                command = _option(row)(command)
        return command

    return decorate


def _option(row: Hyperparameter) -> Callable[[Callable[..., None]], Callable[..., None]]:
    default = str(row.default).lower() if row.type is bool else row.default
    if row.name == "weights":
        text = "A file of pretrained weights (.pth or .safetensors), default (ImageNet's) or none."
        return click.option("--weights", cls=HyperparameterOption, metavar="FILE", help=f"{text}  [default: {default}]")
    help_text = f"{row.help}  [default: {default}]"
    return click.option(f"--{row.name}", cls=HyperparameterOption, metavar=_metavar(row), help=help_text)


def _metavar(row: Hyperparameter) -> str:
    if row.choices or row.type is bool:
        return row.range.replace(", ", "|")
    return {int: "INTEGER", float: "NUMBER"}.get(row.type, "TEXT")
