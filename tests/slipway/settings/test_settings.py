"""slipway.toml: what it sets, what counts for more, and what it refuses."""

import pytest
from click.testing import CliRunner

from slipway.cli import cli
from slipway.errors import SettingsFileError
from slipway.settings.slipway_toml import Settings

FILE = """
region = "eu-central-1"
role = "arn:aws:iam::111122223333:role/from-file"

[predict]
url = "http://127.0.0.1:1"
top = 3

[data.explore]
output = "page.html"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A working directory with a slipway.toml, below which nothing else is set."""
    for name in ("CONFIG", "REGION", "PROFILE", "ROLE", "BUCKET", "TRAIN_IMAGE", "SERVE_IMAGE"):
        monkeypatch.delenv(f"SLIPWAY_{name}", raising=False)
    (tmp_path / "slipway.toml").write_text(FILE)
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    return tmp_path


def test_the_file_is_found_above_the_working_directory():
    assert Settings.read() == Settings(region="eu-central-1", role="arn:aws:iam::111122223333:role/from-file")


def test_a_file_can_be_named(folder, monkeypatch):
    (folder / "other.toml").write_text('bucket = "my-dogs"\n')
    monkeypatch.setenv("SLIPWAY_CONFIG", str(folder / "other.toml"))
    assert Settings.read() == Settings(bucket="my-dogs")


def test_the_environment_counts_for_more_than_the_file(monkeypatch):
    monkeypatch.setenv("SLIPWAY_REGION", "us-west-2")
    assert Settings.read().region == "us-west-2"


@pytest.mark.parametrize(
    ("arguments", "environment", "address"),
    [
        ([], {}, "http://127.0.0.1:1"),
        ([], {"SLIPWAY_PREDICT_URL": "http://127.0.0.1:2"}, "http://127.0.0.1:2"),
        (["--url", "http://127.0.0.1:3"], {"SLIPWAY_PREDICT_URL": "http://127.0.0.1:2"}, "http://127.0.0.1:3"),
    ],
)
def test_an_argument_counts_more_than_the_environment_and_that_more_than_the_file(
    arguments, environment, address, folder
):
    picture = folder / "picture.png"
    picture.write_bytes(b"not asked about: no server answers")
    done = CliRunner(env=environment).invoke(cli, ["predict", *arguments, str(picture)])
    assert f"no server answers at {address}" in str(done.exception)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("region = ", r"slipway\.toml is not TOML: "),
        ('regoin = "x"', r"slipway\.toml: there is no setting regoin; did you mean region\?"),
        ("[trian]\nepochs = 3", r"slipway\.toml: there is no command trian; did you mean train\?"),
        ("[train]\nepoch = 3", r"slipway\.toml: there is no option of train epoch; did you mean epochs\?"),
        ("[data]\nexplore = 3", r"explore is a command; write its options below a line \[explore\]"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(content, message, folder):
    (folder / "slipway.toml").write_text(content)
    done = CliRunner().invoke(cli, ["images"])
    assert isinstance(done.exception, SettingsFileError)
    with pytest.raises(SettingsFileError, match=message):
        raise done.exception


def test_a_setting_that_is_no_text_is_named(folder):
    (folder / "slipway.toml").write_text("region = 1")
    with pytest.raises(SettingsFileError, match="region is 1; it must be text in quotes"):
        Settings.read()


def test_a_named_file_that_is_not_there_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setenv("SLIPWAY_CONFIG", str(tmp_path / "none.toml"))
    with pytest.raises(SettingsFileError, match=r"none\.toml cannot be read: No such file"):
        Settings.read()
