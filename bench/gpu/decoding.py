"""Measures how fast pictures are decoded and copied to the device: libraries on a core, our loader, nvJPEG, copies."""

import io
import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import cv2
import numpy as np
import simplejpeg
import torch
from PIL import Image
from torchvision.io import ImageReadMode, decode_jpeg

from bench.cpu_time import cpu_seconds_of
from bench.gpu.part import Options
from bench.gpu.record import Record
from bench.our_training import OurTraining
from bench.picture_set import PictureSet
from bench.pictures import picture_folder
from bench.telling import tell
from container.contract.hyperparameters import TrainConfig
from container.picture_limits import MAX_PIXELS
from container.preprocessing import Preprocessing
from container.serve.worker.pixels import square
from container.train.data.loading import Batch

_FILES = 128
_COPIED = 20
"""Batches in one measurement of copies."""


def run(options: Options, record: Record) -> None:
    _Decoding(options, record).run()


class _Decoding:
    def __init__(self, options: Options, record: Record) -> None:
        self._sizes, self._record, self._on_gpu = options.sizes, record, options.on_gpu
        self._pictures = PictureSet.of_folder(
            picture_folder(self._sizes.pictures, seed=0, directory=options.scratch, told=tell)
        )
        self._files = [sample.path.read_bytes() for sample in self._pictures.samples[:_FILES]]

    def run(self) -> None:
        for name, decode in self._decoders().items():
            self._record.measure("decode_on_a_core", partial(self._on_a_core, decode), decoder=name)
        config = TrainConfig(
            model_type=self._sizes.model, image_size=self._sizes.image_size, batch_size=self._sizes.loader_batch
        )
        steps = 1 if self._sizes.pictures < 100 else 4
        ours = OurTraining(self._pictures, config, steps=steps)
        try:
            for name, epoch in {"files": ours.loader_epoch, "cache": ours.cached_loader_epoch}.items():
                self._record.measure(
                    "load_on_a_core",
                    lambda epoch=epoch: {"pictures_per_s": 1 / epoch()},  # type: ignore[misc]
                    source=name,
                )
            for name in ("files", "cache"):
                self._record.measure("load_on_all_cores", partial(self._load_on_all, ours, name), source=name)
        finally:
            ours.close()
        self._on_the_gpu(config)

    def _decoders(self) -> dict[str, Callable[[bytes], object]]:
        preprocessing = Preprocessing.for_size(self._sizes.image_size)
        return {
            "Pillow": lambda file: np.asarray(Image.open(io.BytesIO(file)).convert("RGB")),
            "OpenCV": lambda file: cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR),
            "torchvision": lambda file: decode_jpeg(torch.frombuffer(bytearray(file), dtype=torch.uint8)),
            "simplejpeg": lambda file: simplejpeg.decode_jpeg(file, "RGB"),
            "ours, to the network's square as served": lambda file: square(file, preprocessing, MAX_PIXELS),
        }

    def _on_a_core(self, decode: Callable[[bytes], object]) -> Mapping[str, object]:
        decode(self._files[0])
        files = itertools.cycle(self._files)
        done, give_up_at = 0, time.perf_counter() + self._sizes.measured_s

        def decode_for_a_while() -> None:
            nonlocal done
            while not done or time.perf_counter() < give_up_at:
                decode(next(files))
                done += 1

        seconds = cpu_seconds_of(decode_for_a_while)
        return {"pictures_per_s": done / seconds}

    def _load_on_all(self, ours: OurTraining, source: str) -> Mapping[str, object]:
        """Measure batches from all DataLoader workers, without training."""
        batches = ours.cached if source == "cache" else ours.of_files
        count = ours.device.workers
        for _ in itertools.islice(batches, 3 * count):  # discards those that were ready
            pass
        done, start = 0, time.perf_counter()
        while time.perf_counter() - start < self._sizes.measured_s:
            done += len(next(batches)[1])
        return {"pictures_per_s": done / (time.perf_counter() - start), "workers": count}

    def _on_the_gpu(self, config: TrainConfig) -> None:
        if not self._on_gpu:
            for name in ("decode_by_nvjpeg", "copy_to_device", "step_with_copies"):
                self._record.skip(name, "it needs a GPU")
            return
        for count in (1, 64):
            self._record.measure("decode_by_nvjpeg", partial(self._nvjpeg, count), at_once=count)
        for pinned in (True, False):
            self._record.measure("copy_to_device", partial(self._copy, config, pinned=pinned), pinned=pinned)
        for where in ("on the device", "copied in the step's stream", "copied in a stream of its own"):
            self._record.measure("step_with_copies", partial(self._step_with_copies, where), pictures=where)

    def _nvjpeg(self, count: int) -> Mapping[str, object]:
        files = [torch.frombuffer(bytearray(file), dtype=torch.uint8) for file in self._files[:count]]
        decode = partial(decode_jpeg, mode=ImageReadMode.RGB, device="cuda")
        decode(files)
        torch.cuda.synchronize()
        done, start = 0, time.perf_counter()
        while time.perf_counter() - start < self._sizes.measured_s:
            done += len(decode(files))
            torch.cuda.synchronize()
        seconds = time.perf_counter() - start
        on_cpu = np.asarray(Image.open(io.BytesIO(self._files[0])).convert("RGB"))
        difference = np.abs(decode(files)[0].permute(1, 2, 0).cpu().numpy().astype(int) - on_cpu)
        return {"pictures_per_s": done / seconds, "mean_difference_from_pillow": float(difference.mean())}

    def _host_batches(self, batch_size: int, count: int, *, pinned: bool) -> list[Batch]:
        side = self._sizes.image_size
        shape = (batch_size, side, side, 3)
        batches = [
            (torch.randint(256, shape, dtype=torch.uint8), torch.randint(self._pictures.class_count, (batch_size,)))
            for _ in range(count)
        ]
        return [(one.pin_memory(), other.pin_memory()) for one, other in batches] if pinned else batches

    def _copy(self, config: TrainConfig, *, pinned: bool) -> Mapping[str, object]:
        [(pictures, _)] = self._host_batches(self._sizes.compared[-1], 1, pinned=pinned)
        pictures.to("cuda")
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(_COPIED):
            pictures.to("cuda", non_blocking=True)
        torch.cuda.synchronize()
        seconds = (time.perf_counter() - start) / _COPIED
        return {"gb_per_s": pictures.nbytes / seconds / 1e9, "ms_a_batch": 1000 * seconds, "batch_size": len(pictures)}

    def _step_with_copies(self, where: str) -> Mapping[str, object]:
        batch_size = self._sizes.compared[-1]
        config = TrainConfig(
            model_type=self._sizes.model, image_size=self._sizes.image_size, batch_size=batch_size, num_workers=0
        )
        training = OurTraining(self._pictures, config)
        some = self._host_batches(batch_size, 4, pinned=True)
        batches: Iterator[Batch] = itertools.cycle(some)
        if where == "on the device":
            batches = itertools.cycle([(pictures.cuda(), targets.cuda()) for pictures, targets in some])
        elif where == "copied in a stream of its own":
            batches = copied_ahead(batches)
        training.seconds_a_picture(batches, self._sizes.warm_up_steps)
        step_s = training.seconds_a_picture(batches, self._sizes.warm_up_steps) * batch_size
        steps = max(2, round(self._sizes.measured_s / step_s))
        seconds = training.seconds_a_picture(batches, steps)
        return {"images_per_s": 1 / seconds, "step_ms": 1000 * seconds * batch_size, "batch_size": batch_size}


def copied_ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Copy each batch to the GPU on a separate stream, while the one before it is trained on.

    Args:
        batches: In pinned memory.
    """
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]

    def copy(batch: Batch) -> tuple[Batch, torch.cuda.Event]:
        with torch.cuda.stream(stream):
            pictures, targets = (part.to("cuda", non_blocking=True) for part in batch)
            done = torch.cuda.Event()  # type: ignore[no-untyped-call]
            done.record(stream)
        return (pictures, targets), done

    ahead = copy(next(batches))
    for batch in batches:
        current, ahead = ahead, copy(batch)
        (pictures, targets), done = current
        step_stream = torch.cuda.current_stream()
        step_stream.wait_event(done)
        # Their memory belongs to the copy stream, which must not reuse it before the step has read it.
        pictures.record_stream(step_stream)
        targets.record_stream(step_stream)
        yield pictures, targets
