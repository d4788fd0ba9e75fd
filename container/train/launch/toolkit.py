"""The training module that the sagemaker-training toolkit calls: runs our program, or the user's script.

The launcher sets `SAGEMAKER_TRAINING_MODULE=container.train.launch.toolkit:main`.
"""

import os
import sys
from pathlib import Path

from sagemaker_training import _entry_point_type, entry_point, environment, errors, logging_config, process, runner

from container import gpu
from container.contract.errors import DriverError, UserError
from container.contract.paths import MlPaths
from container.train.launch.failure import EXIT_CODE_FILE
from container.train.launch.hosts import Hosts, find_interface
from container.train.launch.script_runner import Runner, choose_runner
from container.train.launch.stopping import Stop

_PROGRAM = "container.train.program"
# The port in SageMaker's own containers for scripts that connect their hosts themselves.
_MASTER_PORT = "7777"
_SMDEBUG = Path(__file__).parents[1] / "debugger" / "api"


def main() -> None:
    """Run our program, or the job's script, to its end.

    Raises:
        sagemaker_training.errors.ClientError: It failed; the toolkit reports it.
    """
    job = environment.Environment()
    record = os.environ.get(EXIT_CODE_FILE)
    try:
        if job.user_entry_point:
            try:
                _run_script(job)
            except UserError as error:
                raise errors.ClientError(str(error)) from error
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
    """Script mode: download or copy the user's source and run its entry point with the SM_* environment.

    Raises:
        UserError: The job asks for something that this image does not have.
    """
    chosen = choose_runner(job.additional_framework_parameters, job.hyperparameters)
    if job.current_host not in job.distribution_hosts:  # in an instance group that is not distributed
        chosen = Runner.PLAIN
    if len(job.hosts) == 1:
        # The toolkit waits up to 15 minutes for the hosts' names to resolve, which a single host need not;
        # this is the toolkit's own switch.
        os.environ["SM_STUDIO_LOCAL_MODE"] = "true"
    source = os.environ.get("SAGEMAKER_SUBMIT_DIRECTORY")
    if not source or job.module_dir != environment.code_dir:  # the hyperparameter, if there is one
        source = job.module_dir
    sys.stdout.write(f"GPU: {_gpus()}\n")
    sys.stdout.flush()
    # For scripts that import smdebug: the toolkit builds their PYTHONPATH from its sys.path.
    sys.path.insert(0, str(_SMDEBUG))
    hosts = Hosts(
        names=tuple(job.distribution_hosts if chosen is not Runner.PLAIN else job.hosts),
        current=job.current_host,
        interface=find_interface(job.network_interface_name),
    )
    how = runner.MPIRunnerType if chosen is Runner.MPI else runner.ProcessRunnerType
    if chosen is Runner.TORCHRUN:
        how = _Torchrun(job, hosts)
    elif chosen is Runner.PLAIN:
        os.environ.setdefault("MASTER_ADDR", hosts.names[0] if hosts.others else "127.0.0.1")
        os.environ.setdefault("MASTER_PORT", _MASTER_PORT)
        for name, value in hosts.network_variables.items():
            os.environ.setdefault(name, value)
    entry_point.run(source, job.user_entry_point, job.to_cmd_args(), job.to_env_vars(), runner_type=how)


class _Torchrun(process.ProcessRunner):  # type: ignore[misc]
    """Runs the script once for each GPU of this host, or once if it has none, connected to those of the other hosts.

    The toolkit's own torchrun runner would swallow progress bars, and bury the cause of a failure in its log.

    Raises:
        DriverError: There are GPUs that cannot be used.
    """

    def __init__(self, job: environment.Environment, hosts: Hosts) -> None:
        gpus = gpu.look(off_by="" if gpu.is_wanted() else gpu.SWITCH)
        super().__init__(job.user_entry_point, job.to_cmd_args(), job.to_env_vars(), max(1, gpus.count))
        self._hosts = hosts

    def run(self, wait: bool = True, capture_error: bool = False) -> None:
        """Run it to its end.

        Raises:
            sagemaker_training.errors.ClientError: It failed.
            UserError: The hosts do not find each other, or the entry point is not Python.
        """
        if _entry_point_type.get(environment.code_dir, self._user_entry_point) is _entry_point_type.COMMAND:
            raise errors.ClientError(
                f"the job asks for torch_distributed, which starts Python scripts, and {self._user_entry_point} is not "
                "one: name a .py file as the entry point, or omit distribution= and call torchrun in the script"
            )
        # Only now: torch takes seconds to import.
        from container.train.launch.torchrun import run_processes

        command = self._create_command()
        logging_config.log_script_invocation(command, self._env_vars)
        os.chdir(environment.code_dir)
        failure = MlPaths.from_environment().failure
        code = run_processes(self._hosts, self._processes_per_host, failure, Stop(), arguments=command[1:])
        if code:
            raise errors.ExecuteUserScriptError(cmd=" ".join(command), return_code=code)


def _gpus() -> str:
    """Describe the GPUs that the script will find. A driver too old is only reported: the script may need no GPU."""
    try:
        return gpu.look(off_by="" if gpu.is_wanted() else gpu.SWITCH).text
    except DriverError as error:
        return str(error)
