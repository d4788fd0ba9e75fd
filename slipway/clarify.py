"""SageMaker Clarify's explanations of pictures: the configuration for the serving image, and the processing job.

Clarify masks parts of each picture, asks an endpoint for the scores of many such copies, and computes by Kernel SHAP
what each part adds to a class's score. AWS has closed it to new customers. docs/explaining.md has the requests that it
makes, and when Grad-CAM will do.
"""

import json
import tarfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from slipway.aws.console_address import console_address
from slipway.aws.refusals import explained
from slipway.aws.tags import Tags, with_own_tag
from slipway.errors import ArchiveError, RemoteJobError, SettingError
from slipway.installed_sdk import require_sdk

require_sdk("sdk2", __name__)

from sagemaker.clarify import (  # noqa: E402 - only once it is known to be there
    DataConfig,
    ImageConfig,
    ModelConfig,
    ModelPredictedLabelConfig,
    SageMakerClarifyProcessor,
    SHAPConfig,
)
from sagemaker.exceptions import UnexpectedStatusException  # noqa: E402
from sagemaker.session import Session  # noqa: E402

CARD = "model.json"

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
    """A Clarify analysis as the SDK's configuration objects, each of which may be replaced."""

    data: DataConfig
    model: ModelConfig
    scores: ModelPredictedLabelConfig
    shap: SHAPConfig

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
        return cls(
            data=DataConfig(s3_data_input_path=data, s3_output_path=output, dataset_type="application/x-image"),
            model=ModelConfig(
                model_name=model_name,
                instance_type=instance_type if model_name else None,
                instance_count=instance_count if model_name else None,
                endpoint_name=endpoint_name,
                content_type=content_type,
                accept_type="application/json",
                custom_attributes=SCORES,
            ),
            scores=ModelPredictedLabelConfig(label_headers=list(classes)),
            shap=SHAPConfig(
                num_samples=samples,
                image_config=ImageConfig(
                    model_type="IMAGE_CLASSIFICATION", num_segments=segments, segment_compactness=segment_compactness
                ),
            ),
        )

    def run(
        self,
        *,
        role: str,
        instance_type: str,
        sagemaker_session: Session,
        instance_count: int = 1,
        tags: Tags = None,
        wait: bool = True,
        logs: bool = True,
        job_name: str | None = None,
        **processor_arguments: Any,
    ) -> str:
        """Start the processing job, which writes to the output folder.

        Args:
            role: Execution role of the job.
            instance_type: Instance type of the job itself, such as ml.m5.xlarge; the endpoint has its own.
            sagemaker_session: See `slipway.aws.session`.
            instance_count: Instances of the job, which share the pictures.
            tags: Tags in addition to Slipway's.
            wait: Wait until the job has ended; ignored in a dry run.
            logs: Show the job's log while waiting.
            job_name: Name of the job; None: Clarify-Explainability and the time.
            processor_arguments: Arguments of SageMakerClarifyProcessor, such as max_runtime_in_seconds.

        Returns:
            The job's name.

        Raises:
            ServiceError: AWS refuses.
            RemoteJobError: The job failed; the message has its reason, and where to look.
        """
        with explained("starting the Clarify job"):
            processor = SageMakerClarifyProcessor(
                role=role,
                instance_type=instance_type,
                instance_count=instance_count,
                sagemaker_session=sagemaker_session,
                tags=with_own_tag(tags),
                **processor_arguments,
            )
            try:
                processor.run_explainability(
                    data_config=self.data,
                    model_config=self.model,
                    model_scores=self.scores,
                    explainability_config=self.shap,
                    wait=wait,
                    logs=logs and wait,
                    job_name=job_name,
                )
            except KeyboardInterrupt:
                job = processor.latest_job.job_name if processor.latest_job else job_name
                raise RemoteJobError(
                    f"stopped waiting; the processing job {job} still runs and costs money, and so does the endpoint "
                    f"that it has made: aws sagemaker stop-processing-job --processing-job-name {job} ends both"
                ) from None
            except UnexpectedStatusException as error:
                page = console_address(
                    "processing job", processor.latest_job.job_name, sagemaker_session.boto_region_name
                )
                raise RemoteJobError(f"the Clarify job did not complete: {error}; more at {page}") from error
        name: str = processor.latest_job.job_name
        return name
