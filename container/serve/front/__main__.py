"""The front as a program: `python -m container.serve.front`, started by the supervisor."""

from container.serve.front.front_process import main

main()
