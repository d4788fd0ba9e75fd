"""Reads requests' pictures: cheap ones in the worker itself, all others in a decoder process."""

from PIL import Image

from container.cpus import available_cpus
from container.preprocessing import Preprocessing
from container.serve.settings.config import MEBIBYTE, ServeConfig
from container.serve.settings.resources import memory_bytes
from container.serve.worker.cheap_jpeg import is_cheap_jpeg
from container.serve.worker.decoder_pool import DecoderPool
from container.serve.worker.decoder_process import Order
from container.serve.worker.explain import shown_picture
from container.serve.worker.pixels import quick_square
from container.serve.worker.request_body import Pixels

_MOST_THREADS = 8
_MOST_BYTES, _MOST_BYTES_A_THREAD = 448 * MEBIBYTE, 128 * MEBIBYTE


class NotCheapError(Exception):
    """The picture has to be read in a decoder process."""


class PictureReader:
    """Reads pictures into the network's input.

    Args:
        preprocessing: The model's.
        config: The server's settings.
    """

    def __init__(self, preprocessing: Preprocessing, config: ServeConfig) -> None:
        self._preprocessing = preprocessing
        self._config = config
        self.threads = min(available_cpus(), _MOST_THREADS)
        """How many pictures to read at the same time."""
        self._memory_bytes = config.decode_memory_bytes or min(
            max(_MOST_BYTES, self.threads * _MOST_BYTES_A_THREAD), memory_bytes() // 4 // (config.workers or 1)
        )
        self._decoders = DecoderPool(self.threads, memory_bytes=self._memory_bytes, ready=not config.multi_model)

    def is_cheap(self, item: bytes | Pixels) -> bool:
        """Whether an item is cheap enough to be read in this process."""
        return not isinstance(item, bytes) or is_cheap_jpeg(item, self._preprocessing.shrink_to)

    def read(self, item: bytes | Pixels, shown: int | None) -> tuple[Pixels, Image.Image | None]:
        """Read an item in this process.

        Args:
            item: A cheap one.
            shown: Longer side of the whole picture, for an explanation; None if none is wanted.

        Returns:
            The network's input square, (size, size, 3), and the whole picture.

        Raises:
            NotCheapError: The item needs a decoder process after all.
        """
        square = quick_square(item, self._preprocessing, self._config.max_pixels)
        if square is None:
            raise NotCheapError
        return square, shown_picture(item, shown, self._config.max_pixels) if shown else None

    def read_in_decoder(
        self, item: bytes | Pixels, shown: int | None, deadline: float
    ) -> tuple[Pixels, Image.Image | None]:
        """Do the same in a decoder process, by `deadline` of `time.monotonic()`.

        Raises:
            PictureError: The item cannot be decoded, or exceeds a picture's limits.
            MemoryError: There is too little memory at the moment.
        """
        if not isinstance(item, bytes):
            return self.read(item, shown)
        return self._decoded(item, None, deadline), (
            Image.fromarray(self._decoded(item, shown, deadline)) if shown else None
        )

    def square(self, item: bytes | Pixels, deadline: float) -> Pixels:
        """Read any item into the network's input square; raises as `read_in_decoder`."""
        try:
            if self.is_cheap(item):
                return self.read(item, None)[0]
        except NotCheapError:
            pass
        return self.read_in_decoder(item, None, deadline)[0]

    def _decoded(self, data: bytes, shown: int | None, deadline: float) -> Pixels:
        order = Order(
            preprocessing=self._preprocessing.to_json(),
            max_pixels=self._config.max_pixels,
            seconds=self._config.decode_s,
            most_bytes=self._memory_bytes,
            shown=shown,
        )
        return self._decoders.decode(order, data, deadline=deadline)
