"""Find the cause of a script's failure in its log."""

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from container.train.launch.log_tail import Line

# A few unexpected lines may follow an uncaught exception; if there are more, the script went on.
_FEW = 20
_END = 200

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
# A traceback may begin on a progress bar's line; torch.distributed prefixes each line of an uncaught one with its rank.
_START = re.compile(r"(\[rank\d+\]: )?(Original |  \+ Exception Group )?Traceback \(most recent call")
_INSIDE_GROUP = re.compile(r"^(\[rank\d+\]: )? *\| *$")
_RANK = re.compile(r"^\[rank\d+\]: ")

# The start of a traceback; a SyntaxError has only the second form.
_TRACEBACK = re.compile(r"^(Original )?Traceback \(most recent call|^  File \".*\", line \d+$")
_GROUP = "  + Exception Group Traceback"
_GROUP_EDGE = re.compile(r"^ +[|+] ?")
_SUBGROUP = re.compile(r"\(\d+ sub-exceptions?\)$")
_EXCEPTION = re.compile(r"^[A-Za-z_][\w.<>]*(:( .*)?)?$")
# The line before the real traceback where torch brings an exception from another process or thread.
_CAUGHT = re.compile(r"^[\w.]+: Caught \S+ in (?P<place>.+?)\.?$")
_BETWEEN = re.compile(r"^(During handling of the above exception|The above exception was the direct cause)")

# Below such a line there is a traceback that did not end the script.
_IGNORED = re.compile(r"^(Exception ignored in|Error in atexit\._run_exitfuncs|--- Logging error ---)")
_LOGGED = re.compile(r"\b(ERROR|CRITICAL|FATAL|WARNING)\b|^Exception in thread |^Process \S+:$")

# What libraries print while Python exits, and what torch adds to its messages.
_LAST_WORDS = re.compile(
    r"^\S.*:\d+: \w*Warning: |resource_tracker|^wandb: |^(\[rank\d+\]:)?\[[WIE]\d+ .*:\d+\] "
    r"|^(CUDA kernel errors might|For debugging consider|Compile with `|Device-side assert|Search for `)"
    r"|^(Exception raised from |frame #\d+: |C\+\+ CapturedTraceback|#\d+ )"
)
_PROGRESS = re.compile(r"\d+%\|")
# What a process sees when another one dies.
PEER_ENDED = re.compile(r"gloo|NCCL|Connection (closed|reset)|Broken pipe", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class _Shown:
    """An exception that a log shows."""

    summary: str
    """The exception's name and message."""
    traceback: str
    start: int
    end: int
    """Number of the first line after it."""
    uncaught: bool
    """Whether it certainly ended a process."""
    logged: bool
    """Whether it was logged by something that went on, or may have."""
    ignored: bool
    """Whether Python itself ignored it."""


def find_exception(text: str) -> tuple[str, str] | None:
    """Find the last exception in a text.

    Returns:
        Its name and message, and its traceback: the original one if torch re-raised it from another process.
    """
    found = _exceptions([line.text for line in _clean(Line(text, 0.0) for text in text.splitlines())])
    return (found[-1].summary, found[-1].traceback) if found else None


def explain(stdout: Iterable[Line], stderr: Iterable[Line], code: int) -> tuple[str, str]:
    """Say why a script exited with a code other than 0.

    Args:
        stdout: The last lines of its stdout.
        stderr: The last lines of its stderr.
        code: The exit code; 1 is Python's own after an exception.

    Returns:
        The name and message of the exception that ended it, and its traceback; if there is none, or the script went on
        after the last, a sentence with its last line, and the end of its log.
    """
    streams = [list(_clean(lines)) for lines in (stdout, stderr)]
    candidates = [
        (shown.uncaught, lines[shown.end - 1].at, shown)
        for lines, others in (streams, reversed(streams))
        for shown in _exceptions([line.text for line in lines])
        if not _went_on(shown, lines, others, code)
    ]
    uncaught = [shown for is_uncaught, _, shown in candidates if is_uncaught]
    if uncaught:
        # With several processes, the first failure brought down the others.
        shown = next((shown for shown in uncaught if not PEER_ENDED.search(shown.summary)), uncaught[0])
    elif candidates:
        shown = sorted(candidates, key=lambda candidate: candidate[1])[-1][2]
    else:
        return _last_lines(streams, code)
    return shown.summary, shown.traceback


def _went_on(shown: _Shown, lines: Sequence[Line], others: Sequence[Line], code: int) -> bool:
    if shown.ignored or shown.uncaught:
        return shown.ignored
    after = _without_last_words(lines[shown.end :])
    if code == 1 and not shown.logged:
        return len(after) > _FEW
    return bool(after) or sum(line.at > lines[shown.end - 1].at for line in others) > _FEW


def _last_lines(streams: Sequence[Sequence[Line]], code: int) -> tuple[str, str]:
    text = f"the training script ended with exit code {code}"
    ends = []
    for name, lines in zip(("stdout", "stderr"), streams, strict=True):
        said = [line for line in _without_last_words(lines) if not _PROGRESS.search(line.text)]
        ends += [(said[-1].at, name, said[-1].text.strip())] if said else []
    if not ends:
        return f"{text}; it wrote nothing", ""
    # The latest first; stderr if both came at once.
    ends.sort(reverse=True, key=lambda end: (end[0], end[1] == "stderr"))
    text += f": {ends[0][2]}" + "".join(f" (last on {name}: {line})" for _, name, line in ends[1:])
    merged = sorted(itertools.chain(*streams), key=lambda line: line.at)
    return text, "\n".join(line.text for line in merged[-_END:])


def _clean(lines: Iterable[Line]) -> Iterator[Line]:
    """Remove colours, and let every traceback begin on a line of its own."""
    for line in lines:
        text = _ANSI.sub("", line.text)
        start = _START.search(text)
        if start and start.start() and not _INSIDE_GROUP.match(text[: start.start()]):
            yield Line(text[: start.start()], line.at)
            text = text[start.start() :]
        yield Line(text, line.at)


def _without_last_words(lines: Sequence[Line]) -> list[Line]:
    kept = []
    ignored = set[int]()
    for shown in _exceptions([line.text for line in lines]):
        if shown.ignored:
            ignored.update(range(shown.start - 1, shown.end))
    dropped = False
    for number, line in enumerate(lines):
        dropped = number in ignored or bool(_LAST_WORDS.search(line.text)) or (dropped and line.text[:1].isspace())
        if line.text.strip() and not dropped and not _IGNORED.match(line.text):
            kept.append(line)
    return kept


def _exceptions(texts: Sequence[str]) -> list[_Shown]:
    """Find all exceptions shown, by their first lines; separately for each rank if lines name theirs."""
    by_rank: dict[str, list[tuple[int, str]]] = {}
    for number, text in enumerate(texts):
        prefix = found[0] if (found := _RANK.match(text)) else ""
        by_rank.setdefault(prefix, []).append((number, text.removeprefix(prefix)))
    shown = [one for rank, lines in by_rank.items() for one in _exceptions_of_one(lines, uncaught=bool(rank))]
    return sorted(shown, key=lambda one: one.start)


def _exceptions_of_one(lines: Sequence[tuple[int, str]], *, uncaught: bool) -> Iterator[_Shown]:
    texts = [text for _, text in lines]
    header = ""  # the line before the first of several exceptions in one message
    ended, number = 0, 0
    while number < len(texts):
        parsed = _parse(texts, number)
        if not parsed:
            number += 1
            continue
        summary, end = parsed
        if not ended or any(text.strip() and not _BETWEEN.match(text) for text in texts[ended:number]):
            header = texts[number - 1] if number else ""
        if texts[number].startswith("Original") and number and (caught := _CAUGHT.match(texts[number - 1])):
            first, *rest = summary.splitlines()
            place = caught["place"].replace("worker process", "worker")
            summary = "\n".join([f"{first} (in {place})", *rest])
        yield _Shown(
            summary=summary,
            traceback="\n".join(texts[number:end]),
            start=lines[number][0],
            end=lines[end - 1][0] + 1,
            uncaught=uncaught,
            logged=bool(_LOGGED.search(header)),
            ignored=bool(_IGNORED.match(header)),
        )
        number = ended = end


def _parse(texts: Sequence[str], start: int) -> tuple[str, int] | None:
    """Parse the traceback that begins at a line: the exception's name and message, and the number of the next line."""
    if texts[start].startswith(_GROUP):
        return _parse_group(texts, start)
    if not _TRACEBACK.match(texts[start]):
        return None
    for end in range(start + 1, len(texts)):
        if _TRACEBACK.match(texts[end]) and not texts[end].startswith(" "):
            return None
        if _EXCEPTION.match(texts[end]) and not _LAST_WORDS.search(texts[end]):
            message = [texts[end], *itertools.takewhile(lambda text: text[:1].isspace(), texts[end + 1 :])]
            return "\n".join(message), end + len(message)
    return None


def _parse_group(texts: Sequence[str], start: int) -> tuple[str, int] | None:
    body = list(itertools.takewhile(_GROUP_EDGE.match, texts[start + 1 :]))
    group, *inner = [text for line in body if _EXCEPTION.match(text := _GROUP_EDGE.sub("", line))] or [""]
    first = next((text for text in inner if not _SUBGROUP.search(text)), "")
    return (f"{group}, the first: {first}" if first else group, start + 1 + len(body)) if group else None
