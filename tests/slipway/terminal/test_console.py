"""Tables of the commands: complete, aligned and plain wherever they are read."""

import os
import pty
import subprocess
import sys

ROWS = [("[red]dogs", "日本", "1.5 %"), ("s3://" + "x" * 200, "a\tb", "100.0 %")]
SCRIPT = (
    f"from slipway.terminal.console import say_table; say_table({ROWS!r}, ('name', 'two\\nlines', ''), figures=(2,))"
)


def test_a_piped_table_is_whole_and_in_columns():
    environment = {**os.environ, "COLUMNS": "40"}
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, env=environment)
    pad = " " * 200
    assert done.stdout.splitlines() == [
        " " * 207 + "two",
        f"name {pad}  lines",
        f"[red]dogs{pad[4:]}  日本         1.5 %",
        f"s3://{'x' * 200}  a       b  100.0 %",
    ]


def test_a_narrow_terminal_cuts_nothing_and_titles_are_bold():
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": "40", "TERM": "xterm"}
    subprocess.run([sys.executable, "-c", SCRIPT], stdout=theirs, check=True, env=environment)
    os.close(theirs)
    text = b""
    try:
        while part := os.read(ours, 65536):
            text += part
    except OSError:
        pass
    os.close(ours)
    assert b"x" * 200 in text
    assert b"\x1b[1mname" in text
