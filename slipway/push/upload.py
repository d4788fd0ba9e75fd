"""Pushes an image unless the registry has it, in the form that SageMaker takes, and sets both its tags."""

import fnmatch
from collections.abc import Callable, Mapping
from typing import Any

from slipway.errors import ServiceError
from slipway.push.engine import BuiltImage, push_image
from slipway.push.manifest import INDEXES, SCHEMA_2, Manifest, image_of_index, to_schema_2
from slipway.push.registry import Registry
from slipway.push.repository import MOVING_TAGS, Repository

Say = Callable[[str], None]

# The settings that matter to whoever runs an image; engines add others of their own.
_SETTINGS = ("Cmd", "Entrypoint", "Env", "ExposedPorts", "Healthcheck", "Labels", "User", "WorkingDir")


def upload(image: BuiltImage, repository: Repository, registry: Registry, token: str, say: Say) -> Manifest:
    """Push an image unless the registry has it, and set the tags of its revision and of its target.

    Raises:
        ServiceError: The push failed; a subclass says why.
    """
    there = _image_of(registry, image.tag)
    if there is not None and _is(image, registry.config(there)):
        say("  already there")
        manifest = _settle(registry, image.tag)
    else:
        if there is not None:
            _require_movable(image, repository)
        # The movable tag first: an image that an engine pushed in another form is then converted before the
        # immutable tag is set.
        first = image.target if repository.can_move(image.target) else image.tag
        push_image(image, f"{repository.uri}:{first}", token)
        manifest = _settle(registry, first)
        if not _is(image, registry.config(manifest)):
            raise ServiceError(f"{repository.uri}:{first} was moved by someone else meanwhile; run it again")
        if first != image.tag:
            registry.put(image.tag, manifest)
    _move(image.target, manifest, repository, registry, say)
    return manifest


def is_fixed(tag: str) -> bool:
    """Whether a tag names a committed revision, so that it must never mean another image."""
    return not any(fnmatch.fnmatchcase(tag, pattern) for pattern in MOVING_TAGS)


def _require_movable(image: BuiltImage, repository: Repository) -> None:
    name = f"{repository.uri}:{image.tag}"
    if is_fixed(image.tag):
        raise ServiceError(
            f"{name} is not the image built here, with other options of ./build.sh or on another base; a "
            "revision's tag is never changed: commit something and build again, push to another --repository, or "
            "delete that tag in ECR if nothing uses it"
        )
    if not repository.can_move(image.tag):
        raise ServiceError(
            f"{name} is not the image built here, and the repository's tags cannot be moved "
            f"({repository.mutability}); commit and build again (./build.sh), or use another --repository"
        )


def _move(tag: str, manifest: Manifest, repository: Repository, registry: Registry, say: Say) -> None:
    there = registry.manifest(tag)
    if there is not None and there.digest == manifest.digest:
        return
    if there is not None and not repository.can_move(tag):
        say(f"  warning: the tag {tag} stays on an earlier image, because the repository's tags cannot be moved")
        return
    registry.put(tag, manifest)


def _image_of(registry: Registry, reference: str) -> Manifest | None:
    found = registry.manifest(reference)
    if found is not None and found.media_type in INDEXES:
        return registry.manifest(image_of_index(found))
    return found


def _settle(registry: Registry, tag: str) -> Manifest:
    """Set a tag to an image in Docker's form, and verify it."""
    image = _image_of(registry, tag)
    if image is None:
        raise ServiceError(f"{registry.host} has no {tag} after it was pushed; run it again")
    manifest = to_schema_2(image)
    if (there := registry.manifest(tag)) is None or there.digest != manifest.digest:
        registry.put(tag, manifest)
        there = registry.manifest(tag)
    if there is None or there.digest != manifest.digest or there.media_type != SCHEMA_2:
        raise ServiceError(f"{registry.host} does not keep {tag} as {SCHEMA_2}, which SageMaker needs; run it again")
    config = registry.config(manifest)
    if (platform := f"{config.get('os')}/{config.get('architecture')}") != "linux/amd64":
        raise ServiceError(f"{tag} was pushed as a {platform} image, and SageMaker runs linux/amd64")
    return manifest


def _is(image: BuiltImage, config: Mapping[str, Any]) -> bool:
    """Whether a configuration in the registry is the image's: the same layers and settings.

    A rebuild of the same inputs has another timestamp, and so another ID, but is the same image.
    """
    settings = config.get("config") or {}
    return list(image.layers) == (config.get("rootfs") or {}).get("diff_ids", []) and all(
        (settings.get(name) or None) == image.settings.get(name) for name in _SETTINGS
    )
