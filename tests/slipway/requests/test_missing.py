"""Settings that nobody has named: placeholders in a dry run, else one error for all of them."""

import pytest

from slipway.errors import SettingError
from slipway.requests.missing import Missing


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch, tmp_path):
    """A machine without any setting."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "SLIPWAY_REGION", "SLIPWAY_ROLE"):
        monkeypatch.delenv(name, raising=False)


def asked(missing: Missing, role: str | None = None) -> tuple[str, str, str]:
    """The region, the role and the image of a job."""
    region = missing.session(None, None).boto_region_name
    found = region, missing.role(role), missing.image("train", None, region)
    missing.require()
    return found


def test_a_dry_run_goes_on_with_placeholders_and_lists_them():
    missing = Missing(dry_run=True)
    region, role, image = asked(missing)
    assert image == f"111122223333.dkr.ecr.{region}.amazonaws.com/slipway:train"
    assert [setting.placeholder for setting in missing.settings] == [region, role, image]


def test_one_error_names_everything_that_is_missing_and_how_to_give_it():
    with pytest.raises(SettingError) as refused:
        asked(Missing(dry_run=False))
    region, role, image = str(refused.value).split("\n")
    assert region.startswith("no region is named; give --region, region=, SLIPWAY_REGION, AWS_REGION or region in slip")
    assert role.startswith("no execution role is named; give --role, role=, SLIPWAY_ROLE or role in slipway.toml.")
    assert image.startswith("no training image is named; give --image, image_uri=, SLIPWAY_TRAIN_IMAGE or train-image")
    assert "./push.sh train --region us-east-1" in image


def test_what_is_named_is_not_missing(monkeypatch, tmp_path):
    (tmp_path / "slipway.toml").write_text('region = "eu-west-1"\ntrain-image = "mine/slipway:train"\n')
    missing = Missing(dry_run=False)
    assert asked(missing, "arn:aws:iam::111122223333:role/mine") == (
        "eu-west-1",
        "arn:aws:iam::111122223333:role/mine",
        "mine/slipway:train",
    )
    assert missing.settings == []
