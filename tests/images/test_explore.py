"""Two containers of the training image explore a data set, each its share, as instances of a processing job do."""

import json
import os
from pathlib import Path

from container.explore.part import read_part
from slipway.explore.scan import scan
from tests.images.containers import Docker, Images
from tests.slipway.explore.scenes import scene_folder

PROGRAM = ("python", "-m", "container.explore", "tf_efficientnet_lite0", "none")


def test_two_containers_find_what_one_machine_finds(docker: Docker, images: Images, tmp_path: Path):
    data = scene_folder(tmp_path / "dogs", per_class=6)
    files = sorted(path for path in data.rglob("*") if path.is_file())
    hosts = ["algo-1", "algo-2"]
    merged = {}
    for number, host in enumerate(hosts):
        base = tmp_path / host
        (base / "config").mkdir(parents=True)
        (base / "config" / "resourceconfig.json").write_text(json.dumps({"current_host": host, "hosts": hosts}))
        for file in files[number::2]:
            copy = base / "processing" / "input" / "data" / file.relative_to(data)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
        user, volume = f"--user={os.getuid()}:{os.getgid()}", f"--volume={base}:/opt/ml"
        ended = docker.run("--network=none", user, volume, "--entrypoint=python", images.train, *PROGRAM[1:])
        assert ended.code == 0, ended.log
        part = read_part(base / "processing" / "output" / host)
        assert part.summary.hosts == hosts
        merged |= part.facts
    expected = scan(data)
    assert merged.keys() == {expected.relative(picture) for picture in expected.pictures}
    for picture in expected.pictures:
        facts = merged[expected.relative(picture)]
        assert not isinstance(facts, str)
        assert (facts.pixel_digest, facts.outline) == (picture.pixel_digest, picture.outline)
