"""What scripts after SageMaker's examples import beside the hook."""


def str2bool(value: str | bool) -> bool:
    """Read an argument that is true or false in words.

    Raises:
        ValueError: It is neither.
    """
    text = str(value).strip().lower()
    if text not in ("yes", "true", "t", "y", "1", "no", "false", "f", "n", "0"):
        raise ValueError(f"{value!r} is neither true nor false")
    return text in ("yes", "true", "t", "y", "1")
