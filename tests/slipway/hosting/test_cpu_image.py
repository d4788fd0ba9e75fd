"""Which of the two serving images a model gets: the one for CPUs where it was pushed and suffices."""

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sagemaker.serverless import ServerlessInferenceConfig

from slipway import Model
from slipway.batch_transform.transformer import Transformer
from slipway.errors import SettingError
from slipway.settings.pushed_images import PushedImage, record_images
from tests.slipway.sagemaker_account import REGION, ROLE, DryAccount

ADDRESS = "s3://my-dogs/jobs/dogs-1/output/model.tar.gz"
EXPORTED = ("model.json", "model.safetensors", "model.onnx", "check.safetensors")
REPOSITORY = f"111122223333.dkr.ecr.{REGION}.amazonaws.com/slipway"
PLAIN, FOR_CPUS = f"{REPOSITORY}:serve-3f2a", f"{REPOSITORY}:serve-cpu-3f2a"
GPU, CPU = "ml.g4dn.xlarge", "ml.c7i.xlarge"


def pushed(target: str) -> PushedImage:
    return PushedImage(
        target=target,
        uri=f"{REPOSITORY}:{target}-3f2a",
        digest_uri=f"{REPOSITORY}@sha256:{target}",
        region=REGION,
        account="111122223333",
        revision="3f2a",
        pushed="2026-02-03T09:30:00+00:00",
        labels={},
    )


def archive(names: tuple[str, ...]) -> io.BytesIO:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        for name in names:
            tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    data.seek(0)
    return data


@pytest.fixture
def account(shared: DryAccount, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[DryAccount]:
    """Both images are pushed, and the model in S3 is an exported one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("SLIPWAY_ROLE", "SLIPWAY_BUCKET", "SLIPWAY_SERVE_IMAGE"):
        monkeypatch.delenv(name, raising=False)
    record_images([pushed("serve"), pushed("serve-cpu")])
    return shared.reset().answer(GetObject={"Body": archive(EXPORTED)})


def image_of(account: DryAccount) -> str:
    return str(account.body("CreateModel")["PrimaryContainer"]["Image"])


def model(account: DryAccount, **arguments: object) -> Model:
    return Model(ADDRESS, ROLE, sagemaker_session=account.session, **arguments)


def test_instances_without_gpus_and_serverless_get_the_image_for_cpus(account: DryAccount) -> None:
    model(account).deploy(instance_type=CPU, wait=False)
    assert image_of(account) == FOR_CPUS
    account.answer(GetObject={"Body": archive(EXPORTED)})
    model(account).deploy(serverless_inference_config=ServerlessInferenceConfig(3072, 5), wait=False)
    assert image_of(account) == FOR_CPUS
    account.answer(GetObject={"Body": archive(EXPORTED)})
    Transformer.from_model(model(account), CPU)
    assert image_of(account) == FOR_CPUS


def test_gpus_get_the_other_and_so_does_who_asks_for_it(account: DryAccount) -> None:
    model(account).deploy(instance_type=GPU, wait=False)
    assert image_of(account) == PLAIN
    model(account, image_uri="serve").deploy(instance_type=CPU, wait=False)
    assert image_of(account) == f"{REPOSITORY}:serve"


@pytest.mark.parametrize(
    "names",
    [("model.json", "model.safetensors"), (*EXPORTED, "code/inference.py"), ("model.pth",), ()],
    ids=["not exported", "own code", "seed project", "cannot be listed"],
)
def test_a_model_that_needs_torch_gets_the_image_that_has_it(account: DryAccount, names: tuple[str, ...]) -> None:
    account.answer(GetObject={"Body": archive(names)} if names else {})
    model(account).deploy(instance_type=CPU, wait=False)
    assert image_of(account) == PLAIN


def test_a_model_of_this_machine_is_looked_at_here(account: DryAccount, tmp_path: Path) -> None:
    directory = tmp_path / "model"
    directory.mkdir()
    for name in EXPORTED:
        (directory / name).write_text("{}")
    account.answer(GetObject={})
    made = Model.from_directory(directory, role=ROLE, bucket="my-dogs", sagemaker_session=account.session)
    made.deploy(instance_type=CPU, wait=False)
    assert image_of(account) == FOR_CPUS


@pytest.mark.parametrize("name", ["serve-cpu", FOR_CPUS, f"{REPOSITORY}@sha256:serve-cpu"])
def test_the_image_for_cpus_is_refused_on_gpus(account: DryAccount, name: str) -> None:
    with pytest.raises(SettingError, match=r"ml\.g4dn\.xlarge has GPUs, and .* is the image for CPUs, .*--image serve"):
        model(account, image_uri=name).deploy(instance_type=GPU, wait=False)
    assert account.made == []


def test_where_only_the_image_for_cpus_was_pushed_it_is_taken(
    account: DryAccount, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "other"))
    record_images([pushed("serve-cpu")])
    model(account).deploy(instance_type=CPU, wait=False)
    assert image_of(account) == FOR_CPUS
