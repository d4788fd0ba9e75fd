"""An endpoint from its making to its end: SageMaker's and S3's API by moto, the real container behind it."""

import io
import json
import socket
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import numpy as np
import pytest
from PIL import Image
from sagemaker.async_inference import AsyncInferenceConfig
from sagemaker.deserializers import JSONDeserializer
from sagemaker.local import LocalSession
from sagemaker.serializers import IdentitySerializer

from slipway import Model, Predictor
from slipway.aws.connection import Aws
from slipway.aws.refusals import AwsError
from slipway.aws.session import aws_session
from slipway.errors import ArchiveError, EndpointError, RequestError
from slipway.hosting.multi_model import MultiModel
from slipway.hosting.rollout import shift_traffic
from slipway.inference.explanation import ExplainedPrediction
from slipway.inference.picture_bodies import bodies
from slipway.predict.picture_download import download_picture
from slipway.processes.serving import model_directory
from tests.images.registry import aws_api
from tests.serve.server_process import ServerProcess
from tests.slipway.inference_platform import FOREIGN, InferencePlatform, inference_platform
from tests.slipway.sagemaker_account import REGION, ROLE

CPU = "ml.c5.xlarge"
UNKNOWN = "ml.c7i.xlarge"
"""To moto."""
IMAGE = "slipway:serve"
COLOURS = ("red", "green", "blue")


@pytest.fixture(scope="module")
def platform(trained, tmp_path_factory) -> Iterator[InferencePlatform]:
    with model_directory(trained.archive) as base:
        server = ServerProcess(base, tmp_path_factory.mktemp("server"))
        try:
            server.await_ready()
            with inference_platform(server.port, "dogs", "later") as found:
                yield found
        finally:
            server.kill()


@pytest.fixture(scope="module")
def credentials(platform, tmp_path_factory) -> Iterator[dict[str, str]]:
    """An account with a bucket; moto's."""
    empty = tmp_path_factory.mktemp("no-settings")
    with aws_api() as address, pytest.MonkeyPatch.context() as patch:
        found = {
            "AWS_ENDPOINT_URL": address,
            "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": platform.url,
            "AWS_ACCESS_KEY_ID": "unused",
            "AWS_SECRET_ACCESS_KEY": "unused",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": str(empty / "none"),
            "XDG_CONFIG_HOME": str(empty),
        }
        for name, value in found.items():
            patch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket="dogs", CreateBucketConfiguration={"LocationConstraint": REGION})
        yield found


@pytest.fixture(scope="module")
def session(credentials):
    return aws_session(Aws(REGION, None))


@pytest.fixture
def predictor(session) -> Predictor:
    return Predictor("dogs", session)


@pytest.fixture(scope="module")
def pictures(colours) -> list[Path]:
    return [colours / "test" / label / "0.png" for label in COLOURS]


def labels(answers) -> tuple[str, ...]:
    return tuple(answer[0].label for answer in answers)


@pytest.mark.parametrize(
    "form",
    [
        lambda path: path,
        str,
        Path.read_bytes,
        Image.open,
        lambda path: Image.open(path).convert("CMYK"),
        lambda path: np.asarray(Image.open(path)),
    ],
    ids=["path", "text", "bytes", "pillow", "pillow of a mode that PNG lacks", "array"],
)
def test_a_picture_in_any_form_gives_its_classes(predictor, pictures, form):
    for path, label in zip(pictures, COLOURS, strict=True):
        first, *others = predictor.predict(form(path))
        assert first.label == label
        assert len(others) == 2
        assert first.probability > others[0].probability


def test_several_pictures_give_a_list_for_each(predictor, pictures):
    red, green, blue = pictures
    mixed = [red, Image.open(green), np.asarray(Image.open(blue))]
    assert labels(predictor.predict(mixed)) == COLOURS
    assert labels(predictor.predict(np.stack([np.asarray(Image.open(path)) for path in pictures]))) == COLOURS
    assert labels(predictor.predict([red])) == ("red",)
    assert predictor.predict([]) == []


def test_many_pictures_are_cut_into_requests_that_fit(pictures):
    array = np.stack([np.asarray(Image.open(path)) for path in pictures] * 3)
    for given in (array, list(array), pictures * 3):
        cut = list(bodies(given, 20_000))
        assert len(cut) > 1
        assert all(len(body.content) <= 20_000 for body in cut)
        assert all(body.many for body in cut)
    assert len(list(bodies(array))) == 1


def test_an_explanation_is_a_heat_map_beside_the_answer(predictor, pictures, tmp_path):
    answer = predictor.predict(pictures[0], explain=True)
    assert isinstance(answer, ExplainedPrediction)
    assert answer.predictions[0].label == answer.explanation.label == "red"
    written = answer.explanation.save(tmp_path / "red.png")
    assert Image.open(written).size == (answer.explanation.width, answer.explanation.height)
    several = predictor.predict(pictures, explain=True)
    assert tuple(answer.explanation.label for answer in several) == COLOURS
    with pytest.raises(RequestError, match="cannot be written: No such file or directory"):
        answer.explanation.save(tmp_path / "nowhere" / "red.png")


def test_what_is_no_picture_is_said_before_it_is_sent(predictor, tmp_path, platform):
    before = len(platform.seen)
    for given, message in (
        (tmp_path / "none.png", "none.png cannot be read: No such file or directory"),
        (np.zeros((8, 8, 3), np.float32), "the array is of float32; give uint8"),
        (np.zeros((8, 8), np.uint8), r"the array has shape \(8, 8\)"),
        ([np.zeros((2, 8, 8, 3), np.uint8)], r"an array in a list has shape \(2, 8, 8, 3\)"),
        (7, "a int is not a picture"),
        (bytes(26_214_401), "the picture has 26,214,401 bytes, and an endpoint takes 26,214,400 at most"),
    ):
        with pytest.raises(RequestError, match=message):
            predictor.predict(given)
    assert len(platform.seen) == before


def test_the_containers_own_message_is_the_error(predictor):
    with pytest.raises(RequestError) as caught:
        predictor.predict(b"no picture")
    assert str(caught.value).startswith("the endpoint dogs refused it (422): ")
    assert "{" not in str(caught.value)


def test_the_error_of_another_container_points_at_its_log(session, pictures):
    with pytest.raises(RequestError, match=r"refused it \(500\): Received server error .* Its log: https://"):
        Predictor(FOREIGN, session).predict(pictures[0])


def test_answers_of_another_form_are_errors(predictor, pictures):
    with pytest.raises(RequestError, match="answers with something other than JSON"):
        predictor.predict(pictures[0], initial_args={"Accept": "text/csv"})
    with pytest.raises(RequestError, match="the server's answer holds no predictions"):
        predictor.predict(pictures[0], initial_args={"Accept": "application/json;format=index"})
    with pytest.raises(RequestError, match="the answer holds no explanation"):
        predictor.predict(pictures[0], initial_args={"Accept": "application/json"}, explain=True)


def test_the_sdks_own_local_mode_answers_and_refuses_likewise(platform, pictures):
    session = LocalSession(boto3.Session(region_name=REGION))
    session.config = {"local": {"serving_port": platform.container_port}}
    here = Predictor("any", session)
    assert here.predict(pictures[0])[0].label == "red"
    with pytest.raises(RequestError, match=r"the container refused it \(422\): "):
        here.predict(b"no picture")


def test_an_endpoint_that_is_not_there(session, pictures):
    with pytest.raises(EndpointError, match=f"there is no endpoint cats in {REGION}"):
        Predictor("cats", session).predict(pictures[0])


def test_further_arguments_reach_the_platform(predictor, pictures, platform):
    predictor.predict(
        pictures[0], target_model="a.tar.gz", target_variant="new", inference_id="7", custom_attributes="a=b"
    )
    seen = platform.seen[-1]
    assert seen["x-amzn-sagemaker-target-model"] == "a.tar.gz"
    assert seen["x-amzn-sagemaker-target-variant"] == "new"
    assert seen["x-amzn-sagemaker-inference-id"] == "7"
    assert seen["x-amzn-sagemaker-custom-attributes"] == "a=b"


def test_with_a_serializer_it_is_the_sdks_predictor(session, pictures):
    plain = Predictor("dogs", session, serializer=IdentitySerializer("image/png"), deserializer=JSONDeserializer())
    assert plain.predict(pictures[0].read_bytes())["predictions"][0]["label"] == "red"
    own = Predictor("dogs", session).predict(pictures[0].read_bytes(), initial_args={"ContentType": "image/png"})
    assert own["predictions"][0]["label"] == "red"


def test_an_endpoint_lives_and_is_deleted_with_all_that_belongs_to_it(session, trained, pictures):
    made = Model.from_directory(trained.archive, role=ROLE, image_uri=IMAGE, bucket="dogs", sagemaker_session=session)
    shown: list[str] = []
    predictor = made.deploy(instance_type=CPU, endpoint_name="dogs", show=shown.append)
    assert "endpoints/dogs" in shown[0]
    assert "InService" in shown[-1]
    assert predictor.predict(pictures[0])[0].label == "red"
    with pytest.raises(EndpointError, match="there is an endpoint dogs already"):
        made.deploy(instance_type=CPU, endpoint_name="dogs")
    shift_traffic(session, "dogs", {"AllTraffic": 2})
    assert predictor.delete() == ["endpoint dogs", "endpoint configuration dogs", f"model {made.name}"]
    client = session.sagemaker_client
    assert not client.list_endpoints()["Endpoints"]
    assert not client.list_endpoint_configs()["EndpointConfigs"]
    assert not client.list_models()["Models"]
    with pytest.raises(EndpointError, match="there is no endpoint dogs"):
        predictor.delete()


def test_a_model_that_is_not_in_s3_is_said_before_anything_is_made(session):
    missing = Model("s3://dogs/none/model.tar.gz", ROLE, IMAGE, sagemaker_session=session)
    with pytest.raises(ArchiveError, match=r"there is no model at s3://dogs/none/model\.tar\.gz"):
        missing.deploy(instance_type=CPU)
    empty = MultiModel("s3://dogs/none", ROLE, IMAGE, sagemaker_session=session)
    with pytest.raises(ArchiveError, match="there is no model below s3://dogs/none"):
        empty.deploy(instance_type=CPU)
    assert not session.sagemaker_client.list_models()["Models"]


def test_what_was_made_goes_again_when_the_endpoint_is_refused(session):
    boto3.client("s3").put_object(Bucket="dogs", Key="any/model.tar.gz", Body=b"")
    made = Model("s3://dogs/any/model.tar.gz", ROLE, IMAGE, sagemaker_session=session)
    with pytest.raises(AwsError, match=UNKNOWN):
        made.deploy(instance_type=UNKNOWN, endpoint_name="new")
    assert not session.sagemaker_client.list_models()["Models"]
    assert not session.sagemaker_client.list_endpoint_configs()["EndpointConfigs"]


def test_an_asynchronous_endpoint_answers_in_s3(session, pictures, tmp_path):
    boto3.client("s3").put_object(Bucket="dogs", Key="any/model.tar.gz", Body=b"")
    made = Model("s3://dogs/any/model.tar.gz", ROLE, IMAGE, sagemaker_session=session)
    predictor = made.deploy(
        instance_type=CPU,
        endpoint_name="later",
        async_inference_config=AsyncInferenceConfig(),
        show=lambda line: None,
    )
    pending = predictor.predict_async(pictures[0])
    assert pending.done()
    assert pending.result(timeout_s=60)[0].label == "red"
    assert labels(predictor.predict_async(pictures).result()) == COLOURS
    assert predictor.predict_async(pictures[1], explain=True).result().explanation.label == "green"
    refused = predictor.predict_async(b"no picture", input_path="s3://dogs/inputs/7", inference_id="7")
    with pytest.raises(RequestError, match="the endpoint refused it: "):
        refused.result()
    boto3.client("s3").put_object(Bucket="dogs", Key="killed.out", Body=b"Model invocation\ntimed out")
    pending.output, pending.failure = "s3://dogs/none", "s3://dogs/killed.out"
    with pytest.raises(RequestError, match="the endpoint refused it: Model invocation timed out"):
        pending.result()
    pending.failure = None
    assert not pending.done()
    with pytest.raises(RequestError, match="there is no answer at s3://dogs/none after 0 s"):
        pending.result(timeout_s=0)
    with pytest.raises(RequestError, match="there are no pictures"):
        predictor.predict_async([])
    predictor.delete()


def test_only_an_asynchronous_endpoint_answers_later(session, pictures):
    made = Model("s3://dogs/any/model.tar.gz", ROLE, IMAGE, sagemaker_session=session)
    boto3.client("s3").put_object(Bucket="dogs", Key="any/model.tar.gz", Body=b"")
    predictor = made.deploy(instance_type=CPU, endpoint_name="dogs", show=lambda line: None)
    with pytest.raises(EndpointError, match="the endpoint dogs is not asynchronous"):
        predictor.predict_async(pictures[0])
    predictor.delete()


def test_models_are_brought_below_the_prefix_of_a_multi_model_endpoint(session, trained):
    many = MultiModel("s3://dogs/breeds", ROLE, IMAGE, sagemaker_session=session)
    assert many.add_model(trained.archive, "poodles") == "poodles.tar.gz"
    assert many.add_model("s3://dogs/breeds/poodles.tar.gz", "terriers.tar.gz") == "terriers.tar.gz"
    boto3.client("s3").put_object(Bucket="dogs", Key="breeds-of-cats/persian.tar.gz", Body=b"")
    assert sorted(many.list_models()) == ["poodles.tar.gz", "terriers.tar.gz"]
    with pytest.raises(ArchiveError, match="there is no file nowhere"):
        many.add_model("nowhere")


def test_the_command_asks_an_endpoint_and_writes_heat_maps(credentials, slipway_here, pictures, tmp_path):
    done = slipway_here("predict", "--endpoint", "dogs", *pictures[:2], pictures[0], "--explain", tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["predictions"][0]["label"] for answer in answers] == ["red", "green", "red"]
    written = [answer["heat_map"] for answer in answers]
    assert len(set(written)) == 3
    assert all(Image.open(io.BytesIO(Path(path).read_bytes())).format == "PNG" for path in written)


def test_the_command_takes_folders_and_the_standard_input(credentials, slipway_here, colours, monkeypatch):
    done = slipway_here("predict", "--endpoint", "dogs", colours / "test", "--json")
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [Path(answer["image"]).parent.name for answer in answers] == [
        answer["predictions"][0]["label"] for answer in answers
    ]
    assert [answer["image"] for answer in answers] == sorted(map(str, (colours / "test").rglob("*.png")))
    picture = (colours / "test" / "green" / "0.png").read_bytes()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(picture)))
    done = slipway_here("predict", "--endpoint", "dogs", "-", "--json")
    assert json.loads(done.stdout)["predictions"][0]["label"] == "green"


@pytest.fixture
def web(colours) -> Iterator[str]:
    """The address of a web server with the pictures of the colours."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(colours))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_the_command_takes_addresses_of_pictures(credentials, slipway_here, web, tmp_path):
    pictures = [f"{web}/test/{name}" for name in ("green/0.png", "green/none.png", "", "red/0.png")]
    done = slipway_here("predict", "--endpoint", "dogs", *pictures, "--json", "--explain", tmp_path)
    assert done.returncode == 1
    green, none, page, red = map(json.loads, done.stdout.splitlines())
    assert (green["image"], green["predictions"][0]["label"]) == (pictures[0], "green")
    assert Path(green["heat_map"]) == tmp_path / "0.png"
    assert none["error"] == "it cannot be downloaded: the server answers 404 File not found"
    assert page["error"].startswith("there is a web page at the address")
    assert red["predictions"][0]["label"] == "red"


def test_a_download_has_limits(web):
    with pytest.raises(RequestError, match=r"has more than 0[.]0 MB"):
        download_picture(f"{web}/test/green/0.png", most_bytes=100)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/0.png"
        with pytest.raises(RequestError, match=r"could not be downloaded within 0[.]1 s"):
            download_picture(address, timeout_s=0.1)
    with pytest.raises(RequestError, match=r"it cannot be downloaded: .*refused"):
        download_picture(address)


def test_a_folder_without_pictures_is_said(slipway_here, tmp_path):
    (tmp_path / "notes.txt").touch()
    done = slipway_here("predict", tmp_path)
    assert done.returncode == 1
    assert f"there is no picture below the folder {tmp_path}" in done.stderr


def test_the_command_says_once_that_there_is_no_such_endpoint(credentials, slipway_here, pictures):
    done = slipway_here("predict", "--endpoint", "cats", *pictures)
    assert done.returncode == 1
    assert done.stderr.count("there is no endpoint cats") == 1
    assert "Traceback" not in done.stderr


def test_a_server_of_this_machine_explains_too(platform, slipway, pictures, tmp_path):
    done = slipway(
        "predict", pictures[0], "--url", f"http://127.0.0.1:{platform.container_port}", "--explain", tmp_path / "maps"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].strip() == f"heat map: {tmp_path / 'maps' / '0.png'}"
    assert Image.open(tmp_path / "maps" / "0.png").format == "PNG"


def test_wrong_usage_of_the_command(slipway_here, pictures, tmp_path):
    done = slipway_here("predict", pictures[0], "--target-model", "a.tar.gz")
    assert done.returncode == 2
    assert "add --endpoint" in done.stderr
    (tmp_path / "file").touch()
    done = slipway_here("predict", pictures[0], "--explain", tmp_path / "file" / "maps")
    assert "cannot be made for the heat maps" in done.stderr
