"""Reads the files in a multipart/form-data body (RFC 7578), as `curl -F image=@dog.jpg` sends it.

The complete body is split at its boundaries; a streaming parser would call Python for every header, and for every byte
that could begin a boundary.
"""

from python_multipart.multipart import parse_options_header

from container.serve.protocol.replies import RequestError

_MOST_HEADER_BYTES = 16384
_MOST_FIELDS = 1000
"""Fields allowed in addition to the files."""


def read_files(content_type: str, body: bytes, max_files: int) -> list[bytes]:
    """Return the contents of all parts with a file name, in order; other fields are ignored.

    Raises:
        RequestError: 400, the body is not a complete multipart body, or holds no file; 413, it has too many parts.
    """
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if not boundary:
        raise RequestError(400, "the multipart Content-Type names no boundary")
    most = max_files + _MOST_FIELDS
    _preamble, *parts = (b"\r\n" + body).split(b"\r\n--" + boundary, most + 2)
    if not parts:
        raise _not_a_form()
    files = []
    for number, part in enumerate(parts):
        if part.startswith(b"--"):
            break
        if number == most:
            raise RequestError(413, f"the form has more than {most} parts")
        if (file := _file(part)) is not None:
            files.append(file)
    else:
        raise RequestError(400, "the multipart body ends before its last boundary")
    if not files:
        raise RequestError(400, "the form holds no file; send one as curl -F image=@dog.jpg does")
    if not all(files):
        raise RequestError(400, "a file in the form is empty")
    return files


def _file(part: bytes) -> bytes | None:
    """Return the content of a part (the bytes after a boundary) if it is a file."""
    padding, line_end, _ = part[:_MOST_HEADER_BYTES].partition(b"\r\n")
    if not line_end or padding.strip():
        raise _not_a_form()
    start = len(padding)
    end = part.find(b"\r\n\r\n", start, start + _MOST_HEADER_BYTES)
    if end < 0:
        raise _not_a_form()
    for line in part[start:end].split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-disposition" and b"filename" in parse_options_header(value)[1]:
            return part[end + 4 :]
    return None


def _not_a_form() -> RequestError:
    return RequestError(400, "the body is not a multipart form, as its Content-Type says")
