"""The hyperparameters as command-line options."""

from collections.abc import Callable, Sequence

import click

from container.contract.hyperparameters import HYPERPARAMETERS, Hyperparameter


class HyperparameterOption(click.Option):
    """An option that sets a hyperparameter; shared settings of slipway.toml, such as the profile, never apply to it."""


class HyperparameterCommand(click.Command):
    """A command whose help lists the hyperparameters in a section of their own."""

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
    """Add an option for each hyperparameter; the values stay text, which `TrainConfig` checks.

    Args:
        without: Hyperparameters to omit.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        for row in reversed(HYPERPARAMETERS):
            if row.name not in without:
                command = _option(row)(command)
        return command

    return decorate


def _option(row: Hyperparameter) -> Callable[[Callable[..., None]], Callable[..., None]]:
    if row.name == "weights":
        text = "Pretrained weights: a file (.pth or .safetensors), a folder of timm's, default (downloaded) or none."
        return click.option(
            "--weights", cls=HyperparameterOption, metavar="FILE", help=f"{text}  [default: {row.default}]"
        )
    help_text = f"{row.help}  [default: {row.default_text}]"
    return click.option(f"--{row.name}", cls=HyperparameterOption, metavar=_metavar(row), help=help_text)


def _metavar(row: Hyperparameter) -> str:
    if row.choices or row.type is bool:
        return row.range.replace(", ", "|")
    return {int: "INTEGER", float: "NUMBER"}.get(row.type, "TEXT")
