"""Script mode: a training script of the user's, packed and uploaded for the image to run."""

import io
import json
import logging
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slipway.aws.refusals import explained
from slipway.aws.s3_address import S3Address
from slipway.aws.session import AnySession
from slipway.errors import SettingError

SCRIPT_ARGUMENTS = ("entry_point", "source_dir", "dependencies", "code_location", "container_log_level")
_ARCHIVE = "sourcedir.tar.gz"
_CHANNEL = "code"


@dataclass(frozen=True, kw_only=True)
class Script:
    """The arguments of `Estimator` for script mode; without an entry point there is no script.

    Args:
        entry_point: The script, relative to source_dir if that is given.
        source_dir: Folder with the script and what it imports, or the S3 address of its archive.
        dependencies: Further files and folders to put beside them.
        code_location: S3 prefix for the archive; None: the bucket of the outputs.
        container_log_level: Level of sagemaker-training's own log.
    """

    entry_point: str | None = None
    source_dir: str | None = None
    dependencies: Sequence[str] | None = None
    code_location: str | None = None
    container_log_level: int = logging.INFO

    @property
    def given(self) -> bool:
        """Whether there is a script."""
        return bool(self.entry_point or self.source_dir)

    def stage(
        self, session: AnySession, job: str, output_path: str, kms_key: str | None, *, isolated: bool
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Upload the script.

        Args:
            session: Credentials and region.
            job: Name of the job.
            output_path: The job's output path, whose bucket takes the archive.
            kms_key: KMS key for the archive.
            isolated: Whether the container has no network: then the archive is a channel.

        Returns:
            The hyperparameters by which sagemaker-training finds the script, and the addresses of further channels.

        Raises:
            SettingError: A file or a folder does not exist.
            ServiceError: AWS refuses the upload.
        """
        if session.local_mode:
            isolated, program, address = True, *self._kept_here()
        else:
            program, address = self._upload(session, job, output_path, kms_key)
        place = f"/opt/ml/input/data/{_CHANNEL}/{_ARCHIVE}" if isolated else address
        values: dict[str, Any] = {
            "sagemaker_submit_directory": place,
            "sagemaker_program": program,
            "sagemaker_container_log_level": self.container_log_level,
            "sagemaker_job_name": job,
            "sagemaker_region": session.boto_region_name,
        }
        encoded = {name: json.dumps(value) for name, value in values.items()}
        return encoded, {_CHANNEL: address} if isolated else {}

    def _kept_here(self) -> tuple[str, str]:
        folder = Path(tempfile.mkdtemp(prefix="slipway-code-"))
        (folder / _ARCHIVE).write_bytes(self._packed())
        return self._program(), folder.as_uri()

    def _program(self) -> str:
        script = self.entry_point or ""
        return script if self.source_dir else Path(script).name

    def _upload(self, session: AnySession, job: str, output_path: str, kms_key: str | None) -> tuple[str, str]:
        if not self.entry_point:
            raise SettingError("source_dir is given without entry_point; name the script to run in it")
        if self.source_dir and self.source_dir.lower().startswith("s3://"):
            return self.entry_point, self.source_dir
        place = S3Address.parse(self.code_location or f"s3://{S3Address.parse(output_path).bucket}")
        place = place.below(f"{job}/source/{_ARCHIVE}")
        key = {"SSEKMSKeyId": kms_key} if kms_key and place.bucket == S3Address.parse(output_path).bucket else {}
        body = io.BytesIO(self._packed())
        with explained(f"uploading {self.entry_point} to {place}"):
            session.boto_session.client("s3").upload_fileobj(
                body, place.bucket, place.key, ExtraArgs={"ServerSideEncryption": "aws:kms", **key}
            )
        return self._program(), str(place)

    def _packed(self) -> bytes:
        script = Path(self.source_dir or "", self.entry_point or "")
        if not script.is_file():
            raise SettingError(f"entry_point is {self.entry_point}, and there is no file {script}")
        files = sorted(Path(self.source_dir).iterdir()) if self.source_dir else [script]
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w:gz") as archive:
            for path in [*files, *map(Path, self.dependencies or ())]:
                if not path.exists():
                    raise SettingError(f"dependencies names {path}, which does not exist")
                archive.add(path, path.name)
        return file.getvalue()
