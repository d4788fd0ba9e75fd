"""Measures how fast ResNet-50 trains: the step alone, whole loops from the cache and from files, timm's and the seed
project's, and the step compiled and as a CUDA graph."""

import itertools
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial

import torch
from torch.profiler import ProfilerActivity, profile

from bench.gpu.graphed_step import GraphedStep
from bench.gpu.part import Options
from bench.gpu.record import Record
from bench.our_training import OurTraining
from bench.picture_set import PictureSet
from bench.pictures import picture_folder
from bench.plain_training import PlainTraining
from bench.rounds import measure
from bench.telling import tell
from bench.timm_training import TimmTraining
from bench.usage import usage_of
from container.contract.hyperparameters import TrainConfig
from container.train.data.loading import Batch

_RESIDENT = 8
_COMPILE_S = 40.0
_PROFILED, _LINES = 3, 25
"""Steps under torch.profiler, and lines of its table."""


def run(options: Options, record: Record) -> None:
    """Measure everything, the most important first."""
    part = _Training(options, record)
    part.steps_alone()
    part.loops()
    part.where_the_time_goes()
    part.compiled_and_graphed()


class _Training:
    def __init__(self, options: Options, record: Record) -> None:
        self._sizes, self._record = options.sizes, record
        self._on_gpu, self._quick = options.on_gpu, options.quick
        self._config = TrainConfig(model_type=self._sizes.model, image_size=self._sizes.image_size)
        start = time.perf_counter()
        folder = picture_folder(self._sizes.pictures, seed=0, directory=options.scratch, told=tell)
        self._pictures = PictureSet.of_folder(folder)
        record.add(
            "pictures",
            count=len(self._pictures),
            mean_kb=self._pictures.mean_bytes / 1000,
            generating_s=time.perf_counter() - start,
        )
        self._resident = self._load_resident()

    def _load_resident(self) -> list[Batch]:
        """Load pictures onto the device, in batches of the largest size; smaller ones are cut from them."""
        largest = max(self._sizes.batches)
        ours = OurTraining(self._pictures, replace(self._config, batch_size=min(largest, len(self._pictures))))
        try:
            return ours.resident_batches(_RESIDENT)
        finally:
            ours.close()

    def _batches(self, size: int) -> Iterator[Batch]:
        return itertools.cycle([(pictures[:size], targets[:size]) for pictures, targets in self._resident])

    def _training(self, batch_size: int, amp: str = "auto", steps: int | None = None) -> OurTraining:
        return OurTraining(self._pictures, replace(self._config, batch_size=batch_size, amp=amp), steps=steps)

    def steps_alone(self) -> None:
        """Measure the limit: the step on pictures that are on the device, by batch size and precision."""
        for amp, batch_size in itertools.product(("bf16", "fp16"), self._sizes.batches):
            labels = {"amp": amp, "batch_size": batch_size}
            if amp == "fp16" and not self._on_gpu:
                self._record.skip("step", "fp16 with gradient scaling needs a GPU", **labels)
                continue
            self._record.measure("step", partial(self._step_alone, batch_size, amp), takes_s=self._least_s(6), **labels)

    def _step_alone(self, batch_size: int, amp: str) -> Mapping[str, object]:
        training = self._training(batch_size, amp)
        return self._timed(partial(training.seconds_a_picture, self._batches(batch_size)), batch_size)

    def _timed(self, seconds_a_picture: Callable[[int], float], batch_size: int) -> dict[str, object]:
        """Warm up, then step for the length of a measurement.

        Args:
            seconds_a_picture: Takes a number of steps.
            batch_size: Of each step.
        """
        self._reset_peak()
        start = time.perf_counter()
        seconds_a_picture(1)
        first_s = time.perf_counter() - start
        steps = self._steps_of_a_measurement(seconds_a_picture, batch_size)
        seconds = seconds_a_picture(steps)
        found: dict[str, object] = {"images_per_s": 1 / seconds, "step_ms": 1000 * seconds * batch_size}
        if self._on_gpu:
            resident = sum(pictures.nbytes for pictures, _ in self._resident)
            found["peak_memory_gb"] = (torch.cuda.max_memory_allocated() - resident) / 1e9
        return found | {"first_step_s": first_s, "steps": steps}

    def _steps_of_a_measurement(self, seconds_a_picture: Callable[[int], float], batch_size: int) -> int:
        seconds_a_picture(self._sizes.warm_up_steps)
        step_s = seconds_a_picture(self._sizes.warm_up_steps) * batch_size
        return max(2, round(self._sizes.measured_s / step_s))

    def _least_s(self, seconds: float) -> float:
        """Return the seconds a measurement takes on a GPU; 0 on a CPU, where it is never skipped."""
        return seconds if self._on_gpu else 0.0

    def _reset_peak(self) -> None:
        if self._on_gpu:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    def loops(self) -> None:
        """Measure whole loops in rounds, so that drift cancels: ours from the cache and from files, the limit, timm's;
        then the seed project's alone, since it is slow."""
        for batch_size in self._sizes.compared:
            self._record.measure(
                "loops", partial(self._loops, batch_size), takes_s=self._least_s(35), batch_size=batch_size
            )
        self._record.measure(
            "seed_loop", self._seed_loop, takes_s=self._least_s(10), batch_size=self._sizes.loader_batch
        )

    def _loops(self, batch_size: int) -> Mapping[str, object]:
        probe = partial(self._training(batch_size).seconds_a_picture, self._batches(batch_size))
        steps = self._steps_of_a_measurement(probe, batch_size)
        del probe
        ours = self._training(batch_size, steps=steps)
        sides = {
            "cache": ours.epoch,
            "files": ours.epoch_of_files,
            "limit": lambda: ours.seconds_a_picture(self._batches(batch_size), steps),
            "timm": TimmTraining(
                self._repeated(steps * batch_size), replace(self._config, batch_size=batch_size), ours.device
            ).epoch,
        }
        try:
            measure(sides, 1, lambda _line: tell(f"loops with batches of {batch_size} are warm"))
            seconds = measure(sides, self._sizes.rounds, tell)
            # Not `epoch`, during which the GPU idles while ready batches are discarded.
            on_and_on = partial(ours.seconds_a_picture, ours.cached, steps)
            last = batch_size == self._sizes.compared[-1]
            usage = usage_of(on_and_on, ours.device.torch_device) if last else None
        finally:
            ours.close()
        found: dict[str, object] = {"steps": steps, "workers": ours.device.workers, "amp": str(ours.device.amp_dtype)}
        found |= {f"{name}_images_per_s": 1 / statistics.median(values) for name, values in seconds.items()}
        for name, side in {"cache_to_limit": "limit", "cache_to_timm": "timm"}.items():
            found[name] = statistics.median(s / c for s, c in zip(seconds[side], seconds["cache"], strict=True))
        found["files_to_limit"] = statistics.median(
            limit / files for limit, files in zip(seconds["limit"], seconds["files"], strict=True)
        )
        found["first_reading_ms_a_picture"] = 1000 * ours.scan_s
        if usage is not None:
            found |= {"gpu_percent": usage.gpu_percent, "memory_gb": usage.memory_bytes / 1e9, "of": usage.memory_of}
        return found

    def _repeated(self, count: int) -> PictureSet:
        """Repeat pictures to a run's length, so that timm's loader does not reach an epoch's end within it."""
        samples = list(itertools.islice(itertools.cycle(self._pictures.samples), count))
        return replace(self._pictures, samples=samples)

    def _seed_loop(self) -> Mapping[str, object]:
        batch_size = self._sizes.loader_batch
        count = min(len(self._pictures), batch_size * (12 if self._on_gpu else 2))
        some, _ = self._pictures.split(count, seed=0)
        device = torch.device("cuda" if self._on_gpu else "cpu")
        plain = PlainTraining(some, replace(self._config, batch_size=batch_size), device)
        plain.epoch()
        return {"images_per_s": 1 / plain.epoch()}

    def where_the_time_goes(self) -> None:
        """Record torch.profiler's table of three steps."""
        for batch_size in self._sizes.compared:
            self._record.measure(
                "profile", partial(self._profile, batch_size), takes_s=self._least_s(5), batch_size=batch_size
            )

    def _profile(self, batch_size: int) -> Mapping[str, object]:
        training, batches = self._training(batch_size), self._batches(batch_size)
        training.seconds_a_picture(batches, self._sizes.warm_up_steps + 2)
        activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * self._on_gpu
        with profile(activities=activities) as profiler:
            training.seconds_a_picture(batches, _PROFILED)
        rows = profiler.key_averages()
        table = rows.table(
            sort_by=f"self_{'cuda' if self._on_gpu else 'cpu'}_time_total", row_limit=_LINES, max_name_column_width=70
        )
        tell(table)
        kernels = [row for row in rows if row.device_type.name == "CUDA" and not row.is_user_annotation]
        busy = sum(row.self_device_time_total for row in kernels) / 1000 / _PROFILED
        return {"device_ms_a_step": busy if kernels else None, "table": table}

    def compiled_and_graphed(self) -> None:
        """Measure the step compiled, as one CUDA graph, and both, with the time to the first step."""
        batch_size = self._sizes.compared[-1]
        variants: dict[str, tuple[float, Callable[[], Mapping[str, object]]]] = {
            "step_graphed": (8, partial(self._graphed, batch_size, compiled=False)),
            "step_compiled": (_COMPILE_S, partial(self._compiled, batch_size)),
            # Reuses the compiler's cache of the one before.
            "step_compiled_and_graphed": (15, partial(self._graphed, batch_size, compiled=True)),
        }
        for name, (takes_s, run_variant) in variants.items():
            labels = {"amp": "bf16", "batch_size": batch_size}
            if "graphed" in name and not self._on_gpu:
                self._record.skip(name, "CUDA graphs need a GPU", **labels)
            else:
                self._record.measure(name, run_variant, takes_s=self._least_s(takes_s), **labels)

    def _compiled(self, batch_size: int) -> Mapping[str, object]:
        training = self._training(batch_size, "bf16")
        # Inductor takes a minute on a CPU; aot_eager is enough to show that the network can be traced.
        backend = "aot_eager" if self._quick else "inductor"
        training.model.compile(backend=backend)
        found = self._timed(partial(training.seconds_a_picture, self._batches(batch_size)), batch_size)
        return found | {"backend": backend}

    def _graphed(self, batch_size: int, *, compiled: bool) -> Mapping[str, object]:
        self._reset_peak()
        start = time.perf_counter()
        training = self._training(batch_size, "bf16")
        if compiled:
            training.model.compile()
        step = GraphedStep(training, self._batches(batch_size), batch_size)
        captured_s = time.perf_counter() - start
        return {"capture_s": captured_s} | self._timed(step.seconds_a_picture, batch_size)
