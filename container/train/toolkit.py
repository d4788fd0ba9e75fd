"""What the sagemaker-training toolkit calls: it runs our program, or the user's script.

`SAGEMAKER_TRAINING_MODULE=container.train.toolkit:main` names it; the launcher sets that.
"""

import os
import sys
from pathlib import Path

from sagemaker_training import entry_point, environment, errors, process

from container import gpu
from container.errors import DriverError
from container.train.failure import EXIT_CODE_FILE

_PROGRAM = "container.train.program"
_SMDEBUG = Path(__file__).parent / "debugger" / "api"


def main() -> None:
    """Run what the job asks for, to its end.

    Raises:
        sagemaker_training.errors.ClientError: It failed; the toolkit reports it.
    """
    job = environment.Environment()
    record = os.environ.get(EXIT_CODE_FILE)
    try:
        if job.user_entry_point:
            _run_script(job)
        else:
            environment.write_env_vars(job.to_env_vars())
            command = [sys.executable, "-m", _PROGRAM]
            process.check_error(command, [], 1, cwd=str(environment.base_dir), capture_error=False)
    except errors.ClientError as error:
        code = getattr(error, "return_code", None)
        if record and code:
            Path(record).write_text(code)
        raise
    if record:
        Path(record).write_text("0")


def _run_script(job: environment.Environment) -> None:
    """Script mode: download or copy the user's source and run its entry point with the SM_* environment."""
    if len(job.hosts) == 1:
        # The toolkit waits up to 15 minutes for its hosts' names to resolve. One host alone is here already;
        # this is the toolkit's own switch.
        os.environ["SM_STUDIO_LOCAL_MODE"] = "true"
    source = os.environ.get("SAGEMAKER_SUBMIT_DIRECTORY")
    if not source or job.module_dir != environment.code_dir:  # the hyperparameter, where there is one
        source = job.module_dir
    sys.stdout.write(f"GPU: {_gpus()}\n")
    sys.stdout.flush()
    # For scripts that import smdebug: the toolkit makes their PYTHONPATH of its own path.
    sys.path.insert(0, str(_SMDEBUG))
    entry_point.run(source, job.user_entry_point, job.to_cmd_args(), job.to_env_vars())


def _gpus() -> str:
    """What the script will find. A driver that does not fit is only said: the script may need no GPU."""
    try:
        return gpu.look(off_by="" if gpu.is_wanted() else gpu.SWITCH).text
    except DriverError as error:
        return str(error)
