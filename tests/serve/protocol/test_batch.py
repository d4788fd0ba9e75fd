"""What is packed is what is unpacked, and nothing else is taken for it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container.serve.protocol.batch import pack_batch, unpack_batch
from container.serve.protocol.memory_file import Address
from container.serve.protocol.replies import Reply, RequestHead

PARTS = st.lists(st.tuples(st.binary(max_size=50), st.lists(st.binary(max_size=50), max_size=3)), max_size=9)


@given(parts=PARTS)
def test_a_batch_is_read_back(parts: list[tuple[bytes, list[bytes]]]) -> None:
    pieces = pack_batch(parts)
    assert unpack_batch(bytearray(b"".join(pieces))) == [(head, b"".join(body)) for head, body in parts]
    assert all(any(piece is chunk for piece in pieces) for _, body in parts for chunk in body), "not copied"


@given(parts=PARTS, cut=st.integers(1, 40))
def test_what_is_cut_short_or_too_long_is_no_batch(parts: list[tuple[bytes, list[bytes]]], cut: int) -> None:
    message = b"".join(pack_batch(parts))
    for wrong in (message[:-cut], message + b"x" * cut):
        with pytest.raises(ValueError, match="not a batch"):
            unpack_batch(wrong)


def test_heads_and_replies_travel_as_they_are() -> None:
    head = RequestHead(request_id="1", content_type='a"\xe9', accept=None, deadline=1.5, attributes="x\n")
    address = Address(1, 2, "abc")
    parts = [head.pack(address), replace(head, probe=True).pack(address)]
    assert RequestHead.unpack_all(b"[%b]" % b",".join(parts)) == [(head, address), (replace(head, probe=True), address)]
    reply = Reply(status=422, content_type="a", body=b"\0\n{", worker=3, batch=2)
    line, [body] = reply.pack()
    assert Reply.unpack(line, body) == reply
