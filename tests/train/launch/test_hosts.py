"""Which hosts a job has, and waiting for the first one's name."""

import json
import logging
from pathlib import Path

import pytest

from container.contract.errors import HostsError
from container.train.launch.hosts import Hosts, Rank, await_name, read_hosts
from container.train.launch.stopping import Interrupted, Stop


def write(directory: Path, fields: object) -> Path:
    (directory / "resourceconfig.json").write_text(json.dumps(fields))
    return directory


def test_hosts_are_counted_alike_everywhere(tmp_path: Path):
    fields = {"current_host": "algo-2", "hosts": ["algo-2", "algo-1"], "network_interface_name": "lo"}
    hosts = read_hosts(write(tmp_path, fields))
    assert hosts == Hosts(names=("algo-1", "algo-2"), current="algo-2", interface="lo")
    assert (hosts.index, hosts.others) == (1, ["algo-1"])


def test_a_network_interface_that_is_not_there_is_not_used(tmp_path: Path):
    fields = {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "eth99"}
    assert read_hosts(write(tmp_path, fields)).interface is None
    assert read_hosts(write(tmp_path, {"current_host": "algo-1", "hosts": ["algo-1"]})).interface is None


def test_a_job_without_a_description_of_its_hosts_has_one(tmp_path: Path):
    assert read_hosts(tmp_path).names == ("localhost",)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ([], "does not name the job's hosts: TypeError"),
        ({"hosts": ["algo-1"]}, "does not name the job's hosts: KeyError: 'current_host'"),
        (
            {"current_host": "algo-3", "hosts": ["algo-1", "algo-2"]},
            "says that this host is algo-3, which is not among its hosts: algo-1, algo-2",
        ),
    ],
)
def test_a_description_that_cannot_be_used_is_named(tmp_path: Path, fields: object, message: str):
    with pytest.raises(HostsError) as caught:
        read_hosts(write(tmp_path, fields))
    assert str(caught.value).startswith(str(tmp_path / "resourceconfig.json"))
    assert message in str(caught.value)


def test_a_process_knows_its_place_from_torchrun():
    said = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}
    assert Rank.from_environment(said) is None, "another launcher's variables"
    place = Rank.from_environment({**said, "TORCHELASTIC_RUN_ID": "job"})
    assert place == Rank(rank=3, size=4, local_rank=1, local_size=2)


class LateName:
    """A resolver and a clock: a name that has an address after some seconds."""

    def __init__(self, after_s: float) -> None:
        self.after_s = after_s
        self.now_s = 0.0

    def resolve(self, name: str, _port: None) -> None:
        if self.now_s < self.after_s:
            raise OSError(f"{name}: Name or service not known")

    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    def await_it(self, stop: Stop | None = None) -> None:
        await_name("algo-1", stop or Stop(), resolve=self.resolve, clock=lambda: self.now_s, wait=self.wait)


def test_a_host_that_comes_late_is_waited_for_with_a_line_a_minute(caplog: pytest.LogCaptureFixture):
    late = LateName(after_s=150)
    with caplog.at_level(logging.INFO):
        late.await_it()
    assert late.now_s == 150
    assert [record.message for record in caplog.records] == [
        f"waiting for algo-1, whose name has no address yet ({minutes} minutes so far)" for minutes in range(3)
    ]


def test_a_host_that_never_comes_is_given_up_after_a_quarter_of_an_hour():
    late = LateName(after_s=1e9)
    with pytest.raises(HostsError, match=r"algo-1, has had no address for 15 minutes \(algo-1: Name or service"):
        late.await_it()
    assert late.now_s == 900


def test_a_job_can_be_stopped_while_it_waits():
    stop = Stop()
    stop.requested = True
    with pytest.raises(Interrupted):
        LateName(after_s=10).await_it(stop)


def test_a_name_that_is_there_is_not_waited_for():
    await_name("localhost", Stop())
