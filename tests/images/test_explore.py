"""A container of the training image explores its share of a data set, as an instance of a processing job does."""

import json
import os
from pathlib import Path

from container.explore.part import read_part
from slipway.explore.scan import scan
from tests.images.containers import Docker, Images
from tests.slipway.explore.scenes import scene_folder

PROGRAM = ("-m", "container.explore", "tf_efficientnet_lite0", "none")


def test_a_container_finds_in_its_share_what_one_machine_finds_there(docker: Docker, images: Images, tmp_path: Path):
    data = scene_folder(tmp_path / "dogs", per_class=6)
    base, hosts = tmp_path / "algo-2", ["algo-1", "algo-2"]
    (base / "config").mkdir(parents=True)
    (base / "config" / "resourceconfig.json").write_text(json.dumps({"current_host": "algo-2", "hosts": hosts}))
    share = sorted(path for path in data.rglob("*") if path.is_file())[1::2]
    for file in share:
        copy = base / "processing" / "input" / "data" / file.relative_to(data)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
    user, volume = f"--user={os.getuid()}:{os.getgid()}", f"--volume={base}:/opt/ml"
    ended = docker.run("--network=none", user, volume, "--entrypoint=python", images.train, *PROGRAM)
    assert ended.code == 0, ended.log
    part = read_part(base / "processing" / "output" / "algo-2")
    assert part.summary.hosts == hosts
    assert part.facts.keys() == {file.relative_to(data).as_posix() for file in share}
    expected = scan(data)
    for picture in expected.pictures:
        facts = part.facts.get(expected.relative(picture))
        if facts is not None:
            assert not isinstance(facts, str)
            assert (facts.pixel_digest, facts.outline) == (picture.pixel_digest, picture.outline)
