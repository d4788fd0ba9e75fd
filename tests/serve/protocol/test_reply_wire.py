"""A batch of replies is read right by multi-model-server wherever its reads happen to end."""

import inspect
import struct

import mms.service
from hypothesis import given
from hypothesis import strategies as st
from mms.context import RequestProcessor

from container.serve.protocol.replies import FRAME_TYPE
from container.serve.protocol.reply_wire import encode_batch

IDS = st.text("0123456789abcdef-", min_size=1, max_size=40)


class TooShortError(Exception):
    """IndexOutOfBoundsException or CorruptedFrameException in Java; the worker's connection is then closed."""


class ReadByModelServer:
    """multi-model-server's ModelResponseDecoder and CodecUtils, line by line; `None` is "wait for more"."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    @property
    def _left(self) -> int:
        return len(self._data) - self._place

    def _int(self) -> int:
        if self._left < 4:
            raise TooShortError
        [value] = struct.unpack_from("!i", self._data, self._place)
        self._place += 4
        return value

    def _length(self) -> int | None:
        if self._left < 4:
            return None
        length = self._int()
        return None if length > self._left else length

    def _bytes(self, length: int | None) -> bytes:
        if length is None or length < 0:
            raise TooShortError
        data = self._data[self._place : self._place + length]
        self._place += length
        return data

    def decode(self) -> list[tuple[bytes, bytes, int, bytes]] | None:
        if self._left < 9:
            return None
        assert self._int() == 200
        if (length := self._length()) is None:
            return None
        self._bytes(length)
        replies = []
        while (length := self._length()) != -1:
            if length is None:
                return None
            request_id = self._bytes(length)
            if (length := self._length()) is None:
                return None
            content_type = self._bytes(length)
            status = self._int()
            if (length := self._length()) is None:
                return None
            self._bytes(length)
            if (length := self._length()) is None:
                return None
            for _ in range(length):
                self._bytes(self._length())
                self._bytes(self._length())
            if (length := self._length()) is None:
                return None
            replies.append((request_id, content_type, status, self._bytes(length)))
        return replies


@given(replies=st.lists(st.tuples(IDS, st.binary(max_size=400)), min_size=1, max_size=9))
def test_no_read_ends_where_it_hurts(replies: list[tuple[str, bytes]]) -> None:
    message = bytes(encode_batch([frame for _, frame in replies], [request_id for request_id, _ in replies]))
    for end in range(0, len(message), 16):
        assert ReadByModelServer(message[:end]).decode() is None
    decoded = ReadByModelServer(message).decode()
    assert decoded is not None
    assert [(request_id.decode(), frame) for request_id, _, _, frame in decoded] == replies
    assert {(content_type.decode().rstrip(), status) for _, content_type, status, _ in decoded} == {(FRAME_TYPE, 200)}


def test_multi_model_servers_own_encoding_can_be_misread() -> None:
    """Why all this: the same reader fails on what the stock worker sends."""

    class Stock:
        def get_response_content_type(self, _place: int) -> str:
            return "application/json"

        def get_response_status(self, _place: int) -> tuple[int, str]:
            return 200, ""

        def get_response_headers(self, _place: int) -> dict[str, str]:
            return RequestProcessor({}).get_response_headers() | {"content-type": "application/json"}

    from mms.protocol.otf_message_handler import create_predict_response

    ids = dict(enumerate(f"0000000{place}-0000-0000-0000-000000000000" for place in range(8)))
    message = bytes(create_predict_response([b"x" * 300] * 8, ids, "Prediction success", 200, Stock()))
    misread = [end for end in range(0, len(message), 16) if _is_misread(message[:end])]
    assert misread


def test_the_worker_uses_this_encoding() -> None:
    """The name that service.py replaces is the one that multi-model-server calls."""
    assert "create_predict_response(ret, req_id_map" in inspect.getsource(mms.service.Service.predict)


def _is_misread(message: bytes) -> bool:
    try:
        ReadByModelServer(message).decode()
    except TooShortError:
        return True
    return False
