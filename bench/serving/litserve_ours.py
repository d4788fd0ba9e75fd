"""LitServe around our decoding and our engine, to compare only how each brings requests to them."""

import os
from collections.abc import Sequence
from typing import Annotated, Any

import litserve
from fastapi import Body, Response

from bench.serving.functions import Functions
from bench.serving.litserve_plain import batching, run


class OurClassifier(litserve.LitAPI):  # type: ignore[misc]
    """Answers batches of files, which our functions decode in threads. Bodies are raw files, not JSON."""

    def setup(self, _device: str) -> None:
        self._functions = Functions(os.environ["BENCH_BASE_DIR"])

    def decode_request(self, request: Annotated[bytes, Body(media_type="image/jpeg")]) -> bytes:
        return request

    def batch(self, inputs: Sequence[bytes]) -> list[bytes]:
        return list(inputs)

    def predict(self, bodies: Sequence[bytes]) -> list[bytes]:
        return self._functions.answer(bodies)

    def unbatch(self, output: list[bytes]) -> list[bytes]:
        return output

    def encode_response(self, body: bytes) -> Any:
        return Response(content=body, media_type="application/json")


if __name__ == "__main__":
    run(OurClassifier(**batching()))
