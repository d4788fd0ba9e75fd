"""The files in a multipart/form-data body (RFC 7578), as `curl -F image=@dog.jpg` sends it."""

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from container.serve.replies import RequestError


class _Files:
    """Collects the bodies of the parts that carry a file name."""

    def __init__(self) -> None:
        self.found: list[bytes] = []
        self.complete = False
        self._name = b""
        self._value = b""
        self._is_file = False
        self._data = bytearray()

    def on_part_begin(self) -> None:
        self._is_file = False
        self._data = bytearray()

    def on_header_begin(self) -> None:
        self._name = self._value = b""

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        if self._name.strip().lower() == b"content-disposition":
            _, options = parse_options_header(self._value)
            self._is_file = b"filename" in options

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self._data += data[start:end]

    def on_part_end(self) -> None:
        if self._is_file:
            self.found.append(bytes(self._data))

    def on_end(self) -> None:
        self.complete = True


def read_files(content_type: str, body: bytes) -> list[bytes]:
    """The contents of all parts with a file name, in order; other fields are passed over.

    Raises:
        RequestError: 400, the body is no complete multipart body, or holds no file.
    """
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if not boundary:
        raise RequestError(400, "the multipart Content-Type names no boundary")
    files = _Files()
    callbacks = {
        name: getattr(files, name)
        for name in ("on_part_begin", "on_header_begin", "on_header_field", "on_header_value", "on_header_end",
                     "on_part_data", "on_part_end", "on_end")
    }  # fmt: skip
    try:
        parser = MultipartParser(boundary, callbacks)  # type: ignore[arg-type]  # a dict by name, not the TypedDict
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise RequestError(400, "the body is not the multipart form that its Content-Type announces") from error
    if not files.complete:
        raise RequestError(400, "the multipart body ends before its last boundary")
    if not files.found:
        raise RequestError(400, "the form holds no file; send one as curl -F image=@dog.jpg does")
    if not all(files.found):
        raise RequestError(400, "a file in the form is empty")
    return files.found
