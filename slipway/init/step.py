"""A step of a plan: what it creates, in words, and the function that does."""

from collections.abc import Callable

Step = tuple[str, Callable[[], None]]
Steps = list[Step]
