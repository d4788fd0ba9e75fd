"""images.json and `slipway images`."""

import json
from pathlib import Path

import pytest

from slipway.errors import ImagesFileError
from slipway.settings.pushed_images import PushedImage, image_uri, images_file, read_images, record_images


@pytest.fixture(autouse=True)
def config_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path


def pushed(target: str, region: str = "us-east-1", revision: str = "0123456789ab", hour: int = 9) -> PushedImage:
    repository = f"123456789012.dkr.ecr.{region}.amazonaws.com/slipway"
    return PushedImage(
        target=target,
        uri=f"{repository}:{target}-{revision}",
        digest_uri=f"{repository}@sha256:{'0' * 64}",
        region=region,
        account="123456789012",
        revision=revision,
        pushed=f"2026-02-03T{hour:02}:30:00+00:00",
        labels={"slipway.torch.version": "2.13.0"},
    )


def test_what_was_recorded_is_read_again():
    images = [pushed("serve"), pushed("train")]
    assert record_images(images) == images_file()
    assert read_images() == images


def test_there_is_nothing_before_the_first_push():
    assert read_images() == []


def test_a_later_push_replaces_that_of_its_target_and_region_only():
    record_images([pushed("train"), pushed("serve"), pushed("train", "eu-west-1")])
    record_images([pushed("train", revision="ba9876543210")])
    assert {(image.target, image.region): image.revision for image in read_images()} == {
        ("train", "us-east-1"): "ba9876543210",
        ("train", "eu-west-1"): "0123456789ab",
        ("serve", "us-east-1"): "0123456789ab",
    }


def test_the_address_is_that_of_the_last_push_or_of_the_region():
    record_images([pushed("train", hour=11), pushed("train", "eu-west-1", hour=10), pushed("serve")])
    assert image_uri("train") == pushed("train").uri
    assert image_uri("train", "eu-west-1") == pushed("train", "eu-west-1").uri


@pytest.mark.parametrize(
    ("region", "message"),
    [
        (None, r"images\.json names no train image pushed; run \./build\.sh train && \./push\.sh train, or name"),
        ("eu-west-1", r"no train image pushed to eu-west-1; .*\./push\.sh train --region eu-west-1, or name"),
    ],
)
def test_an_image_that_was_not_pushed_is_named_with_the_way_to_push_it(region, message):
    record_images([pushed("serve")])
    with pytest.raises(ImagesFileError, match=message):
        image_uri("train", region)


GOOD = json.loads(json.dumps(vars(pushed("train"))))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"is damaged: it is not JSON \(.*\); remove it and run \./push\.sh again"),
        ("[]", r"is damaged: it has no list of images"),
        ('{"format": 2, "images": []}', r"is damaged: its format is 2, and this version of Slipway reads 1"),
        (json.dumps({"format": 1, "images": [{"target": "train"}]}), r"images\[0\] does not have the fields account"),
        (json.dumps({"format": 1, "images": [GOOD, GOOD | {"uri": 7}]}), r"images\[1\]\.uri is 7"),
        (json.dumps({"format": 1, "images": [GOOD | {"labels": "x"}]}), r"images\[0\]\.labels is 'x'"),
        (json.dumps({"format": 1, "images": [GOOD | {"labels": {"x": 1}}]}), r"images\[0\]\.labels is {'x': 1}"),
    ],
    ids=["cut off", "list", "newer", "fields", "number", "labels", "label"],
)
def test_a_damaged_file_is_named_with_what_is_wrong(content, message):
    images_file().parent.mkdir()
    images_file().write_text(content)
    with pytest.raises(ImagesFileError, match=message):
        read_images()
    with pytest.raises(ImagesFileError, match=message):
        record_images([pushed("serve")])
    assert images_file().read_text() == content


def test_only_the_file_itself_is_left():
    record_images([pushed("train")])
    assert [path.name for path in images_file().parent.iterdir()] == ["images.json"]


def test_the_command_shows_both_addresses_of_each_image(slipway):
    record_images([pushed("train"), pushed("serve")])
    header, *rows = slipway("images").stdout.splitlines()
    assert header.split() == ["TARGET", "REGION", "REVISION", "PUSHED", "(UTC)", "IMAGE"]
    assert [row.split() for row in rows] == [
        ["serve", "us-east-1", "0123456789ab", "2026-02-03", "09:30", pushed("serve").uri],
        [pushed("serve").digest_uri],
        ["train", "us-east-1", "0123456789ab", "2026-02-03", "09:30", pushed("train").uri],
        [pushed("train").digest_uri],
    ]


def test_the_command_prints_json_for_programs(slipway):
    record_images([pushed("train")])
    assert json.loads(slipway("images", "--json").stdout) == [GOOD]


def test_the_command_says_what_to_do_when_nothing_was_pushed(slipway):
    assert "./build.sh && ./push.sh" in slipway("images").stdout
    assert json.loads(slipway("images", "--json").stdout) == []


def test_the_command_names_a_damaged_file_without_a_stack_trace(slipway):
    images_file().parent.mkdir()
    images_file().write_text("{")
    done = slipway("images")
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: {images_file()} is damaged")
    assert "Traceback" not in done.stderr
