"""Records of jobs as the profiler writes them, with a fault planted where a test wants one."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

T0 = 1_700_000_000.0
COLUMNS = ["step", "epoch", "start", "wall", "pictures"]
PHASES = ["data", "copy", "forward", "backward", "optimizer", "debugger"]
PROCESSES = ("job", "others", "trainer", "readers")
QUIET = {
    ("job", "CPUUtilization"): 110.0,
    ("job", "CPUWaitPercentage"): 3.0,
    ("job", "MemoryUsedPercent"): 12.0,
    ("others", "CPUUtilization"): 4.0,
    ("trainer", "CPUUtilization"): 95.0,
    ("trainer", "CPUWaitPercentage"): 1.0,
    ("trainer", "ThreadsCPUWaitPercentage"): 2.0,
    ("trainer", "DiskWaitPercentage"): 0.0,
    ("readers", "CPUUtilization"): 15.0,
    ("readers", "CPUWaitPercentage"): 1.0,
    ("readers", "DiskWaitPercentage"): 1.0,
    ("cpu", "StealPercentage"): 0.2,
    ("cpu", "PressurePercentage"): 3.0,
    ("io", "PressurePercentage"): 0.5,
    ("memory", "PressurePercentage"): 0.0,
}
"""The job's own processes and the kernel's counters on a machine that does nothing else, by name and dimension."""


@dataclass
class PlannedJob:
    """A sound job; a test changes what it is about, and writes it."""

    device: str = "cpu"
    epochs: int = 4
    steps_per_epoch: int = 50
    ranks: int = 1
    initialization_s: float = 12.0
    workers: int = 2
    cpus: int = 4
    batch_size: int = 64
    step_seconds: dict[str, float] = field(default_factory=dict)
    interval_s: float = 0.5
    phases: dict[str, float] = field(
        default_factory=lambda: {
            "data": 0.002,
            "copy": 0.001,
            "forward": 0.1,
            "backward": 0.2,
            "optimizer": 0.02,
            "debugger": 0.0,
        }
    )
    """Seconds in each step."""
    change_step: Callable[[int, int, dict[str, float]], None] = lambda rank, step, phases: None
    """Given rank, step and its phases, which it may change."""
    system: dict[tuple[str, str, str], Callable[[float], float]] = field(default_factory=dict)
    """Samples by type, name and dimension, from the share of the job that is over."""

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(7)
        for core in range(self.cpus):
            self.system[("cpu", f"cpu{core}", "CPUUtilization")] = lambda share: 80 + self.noise(10)
            self.system[("cpu", f"cpu{core}", "I/OWaitPercentage")] = lambda share: abs(self.noise(2))
        self.system[("memory", "MemoryUsedPercent", "")] = lambda share: 40 + self.noise(0.5)
        self.system[("memory", "process", "MemoryUsedBytes")] = lambda share: 900e6 + self.noise(5e6)
        for (name, dimension), value in QUIET.items():
            self.system[("process" if name in PROCESSES else "kernel", name, dimension)] = lambda share, value=value: (
                value
            )
        self.system[("i/o", "ReadThroughputInBytesPerSecond", "")] = lambda share: 4e6 + self.noise(1e5)
        self.system[("i/o", "IOPS", "")] = lambda share: 30.0
        self.system[("network", "ReceiveBytesPerSecond", "Algorithm")] = lambda share: 1e5 + self.noise(1e4)
        if self.device == "cuda":
            for gpu in range(self.ranks):
                self.system[("gpu", f"gpu{gpu}", "GPUUtilization")] = lambda share: 92 + self.noise(5)
                self.system[("gpu", f"gpu{gpu}", "GPUMemoryUtilization")] = lambda share: 75 + self.noise(0.5)
                self.system[("gpu", f"gpu{gpu}", "GPUPower")] = lambda share: 210 + self.noise(10)

    def noise(self, size: float) -> float:
        """Uniform, and the same in every run."""
        return float(self.random.uniform(-size, size))

    def write(self, directory: Path) -> Path:
        """Write the files; returns the directory."""
        (directory / "steps").mkdir(parents=True)
        (directory / "phases").mkdir()
        begin = T0 + self.initialization_s
        ends = [self._write_rank(directory, rank, begin) for rank in range(self.ranks)]
        end = max(ends)
        spans = [{"name": "initialization", "epoch": None, "start": T0, "seconds": self.initialization_s}]
        spans += [
            {"name": "evaluation", "epoch": self.epochs, "start": end, "seconds": 1.5},
            {"name": "model", "epoch": self.epochs, "start": end + 1.5, "seconds": 0.4},
            {"name": "test", "epoch": None, "start": end + 1.9, "seconds": 1.2},
        ]
        (directory / "phases" / "rank-00000.jsonl").write_text("".join(json.dumps(span) + "\n" for span in spans))
        write_system(directory, self.system, T0, end + 3, self.interval_s)
        gpu = {"name": "NVIDIA T4", "memory_bytes": 16 * 2**30}
        on_gpu = self.device == "cuda"
        card = {
            "format_version": 1,
            "job": "dogs-1",
            "started": T0,
            "training_started": begin,
            "ended": end + 4,
            "device": self.device,
            "device_name": "NVIDIA T4" if on_gpu else "a CPU",
            "gpus": [gpu] * self.ranks if on_gpu else [],
            "precision": "fp16" if on_gpu else "fp32",
            "cpus": self.cpus,
            "workers": self.workers,
            "processes": [{"rank": rank, "node": "algo-1", "local_rank": rank} for rank in range(self.ranks)],
            "batch_size": self.batch_size,
            "step_seconds": self.step_seconds,
            "pictures": {"train": 3200, "validation": 400, "test": 400},
            "settings": {
                "num-workers": "2",
                "batch-size": str(self.batch_size),
                "compile": "false",
                "image-size": "224",
            },
            "versions": {"torch": "2.13.0"},
            "peak_gpu_memory_bytes": [12 * 2**30] * self.ranks if on_gpu else [],
        }
        (directory / "profile.json").write_text(json.dumps(card))
        write_operators(directory, self.device)
        return directory

    def _write_rank(self, directory: Path, rank: int, begin: float) -> float:
        lines = [json.dumps({"columns": COLUMNS + PHASES})]
        now, number = begin, 0
        for epoch in range(1, self.epochs + 1):
            for index in range(self.steps_per_epoch):
                number += 1
                phases = {name: seconds * (1 + self.noise(0.05)) for name, seconds in self.phases.items()}
                if index == 0:
                    phases["data"] += 0.8  # the DataLoader workers start
                self.change_step(rank, number, phases)
                wall = sum(phases.values()) + 0.002
                row = [number, epoch, now, wall, self.batch_size // self.ranks, *(phases[name] for name in PHASES)]
                lines.append(json.dumps(row))
                now += wall
        (directory / "steps" / f"rank-{rank:05d}.jsonl").write_text("\n".join(lines) + "\n")
        return now


def write_system(
    directory: Path,
    system: dict[tuple[str, str, str], Callable[[float], float]],
    start: float,
    end: float,
    interval_s: float,
    node: str = "algo-1",
) -> None:
    """Files of SageMaker's system metrics, one for each minute."""
    files: dict[Path, list[str]] = {}
    for moment in np.arange(start, end, interval_s).tolist():
        minute = int(moment // 60 * 60)
        file = directory / "system" / "incremental" / "2023111422" / f"{minute}.{node}.json"
        for (kind, name, dimension), value in system.items():
            sample = {
                "Type": kind,
                "Name": name,
                "Dimension": dimension,
                "Value": round(value((moment - start) / (end - start)), 2),
                "NodeId": node,
                "Timestamp": moment,
            }
            files.setdefault(file, []).append(json.dumps(sample, separators=(",", ":")))
    for file, lines in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(lines) + "\n")


def write_operators(directory: Path, device: str) -> None:
    """torch.profiler's tables of three steps."""
    on_gpu = device == "cuda"
    names = [
        "aten::cudnn_convolution" if on_gpu else "aten::mkldnn_convolution",
        "aten::native_batch_norm",
        "aten::add_",
    ]
    operators = [
        {
            "name": name,
            "calls": 160,
            "self_cpu_us": 9000.0 / (index + 1),
            "cpu_us": 9500.0 / (index + 1),
            "self_device_us": 30000.0 / (index + 1) if on_gpu else 0,
            "device_us": 30000.0 / (index + 1) if on_gpu else 0,
        }
        for index, name in enumerate(names)
    ]
    kernel = (
        "void cudnn::bn_fw_tr_1C11_kernel_NCHW<float, float, int, 512, true, 1, true>(cudnnTensorStruct, float const*)"
    )
    (directory / "window").mkdir()
    content = {
        "format_version": 1,
        "steps": 3,
        "first_step": 6,
        "device": device,
        "operators": operators,
        "kernels": [{"name": kernel, "calls": 96, "device_us": 12000.0}] if on_gpu else [],
    }
    (directory / "window" / "operators.json").write_text(json.dumps(content))


def write_training(
    directory: Path, *, classes: int = 3, mistakes: int = 5, epochs: int = 6, label_errors: int = 0
) -> Path:
    """What a job leaves for the training report."""
    directory.mkdir(parents=True, exist_ok=True)
    names = [f"{index:03d}.<i>Breed_{index}" for index in range(classes)]
    random = np.random.default_rng(3)
    confusion = np.diag(random.integers(4, 9, classes))
    for _ in range(mistakes * 2):
        true, predicted = random.integers(0, classes, 2)
        confusion[true, predicted] += 1
    history: list[dict[str, Any]] = [
        {
            "epoch": epoch,
            "train_loss": 2.0 / epoch,
            "eval_loss": 2.2 / epoch if epoch < epochs else 2.2,
            "eval_accuracy": 50 + 40 * epoch / epochs,
            "learning_rate": 1e-3 * 0.5 ** (epoch // 3),
            "train_seconds": 12.5,
        }
        for epoch in range(1, epochs + 1)
    ]
    accuracy = 100 * float(np.trace(confusion) / confusion.sum())
    test = {"best_epoch": epochs - 1, "test_loss": 0.41, "test_accuracy": accuracy}
    (directory / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in [*history, test]))
    _write_csv(
        directory / "confusion_matrix.csv",
        [["true \\ predicted", *names], *([name, *row] for name, row in zip(names, confusion.tolist(), strict=True))],
    )
    _write_csv(
        directory / "per_class.csv",
        [
            ["class", "train_pictures", "test_pictures", "correct", "accuracy", "precision"],
            *([name, 30 + 7 * index, 9, 7, "77.78", ""] for index, name in enumerate(names)),
        ],
    )
    card = {
        "format_version": 1,
        "job": "dogs-1",
        "settings": {"epochs": str(epochs), "model-type": "<b>resnet18</b>"},
        "classes": names,
        "train_counts": [30 + 7 * index for index in range(classes)],
        "best_epoch": epochs - 1,
    }
    (directory / "job.json").write_text(json.dumps(card))
    _write_pictures(directory / "mistakes", names, mistakes)
    if label_errors:
        _write_pictures(directory / "label-errors", names, label_errors)
        rows = [["test", "a.jpg", names[0], names[1], "0.9"]] * (label_errors + 3)
        _write_csv(directory / "label_errors.csv", [["split", "path", "label", "suggestion", "margin"], *rows])
    return directory


def _write_pictures(folder: Path, names: list[str], count: int) -> None:
    random = np.random.default_rng(3)
    folder.mkdir(exist_ok=True)
    entries = []
    for index in range(count):
        pixels = random.integers(0, 255, (60, 80, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index:03d}.jpg")
        entries.append(
            {
                "file": f"{index:03d}.jpg",
                "path": f"{names[0]}/picture-{index}.jpg",
                "true": names[0],
                "predicted": names[1],
                "probability": 0.98 - index / 100,
                "probability_true": 0.01,
                "loss": 4.6 - index / 10,
            }
        )
    (folder / f"{folder.name}.json").write_text(json.dumps({"format_version": 1, folder.name: entries}))


def _write_csv(file: Path, rows: list[list[Any]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    file.write_text(text.getvalue())


def write_probabilities(directory: Path) -> None:
    """What the test of a job writes about its probabilities."""
    bins = [{"confidence": 0.35 + 0.1 * number, "accuracy": 0.3 + 0.11 * number, "pictures": 9} for number in range(7)]
    content = {
        "format_version": 1,
        "pictures": 63,
        "accuracy_interval": [0.901, 0.954],
        "top5": 0.99,
        "calibration": {"temperature": 0.71},
        "calibration_error": {"before": 0.12, "after": 0.018},
        "reliability": {"before": bins[2:], "after": bins},
        "coverage": [[0.1 * number, 1.0 - 0.002 * number**2, 1.0 - 0.05 * number] for number in range(1, 11)],
        "rejected": {"below": 0.62, "coverage": 0.9, "accuracy": 0.97},
        "average_precision": None,
        "curves": [
            {"class": f"{index:03d}.<i>Breed_{index}", "recall": [0.0, 0.5, 1.0], "precision": [1.0, 0.9, 0.4]}
            for index in range(3)
        ],
    }
    (directory / "probabilities.json").write_text(json.dumps(content))


def write_findings(directory: Path) -> None:
    """What `slipway debug --output` writes."""
    finding = {
        "step": 40,
        "mode": "TRAIN",
        "tensor": "gradient/ResNet_conv1.weight",
        "value": 1e-9,
        "message": "too small",
    }
    confused = [
        {
            "step": 12,
            "mode": "EVAL",
            "tensor": "CrossEntropyLoss_input_0",
            "value": share,
            "message": f"{what}; train longer",
            "what": what,
            "advice": "train longer",
        }
        for share, what in (
            (0.8333333333333334, "83 % of what is predicted as class 1 is of class 2"),
            (0.75, "75 % of what is predicted as class 0 is of class 7"),
        )
    ]
    rules = [
        {
            "rule": "VanishingGradient",
            "parameters": {"threshold": 1e-7},
            "status": "IssuesFound",
            "findings": [finding],
        },
        {"rule": "Confusion", "parameters": {}, "status": "IssuesFound", "findings": confused},
        {"rule": "Overfit", "parameters": {}, "status": "NoIssuesFound", "findings": []},
        {
            "rule": "DeadRelu",
            "parameters": {},
            "status": "InsufficientData",
            "findings": [],
            "message": "the trial holds no outputs of activations",
        },
    ]
    content = {"format_version": 1, "trial": "/opt/ml/output/tensors", "rules": rules}
    (directory / "debug-findings.json").write_text(json.dumps(content))
