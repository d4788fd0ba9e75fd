"""SageMaker Clarify's explanations of pictures: the configuration for the serving image, and the processing job.

Clarify masks parts of each picture, asks an endpoint for the scores of many such copies, and computes by Kernel SHAP
what each part adds to a class's score. AWS has closed it to new customers. docs/explaining.md has the requests that it
makes, and when Grad-CAM will do.
"""

import json
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from slipway.aws.processing_job import POLL_S, wait_for_processing_job
from slipway.aws.refusals import explained
from slipway.aws.s3_address import S3Address
from slipway.aws.session import AnySession, answered_here
from slipway.aws.tags import Tags, with_own_tag
from slipway.errors import ArchiveError, SettingError
from slipway.requests.clarify_image import clarify_image
from slipway.requests.names import new_name
from slipway.requests.processing_job import ProcessingJob

CARD = "model.json"
_ENDPOINT_TOO = "and so does the endpoint that it may have made: slipway stop {name} ends both"

SCORES = "format=scores"
"""Value of X-Amzn-SageMaker-Custom-Attributes that requests the scores of all classes, which Clarify reads."""

ContentType = Literal["image/jpeg", "image/png", "application/x-npy"]


def class_names(model: Path | str) -> list[str]:
    """Read a model's class names, in the order of its scores.

    Args:
        model: A model directory, or a model.tar.gz.

    Raises:
        ArchiveError: There is no model.json in it.
    """
    model = Path(model)
    try:
        if model.is_dir():
            text = (model / CARD).read_bytes()
        else:
            with tarfile.open(model) as archive:
                names = {name.removeprefix("./"): name for name in archive.getnames()}
                member = archive.extractfile(names[CARD])
                text = member.read() if member else b""
        return [str(name) for name in json.loads(text)["classes"]]
    except (OSError, EOFError, zlib.error, tarfile.TarError, KeyError, TypeError, ValueError) as error:
        raise ArchiveError(f"{model} has no {CARD} that names the classes; name them yourself: classes=[…]") from error


@dataclass(frozen=True, kw_only=True)
class ImageExplanation:
    """A Clarify analysis, which needs no SDK."""

    data: str
    """S3 address of the pictures."""
    output: str
    """S3 address of the folder for the heat maps and the report."""
    analysis: dict[str, Any]
    """The content of analysis_config.json, as the developer guide describes it; it may be changed before `run`."""

    @classmethod
    def of(
        cls,
        *,
        data: str,
        output: str,
        classes: Sequence[str],
        model_name: str | None = None,
        instance_type: str | None = None,
        instance_count: int = 1,
        endpoint_name: str | None = None,
        content_type: ContentType = "image/jpeg",
        segments: int = 20,
        segment_compactness: float = 5,
        samples: int | None = None,
    ) -> Self:
        """Build the configuration for a model or an endpoint that runs the serving image.

        Args:
            data: S3 address of the pictures (.jpg, .jpeg, .png), or of a folder of them.
            output: S3 address of a folder for the heat maps and the report.
            classes: Class names in the order of the scores: see `class_names`.
            model_name: A model on SageMaker; Clarify makes an endpoint of its own for it, and deletes it again.
            instance_type: That endpoint's instance type, such as ml.m5.xlarge.
            instance_count: That endpoint's number of instances.
            endpoint_name: An existing endpoint, instead of a model.
            content_type: How Clarify sends a picture. image/jpeg blurs the edges of what is masked; application/x-npy
                is exact, and the largest.
            segments: Approximate number of parts (superpixels) that each picture is cut into.
            segment_compactness: How square the parts are, on a logarithmic scale (0.01 to 100).
            samples: Masked copies per picture, each of them a request; None: Clarify's choice.

        Raises:
            SettingError: An address is not in S3, or there is not exactly one of model and endpoint.
        """
        for name, address in (("data", data), ("output", output)):
            if not address.startswith("s3://"):
                raise SettingError(
                    f"{name} is {address!r}; Clarify reads and writes S3 only, such as s3://my-dogs/{name}/"
                )
        if (model_name is None) == (endpoint_name is None):
            raise SettingError("name either a model (model_name) or an existing endpoint (endpoint_name)")
        if model_name and not instance_type:
            raise SettingError(
                f"for the model {model_name} Clarify starts an endpoint; name its instance_type, such as ml.m5.xlarge"
            )
        predictor: dict[str, Any] = {
            "model_name": model_name,
            "instance_type": instance_type if model_name else None,
            "initial_instance_count": instance_count if model_name else None,
            "endpoint_name": endpoint_name,
            "content_type": content_type,
            "accept_type": "application/json",
            "custom_attributes": SCORES,
            "label_headers": list(classes),
        }
        shap = {
            "use_logit": False,
            "save_local_shap_values": True,
            **({} if samples is None else {"num_samples": samples}),
            "image_config": {
                "model_type": "IMAGE_CLASSIFICATION",
                "num_segments": segments,
                "segment_compactness": segment_compactness,
            },
        }
        analysis = {
            "dataset_type": "application/x-image",
            "predictor": {name: value for name, value in predictor.items() if value is not None},
            "methods": {"report": {"name": "report", "title": "Analysis Report"}, "shap": shap},
        }
        return cls(data=data, output=output, analysis=analysis)

    def run(
        self,
        *,
        role: str,
        instance_type: str,
        sagemaker_session: AnySession,
        instance_count: int = 1,
        volume_size_in_gb: int = 30,
        max_runtime_in_seconds: int | None = None,
        kms_key: str | None = None,
        network: Mapping[str, Any] | None = None,
        tags: Tags = None,
        wait: bool = True,
        logs: bool = True,
        job_name: str | None = None,
        poll_s: float = POLL_S,
    ) -> str:
        """Start the processing job, which writes to the output folder.

        Args:
            role: Execution role of the job.
            instance_type: Instance type of the job itself, such as ml.m5.xlarge; the endpoint has its own.
            sagemaker_session: See `slipway.aws.session`; version 2's own sessions do as well.
            instance_count: Instances of the job, which share the pictures.
            volume_size_in_gb: Disk of each instance.
            max_runtime_in_seconds: Stop the job after this time; None: SageMaker's limit.
            kms_key: Key for the outputs and the instances' volumes.
            network: NetworkConfig in the form of AWS's API.
            tags: Tags in addition to Slipway's.
            wait: Wait until the job has ended; ignored in a dry run.
            logs: Show the job's log while waiting.
            job_name: Name of the job; None: slipway-clarify and the time.
            poll_s: Seconds between polls.

        Returns:
            The job's name.

        Raises:
            SettingError: The region has no Clarify.
            ServiceError: AWS refuses.
            RemoteJobError: The job failed, or the wait was interrupted; the message has what to do.
        """
        session, region = sagemaker_session, sagemaker_session.boto_region_name
        image = clarify_image(region)
        if image is None:
            raise SettingError(
                f"the region {region} has no SageMaker Clarify; Grad-CAM explains each answer without it"
            )
        name = job_name or new_name("slipway-clarify")
        place = S3Address.parse(self.output).below("analysis_config.json")
        job = ProcessingJob(
            name=name,
            role=role,
            image=image,
            instance_type=instance_type,
            instance_count=instance_count,
            volume_gb=volume_size_in_gb,
            inputs={"dataset": (self.data, "input/data"), "analysis_config": (str(place), "input/config")},
            outputs={"analysis_result": (self.output, "output")},
            tags=with_own_tag(tags),
            max_run=max_runtime_in_seconds,
            kms_key=kms_key,
            volume_key=kms_key,
            network=network,
        )
        with explained("starting the Clarify job"):
            body = json.dumps(self.analysis, indent=2).encode()
            session.boto_session.client("s3").put_object(Bucket=place.bucket, Key=place.key, Body=body)
            session.sagemaker_client.create_processing_job(**job.request())
        if wait and not answered_here(session, "DescribeProcessingJob"):
            wait_for_processing_job(
                session, name, "Clarify", show=print if logs else None, poll_s=poll_s, also=_ENDPOINT_TOO
            )
        return name
