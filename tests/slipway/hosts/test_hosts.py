"""Which image and which host image SageMaker's GPU instances get, by the table of their drivers."""

from pathlib import Path

import pytest

from slipway import Model, Transformer
from slipway.aws.connection import service_model
from slipway.checks.instance_type import Use, has_gpu, instance_types
from slipway.errors import SettingError
from slipway.hosting.variants import ProductionVariant, deploy_variants
from slipway.hosts.drivers import CUDAS, ENDPOINT_AMIS, FAMILIES, TRANSFORM_AMIS
from slipway.hosts.fit import choose_ami, cuda_of, host_for, pushed_variant
from slipway.settings.pushed_images import CUDA_VERSIONS, PushedImage, record_images
from tests.slipway.sagemaker_account import DryAccount

REGION = "eu-west-1"
ROLE = "arn:aws:iam::111122223333:role/slipway-execution"
MODEL = "s3://my-dogs/jobs/dogs-1/output/model.tar.gz"
REPOSITORY = f"111122223333.dkr.ecr.{REGION}.amazonaws.com/slipway"
AMI_535, AMI_550, AMI_580 = (ENDPOINT_AMIS[index].ami for index in (1, 2, 3))
BATCH_535 = "al2-ami-sagemaker-batch-gpu-535"


@pytest.fixture(autouse=True)
def no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither slipway.toml nor images.json of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("SLIPWAY_ROLE", "SLIPWAY_BUCKET", "SLIPWAY_SERVE_IMAGE", "SLIPWAY_TRAIN_IMAGE"):
        monkeypatch.delenv(name, raising=False)


def pushed(target: str, cuda: str) -> PushedImage:
    return PushedImage(
        target=target,
        uri=f"{REPOSITORY}:{target}-3f2a",
        digest_uri=f"{REPOSITORY}@sha256:{target}",
        region=REGION,
        account="111122223333",
        revision="3f2a",
        pushed="2026-11-30T09:30:00+00:00",
        labels={"slipway.cuda.version": cuda},
    )


def push_both() -> None:
    for target in ("train", "serve"):
        record_images([pushed(target, "13.0"), pushed(f"{target}-cuda12", "12.8")])


def gpu_types(use: Use) -> list[str]:
    """One type of each family with NVIDIA GPUs that SageMaker lists."""
    found = {name.split(".")[1]: name for name in instance_types(use) if has_gpu(name)}
    return sorted(found.values())


def test_the_table_has_every_family_that_sagemaker_lists():
    listed = {name.split(".")[1] for use in ("training", "endpoint", "transform") for name in gpu_types(use)}
    assert listed == set(FAMILIES)
    assert tuple(CUDAS) == CUDA_VERSIONS


def test_the_host_images_are_those_of_sagemakers_api():
    shapes = service_model("sagemaker")
    listed = shapes.shape_for("ProductionVariantInferenceAmiVersion").enum
    assert {host.ami for host in ENDPOINT_AMIS} == {name for name in listed if "gpu" in name}
    described = shapes.shape_for("TransformResources").members["TransformAmiVersion"].documentation
    for host in (*ENDPOINT_AMIS, *TRANSFORM_AMIS):
        text = described if host in TRANSFORM_AMIS else _ami_documentation()
        of_host = text.partition(f"<dt>{host.ami}</dt>")[2].partition("<dt>")[0]
        assert f"NVIDIA driver version: {host.driver}" in of_host, host.ami


def _ami_documentation() -> str:
    shape = service_model("sagemaker").shape_for("ProductionVariant")
    return str(shape.members["InferenceAmiVersion"].documentation)


# What each family gets with the image for CUDA 13, and with that for CUDA 12: an AMI, "" for SageMaker's own choice,
# "?" for a host whose driver AWS does not publish, None where the image cannot run.
ENDPOINTS = {
    "g4dn": (AMI_580, AMI_550),
    "g5": (AMI_580, AMI_550),
    "g6": (AMI_580, ""),
    "g6e": (AMI_580, ""),
    "g7": (AMI_580, AMI_580),
    "g7e": (AMI_580, AMI_580),
    "p2": (None, None),
    "p3": (None, None),
    "p4d": (AMI_580, AMI_550),
    "p4de": (AMI_580, AMI_550),
    "p5": (AMI_580, ""),
    "p5e": (AMI_580, ""),
    "p5en": (AMI_580, ""),
    "p6-b200": ("", ""),
    "p6-b300": ("?", "?"),
    "p6e-gb200": (None, None),
}
TRANSFORMS = {
    "g4dn": (None, BATCH_535),
    "g5": (None, BATCH_535),
    "g6": (None, BATCH_535),
    "g6e": ("?", "?"),
    "p2": (None, None),
    "p3": (None, None),
}


@pytest.mark.parametrize(("use", "table"), [("endpoint", ENDPOINTS), ("transform", TRANSFORMS)])
def test_every_family_gets_a_host_that_runs_the_image(use: Use, table: dict[str, tuple[str | None, str | None]]):
    def shown(name: str, cuda: int) -> str | None:
        host = host_for(use, name, cuda)
        if host is not None and host.driver is not None:
            assert host.driver >= CUDAS[cuda].driver
        return host and (host.ami or ("" if host.driver else "?"))

    assert {name.split(".")[1]: (shown(name, 13), shown(name, 12)) for name in gpu_types(use)} == table


@pytest.mark.parametrize("use", ["training", "endpoint", "transform"])
def test_each_family_gets_an_image_that_fits_or_a_refusal_that_helps(use: Use):
    push_both()
    target = "train" if use == "training" else "serve"
    for name in gpu_types(use):
        image = pushed_variant(target, use, name, REGION)
        if image is not None:
            choose_ami(use, name, image)
            continue
        with pytest.raises(SettingError, match=r"; take another instance type, such as ml\.\w+\.\w+"):
            choose_ami(use, name, f"{REPOSITORY}:{target}-3f2a")


def test_endpoints_take_cuda_13_and_training_what_needs_the_older_driver():
    push_both()
    assert pushed_variant("serve", "endpoint", "ml.g5.xlarge", REGION) == f"{REPOSITORY}:serve-3f2a"
    assert pushed_variant("serve", "transform", "ml.g5.xlarge", REGION) == f"{REPOSITORY}:serve-cuda12-3f2a"
    assert pushed_variant("train", "training", "ml.g5.xlarge", REGION) == f"{REPOSITORY}:train-cuda12-3f2a"
    assert pushed_variant("train", "training", "ml.p3.2xlarge", REGION) == f"{REPOSITORY}:train-cuda12-3f2a"
    assert pushed_variant("serve", "endpoint", "ml.c7i.xlarge", REGION) is None
    assert pushed_variant("serve", "endpoint", None, REGION) is None


@pytest.mark.parametrize(
    ("use", "instance_type", "image", "named", "sentence"),
    [
        (
            "transform", "ml.g4dn.xlarge", "serve-3f2a", None,
            f"{REPOSITORY}:serve-3f2a (CUDA 13) needs NVIDIA driver 580 or later, and {BATCH_535} has 535 at most; "
            f"take the image for CUDA 12 with the host image {BATCH_535} (./build.sh serve --cuda 12 && ./push.sh "
            "serve --cuda 12, then --image serve-cuda12)",
        ),
        (
            "transform", "ml.g4dn.xlarge", "serve-cuda12", "al2-ami-sagemaker-batch-gpu-470",
            f"{REPOSITORY}:serve-cuda12 (CUDA 12) needs NVIDIA driver 525 or later, and "
            f"al2-ami-sagemaker-batch-gpu-470 has 470; take the host image {BATCH_535}",
        ),
        (
            "endpoint", "ml.g5.xlarge", "serve-3f2a", AMI_550,
            f"{AMI_550} has 550; take the host image {AMI_580}, or the image for CUDA 12 with the host "
            f"image {AMI_550} (",
        ),
        (
            "endpoint", "ml.p3.2xlarge", "serve-3f2a", None,
            "has no code for ml.p3.2xlarge's V100, compute capability 7.0; take another instance type, such as "
            "ml.g4dn.xlarge",
        ),
        (
            "training", "ml.p6e-gb200.36xlarge", "train-3f2a", None,
            f"ml.p6e-gb200.36xlarge has ARM processors, and {REPOSITORY}:train-3f2a is for linux/amd64; take another",
        ),
    ],
)  # fmt: skip
def test_a_pair_that_cannot_work_is_refused_with_one_that_can(
    use: Use, instance_type: str, image: str, named: str | None, sentence: str
):
    push_both()
    with pytest.raises(SettingError) as refused:
        choose_ami(use, instance_type, f"{REPOSITORY}:{image}", named)
    assert sentence in str(refused.value)


def test_a_driver_that_aws_does_not_publish_is_said_once(caplog: pytest.LogCaptureFixture):
    push_both()
    assert choose_ami("training", "ml.g5.xlarge", f"{REPOSITORY}:train-cuda12-3f2a") is None
    assert caplog.messages == []
    assert choose_ami("training", "ml.g5.xlarge", f"{REPOSITORY}:train-3f2a") is None
    assert caplog.messages == [
        f"AWS does not publish the driver of a training job on ml.g5.xlarge, and {REPOSITORY}:train-3f2a needs 580 or "
        "later; the image for CUDA 12 needs 525: ./build.sh --cuda 12 && ./push.sh --cuda 12"
    ]


def test_an_image_of_unknown_cuda_gets_the_newest_host():
    assert cuda_of("111122223333.dkr.ecr.eu-west-1.amazonaws.com/mine:1") is None
    assert choose_ami("endpoint", "ml.g5.xlarge", "mine:1") == AMI_580
    assert choose_ami("transform", "ml.g5.xlarge", "mine:1") == BATCH_535
    assert choose_ami("endpoint", "ml.g99.xlarge", "mine:1") is None
    assert choose_ami("endpoint", "ml.c7i.xlarge", "mine:1", "an-ami") == "an-ami"


def test_a_host_image_that_the_table_does_not_know_is_left_to_aws():
    push_both()
    assert choose_ami("endpoint", "ml.p3.2xlarge", f"{REPOSITORY}:serve-cuda12-3f2a", "a-newer-ami") == "a-newer-ami"
    with pytest.raises(SettingError, match="has no code for"):
        choose_ami("endpoint", "ml.p3.2xlarge", f"{REPOSITORY}:serve-3f2a", "a-newer-ami")


def test_the_image_for_something_else_is_refused():
    push_both()
    with pytest.raises(SettingError, match=r"train-3f2a is the image train, and an endpoint needs serve; name that"):
        choose_ami("endpoint", "ml.c7i.xlarge", f"{REPOSITORY}:train-3f2a")
    with pytest.raises(SettingError, match=r"is the image serve-cuda12, and a training job needs train; name that"):
        choose_ami("training", "ml.g5.xlarge", f"{REPOSITORY}@sha256:serve-cuda12")


@pytest.mark.parametrize(
    ("image", "cuda"),
    [
        (f"{REPOSITORY}:serve-3f2a", 13),
        (f"{REPOSITORY}@sha256:serve", 13),
        (f"{REPOSITORY}:serve", 13),
        (f"{REPOSITORY}:serve-cuda12-3f2a", 12),
        (f"{REPOSITORY}@sha256:serve-cuda12", 12),
        (f"{REPOSITORY}:serve-other", None),
        ("slipway:train-cuda12", 12),
    ],
)
def test_an_images_cuda_is_read_from_its_tag_or_from_what_was_pushed(image: str, cuda: int | None):
    push_both()
    assert cuda_of(image) == cuda


def model(account: DryAccount) -> Model:
    return Model(MODEL, ROLE, sagemaker_session=account.session)


def image_of(account: DryAccount) -> str:
    return str(account.body("CreateModel")["PrimaryContainer"]["Image"]).rpartition(":")[2]


def test_a_transform_job_on_gpus_gets_the_image_and_the_host_that_fit(account: DryAccount):
    push_both()
    account.answer(ListObjectsV2={"Contents": [{"Key": "test/1.jpg", "Size": 1}]})
    Transformer.from_model(model(account), "ml.g4dn.xlarge").transform("s3://my-dogs/test", wait=False)
    assert image_of(account) == "serve-cuda12-3f2a"
    resources = account.body("CreateTransformJob")["TransformResources"]
    assert resources == {"InstanceCount": 1, "InstanceType": "ml.g4dn.xlarge", "TransformAmiVersion": BATCH_535}
    Transformer.from_model(model(account), "ml.c7i.xlarge").transform("s3://my-dogs/test", wait=False)
    assert "TransformAmiVersion" not in account.body("CreateTransformJob")["TransformResources"]


def test_endpoints_and_their_variants_get_the_hosts_that_fit(account: DryAccount):
    record_images([pushed("serve-cuda12", "12.8")])
    model(account).deploy(instance_type="ml.g5.xlarge", wait=False)
    [variant] = account.body("CreateEndpointConfig")["ProductionVariants"]
    assert (image_of(account), variant["InferenceAmiVersion"]) == ("serve-cuda12-3f2a", AMI_550)
    record_images([pushed("serve", "13.0")])
    types = {"old": "ml.g5.xlarge", "new": "ml.p6-b200.48xlarge"}
    variants = [ProductionVariant(name=name, model=model(account), instance_type=types[name]) for name in types]
    deploy_variants(variants, wait=False)
    described = account.body("CreateEndpointConfig")["ProductionVariants"]
    assert [variant.get("InferenceAmiVersion") for variant in described] == [AMI_580, None]


def test_a_job_gets_the_training_image_that_needs_the_older_driver(account: DryAccount):
    push_both()
    made = account.estimator(image_uri=None, instance_type="ml.g5.xlarge")
    assert made.image_uri == f"{REPOSITORY}:train-cuda12-3f2a"
    assert account.estimator(image_uri="train", instance_type="ml.g5.xlarge").image_uri == f"{REPOSITORY}:train"
    assert account.estimator(image_uri=None, instance_type="ml.c7i.xlarge").image_uri == f"{REPOSITORY}:train-3f2a"


def test_nothing_is_created_for_a_pair_that_cannot_work(account: DryAccount):
    record_images([pushed("serve", "13.0"), pushed("train", "13.0")])
    with pytest.raises(SettingError, match=r"take the image for CUDA 12 with the host image al2-ami-sagemaker-batch"):
        Transformer.from_model(model(account), "ml.g4dn.xlarge")
    with pytest.raises(SettingError, match="has no code for"):
        model(account).deploy(instance_type="ml.p3.2xlarge", wait=False)
    with pytest.raises(SettingError, match=r"\./build\.sh train --cuda 12 && \./push\.sh train --cuda 12"):
        account.estimator(image_uri=None, instance_type="ml.p3.2xlarge")
    assert account.made == []
