"""`slipway completion`: prints the shell's completion script."""

import click
from click.shell_completion import get_completion_class

from slipway.terminal.console import say

_VARIABLE = "_SLIPWAY_COMPLETE"


@click.command(
    epilog="\b\nExample:\n"
    "  slipway completion bash > ~/.local/share/bash-completion/completions/slipway\n"
    "  slipway completion fish > ~/.config/fish/completions/slipway.fish\n"
    '  slipway completion zsh > "${fpath[1]}/_slipway"    # a folder of fpath, before compinit runs',
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script with which a shell completes slipway's commands, options and their choices.

    Write it to a file that the shell reads when it starts, as in the examples, and open a new shell.
    """
    kind = get_completion_class(shell)
    assert kind is not None
    say(kind(context.find_root().command, {}, "slipway", _VARIABLE).source().rstrip())
