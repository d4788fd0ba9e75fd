"""A helper that the scripts in SageMaker's examples import beside the hook."""


def str2bool(value: str | bool) -> bool:
    """Read true or false from a word.

    Raises:
        ValueError: The word is neither.
    """
    text = str(value).strip().lower()
    if text not in ("yes", "true", "t", "y", "1", "no", "false", "f", "n", "0"):
        raise ValueError(f"{value!r} is neither true nor false")
    return text in ("yes", "true", "t", "y", "1")
