"""The settings that a request needs and nobody has named.

A dry run goes on with placeholders and lists them; otherwise one error names all of them.
"""

from dataclasses import dataclass
from typing import Literal

from slipway.aws.connection import Aws, find_region
from slipway.aws.dry_run import ACCOUNT, DryRun
from slipway.aws.session import AwsSession
from slipway.errors import SettingError
from slipway.settings.pushed_images import find_image
from slipway.settings.slipway_toml import Settings


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A setting, and every way to give it."""

    what: str
    """Its name in a sentence, such as "execution role"."""
    placeholder: str
    """The value that stands for it in a dry run."""
    ways: tuple[str, ...]
    """The option, the environment variable, the key in slipway.toml and the Python argument, as far as it has them."""
    remedy: str = ""
    """A sentence on how to get one."""

    def __str__(self) -> str:
        *others, last = self.ways
        text = f"no {self.what} is named; give {', '.join(others)}{' or ' if others else ''}{last}"
        return f"{text}. {self.remedy}" if self.remedy else text


REGION = Setting(
    what="region",
    placeholder="us-east-1",
    ways=("--region", "region=", "SLIPWAY_REGION", "AWS_REGION", "region in slipway.toml or in ~/.aws/config"),
)
ROLE = Setting(
    what="execution role",
    placeholder=f"arn:aws:iam::{ACCOUNT}:role/slipway-execution",
    ways=("--role", "role=", "SLIPWAY_ROLE", "role in slipway.toml"),
    remedy="docs/iam.md says how to make one",
)


def image_setting(target: Literal["train", "serve"], region: str) -> Setting:
    """The setting for an image that was not pushed to a region."""
    return Setting(
        what=f"{'training' if target == 'train' else 'serving'} image",
        placeholder=f"{ACCOUNT}.dkr.ecr.{region}.amazonaws.com/slipway:{target}",
        ways=("--image", "image_uri=", f"SLIPWAY_{target.upper()}_IMAGE", f"{target}-image in slipway.toml"),
        remedy=f"None was pushed to {region} from this machine: ./build.sh {target} && ./push.sh {target} --region "
        f"{region}",
    )


class Missing:
    """Collects the settings that are missing while a request is composed.

    Args:
        dry_run: Whether placeholders may stand for them; else `require` raises.
    """

    def __init__(self, *, dry_run: bool) -> None:
        self._dry_run = dry_run
        self.settings: list[Setting] = []
        """Those that are missing, in the order in which they were asked for."""

    def fill(self, setting: Setting, value: str | None) -> str:
        """Return the value, or the setting's placeholder if there is none."""
        if value:
            return value
        if setting not in self.settings:
            self.settings.append(setting)
        return setting.placeholder

    def region(self, region: str | None, profile: str | None) -> str:
        """Return the region that is named or configured, or a placeholder.

        Raises:
            CredentialsError: There is no such profile.
        """
        return self.fill(REGION, find_region(region or Settings.read().region, profile))

    def session(self, region: str | None, profile: str | None, recorded: DryRun | None = None) -> AwsSession:
        """Create a session in the region that is named, or in a placeholder's.

        Args:
            region: As for `Aws`.
            profile: As for `Aws`.
            recorded: Records the requests, which are not sent then.

        Raises:
            CredentialsError: There is no such profile.
            SettingError: AWS has no such region.
        """
        profile = profile or Settings.read().profile
        return AwsSession(Aws(self.region(region, profile), profile), recorded)

    def role(self, role: str | None) -> str:
        """Return the role that is named, in an argument or the settings, or a placeholder."""
        return self.fill(ROLE, role or Settings.read().role)

    def image(self, target: Literal["train", "serve"], named: str | None, region: str) -> str:
        """Return the address of the image, as `resolve_image` does, or a placeholder.

        Raises:
            ImagesFileError: images.json is damaged.
        """
        return self.fill(image_setting(target, region), find_image(target, named, region))

    def require(self) -> None:
        """Check that nothing is missing, unless this is a dry run.

        Raises:
            SettingError: Names everything that is missing, and how to give it.
        """
        if self.settings and not self._dry_run:
            raise SettingError("\n".join(map(str, self.settings)))
