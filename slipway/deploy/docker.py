"""`slipway deploy --instance-type local`: serves a model in the image, in Docker on this machine."""

import sys

from slipway.deploy.options import DeployOptions
from slipway.options.exit_codes import ExitCode
from slipway.options.local_mode import NOT_LOCALLY, aws_of, named_now, refuse_given, serving_definition
from slipway.options.result import Result
from slipway.terminal.console import say

_NOT_FOR_SERVING = (*NOT_LOCALLY, "serverless", "asynchronous", "autoscale", "capture", "update", "network_isolation")


def serve_in_docker(
    model: str, options: DeployOptions, region: str | None, profile: str | None, answer: Result
) -> None:
    """Serve a model until Ctrl-C.

    Raises:
        UserError: As `slipway.local.serve`, or an option is not for local mode.
    """
    from slipway.local import serve

    refuse_given((*_NOT_FOR_SERVING, "instance_count"), "is one container that serves until Ctrl-C")
    gpu, aws = options.instance_type == "local_gpu", aws_of(region, profile, model)
    definition = serving_definition(options.name or named_now("slipway"), model, options.image)
    try:
        with serve(definition, port=options.port, gpu=gpu, show=say, aws=aws) as endpoint:
            say(f"Serving {model} in Docker at {endpoint.url}; Ctrl-C stops it")
            answer.add(model=model, url=endpoint.url)
            answer.next(f"slipway predict PICTURE --url {endpoint.url}", purpose="Next, in another terminal")
            answer.print()
            try:
                endpoint.wait()
            except KeyboardInterrupt:
                say("Stopping")
    except KeyboardInterrupt:
        say("Stopped before it served")
        sys.exit(ExitCode.INTERRUPTED)
