"""A body in memory, read by another process."""

import os
import socket
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container.serve.protocol.memory_file import Address, GoneError, MemoryFile, read
from tests.serve.server_process import REPOSITORY

READ = "import sys; from container.serve.protocol.memory_file import *; "
READ += "sys.stdout.buffer.write(read(Address(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])))"


@given(pieces=st.lists(st.binary(max_size=50), max_size=5))
def test_the_pieces_are_read_as_one(pieces: list[bytes]) -> None:
    with MemoryFile(pieces) as file:
        assert read(file.address) == b"".join(pieces)
        assert file.size == len(b"".join(pieces))


def test_more_pieces_than_the_system_takes_at_once() -> None:
    pieces = [bytes([number % 256]) * (number % 3) for number in range(5000)]
    with MemoryFile(pieces) as file:
        assert read(file.address) == b"".join(pieces)


def test_another_process_reads_it_any_number_of_times() -> None:
    body = os.urandom(3 << 20)
    with MemoryFile([body[:70000], body[70000:]]) as file:
        command = [sys.executable, "-c", READ, *map(str, file.address)]
        for _ in range(2):
            assert subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=True).stdout == body


def test_what_is_closed_is_gone_whatever_has_its_number_now() -> None:
    with MemoryFile([b"first"]) as file:
        first = file.address
    with pytest.raises(GoneError):
        read(first)
    with MemoryFile([b"second"]) as file:
        assert file.address.descriptor == first.descriptor
        with pytest.raises(GoneError):
            read(first)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert ours.fileno() == first.descriptor
        with pytest.raises(GoneError):
            read(first)


def test_a_process_that_is_gone_has_none() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with pytest.raises(GoneError):
        read(Address(ended.pid, 3, "00" * 8))
