"""images.json: the images that were pushed from this machine, their addresses and labels."""

import dataclasses
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from slipway.errors import ImagesFileError
from slipway.settings.slipway_toml import Settings

if TYPE_CHECKING:
    from slipway.aws.session import AnySession

FORMAT = 1
BUILT_NAME = "slipway"
"""build.sh's default name for the images."""
CPU_TARGET = "serve-cpu"
"""The serving image for CPUs, without torch."""
CUDA_VERSIONS = (13, 12)
"""Major versions of CUDA that build.sh makes images for, its default first."""
CUDA_LABEL = "slipway.cuda.version"
"""Label with the version of CUDA that an image is for."""


@dataclass(frozen=True, kw_only=True)
class PushedImage:
    """One image in one region's registry."""

    target: str
    """train, serve, serve-cpu, train-cuda12 or serve-cuda12."""
    uri: str
    """Address with the tag of its revision."""
    digest_uri: str
    """Address with the digest of its manifest, which always means the same image."""
    region: str
    account: str
    revision: str
    """Revision of the source that it was built from, as in its tag."""
    pushed: str
    """Time of the push, ISO 8601 in UTC."""
    labels: Mapping[str, str]
    """Labels of the image, such as the versions of torch and CUDA."""

    @property
    def repository(self) -> str:
        """Name of the repository in ECR."""
        return self.uri.partition("/")[2].rpartition(":")[0]


def variant_target(target: str, cuda: int) -> str:
    """Return the name of an image for one CUDA, as build.sh tags it: train for the default, else train-cuda12."""
    return target if cuda == CUDA_VERSIONS[0] else f"{target}-cuda{cuda}"


def images_file() -> Path:
    """Path of the file: ${XDG_CONFIG_HOME:-~/.config}/slipway/images.json."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "slipway" / "images.json"


def image_uri(target: str, region: str | None = None) -> str:
    """Look up the address of the image that was pushed last.

    Args:
        target: train or serve; if only a variant of it was pushed, that one.
        region: Region of the image; None: any.

    Raises:
        ImagesFileError: No image was pushed, or images.json is damaged.
    """
    found = _last_pushed(target, region)
    if found is None:
        where = f" to {region}" if region else ""
        option = f" --region {region}" if region else ""
        raise ImagesFileError(
            f"{images_file()} names no {target} image pushed{where}; run ./build.sh {target} && "
            f"./push.sh {target}{option}, or name the image yourself"
        )
    return found


def last_pushed(target: str, region: str | None) -> str | None:
    """Look up the address of an image by the name that build.sh tags it with; None if it was not pushed.

    Raises:
        ImagesFileError: images.json is damaged.
    """
    found = [image for image in read_images() if image.target == target and region in (None, image.region)]
    return max(found, key=lambda image: image.pushed).uri if found else None


def _last_pushed(target: str, region: str | None) -> str | None:
    """Look up the image for a target, or, where only others were pushed, the variant that is there."""
    names = (*(variant_target(target, cuda) for cuda in CUDA_VERSIONS), *((CPU_TARGET,) if target == "serve" else ()))
    return next(filter(None, (last_pushed(name, region) for name in names)), None)


def resolve_image(target: Literal["train", "serve"], named: str | None, session: "AnySession") -> str:
    """Choose the image for a job or an endpoint.

    Args:
        target: train or serve.
        named: An address, a local Docker image (for local mode), or only the tag or revision of an image in the
            repository that push.sh pushed to; None: Settings', else the one that push.sh pushed last to the session's
            region, else, in local mode, the one that build.sh built.
        session: Session with the region, or one for local mode.

    Returns:
        The image's address.

    Raises:
        ImagesFileError: No image is named, and none was pushed there.
    """
    if session.local_mode:
        return named or getattr(Settings.read(), f"{target}_image") or f"{BUILT_NAME}:{target}"
    region = session.boto_region_name
    return find_image(target, named, region) or image_uri(target, region)


def find_image(target: Literal["train", "serve"], named: str | None, region: str) -> str | None:
    """Choose the image for a job or an endpoint in a region, as `resolve_image` does; None if there is none.

    Raises:
        ImagesFileError: images.json is damaged.
    """
    named = named or getattr(Settings.read(), f"{target}_image")
    if named and ("/" in named or ":" in named):
        return str(named)
    pushed = _last_pushed(target, region)
    if named is None or pushed is None:
        return pushed
    tag = named if named.startswith(target) else f"{target}-{named}"
    return f"{pushed.rpartition(':')[0]}:{tag}"


def read_images() -> list[PushedImage]:
    """Read the pushed images, one for each target and region; empty if there is no file yet.

    Raises:
        ImagesFileError: The file is damaged, or of another version of Slipway.
    """
    path = images_file()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ImagesFileError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise _damaged(path, f"it is not JSON ({error})") from error
    if not isinstance(content, dict) or not isinstance(content.get("images"), list):
        raise _damaged(path, "it has no list of images")
    if content.get("format") != FORMAT:
        raise _damaged(path, f"its format is {content.get('format')!r}, and this version of Slipway reads {FORMAT}")
    return [_image(path, number, entry) for number, entry in enumerate(content["images"])]


def _image(path: Path, number: int, entry: Any) -> PushedImage:
    names = {field.name for field in dataclasses.fields(PushedImage)}
    if not isinstance(entry, dict) or set(entry) != names:
        raise _damaged(path, f"images[{number}] does not have the fields {', '.join(sorted(names))}")
    for name, value in entry.items():
        texts = list(value.values()) if name == "labels" and isinstance(value, dict) else [value]
        if not all(isinstance(text, str) for text in texts):
            raise _damaged(path, f"images[{number}].{name} is {value!r}")
    if not isinstance(entry["labels"], dict):
        raise _damaged(path, f"images[{number}].labels is {entry['labels']!r}")
    return PushedImage(**entry)


def _damaged(path: Path, reason: str) -> ImagesFileError:
    return ImagesFileError(f"{path} is damaged: {reason}; remove it and run ./push.sh again, which writes it anew")


def record_images(pushed: Sequence[PushedImage]) -> Path:
    """Record pushed images, replacing earlier ones of the same target and region; return the file.

    The file is replaced atomically.

    Raises:
        ImagesFileError: The file is damaged.
        OSError: It cannot be written; an earlier one is untouched.
    """
    images = {(image.target, image.region): image for image in (*read_images(), *pushed)}
    content = {"format": FORMAT, "images": [dataclasses.asdict(images[key]) for key in sorted(images)]}
    path = images_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=".images.", delete=False) as file:
        try:
            json.dump(content, file, indent=2)
            file.write("\n")
            file.close()
            Path(file.name).replace(path)
        except OSError:
            Path(file.name).unlink(missing_ok=True)
            raise
    return path
