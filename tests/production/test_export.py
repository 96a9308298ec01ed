"""Tests of exports: their content, and that they are written atomically."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core import load_component
from hyperspace_core.errors import HyperspaceError, NotFound, Refused, UsageError
from hyperspace_core.production.export import plan_export, write_export
from hyperspace_core.records.run import Update
from hyperspace_core.study import Study
from pytest_hyperspace.project import ProjectFolder
from pytest_hyperspace.stores.harness import COMPLETED, Harness
from support.studio import CONFIG


def manifest(folder: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder / "hyperspace.json").read_text(encoding="utf-8"))
    return read


def files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def keep(study: Study, run: int, name: str, content: bytes = b"x") -> None:
    """Store an artifact with any name, as another program might."""
    source = Path(study.store.url.partition(":///")[2]).with_name("content")
    source.write_bytes(content)
    study.store.put_artifact(run, 1, name, source)


def test_an_export_has_config_result_and_files(study: Study, model: Path, run: int) -> None:
    found, record = manifest(model), study.get(run)

    assert files_in(model) == [
        "artifacts/plots/curve.png", "artifacts/weights.bin", "golden/default/inputs.json",
        "golden/default/outputs.json", "hyperspace.json"]
    assert (model / "artifacts/weights.bin").read_bytes() == b"weights"
    assert [found[key] for key in ("project", "task", "run", "uid")] == ["studio", "sheet", run, record.uid]
    assert (found["result"], found["metrics"], found["seed"]) == (15.0, {"result": 15.0}, 3)
    assert found["config"] == record.config and found["scenario"] == record.scenario
    assert found["golden"] == ["default"]
    assert {one["name"]: one["sha256"] for one in found["artifacts"]}["weights.bin"] == \
        hashlib.sha256(b"weights").hexdigest()


def test_components_are_named_by_path_class_and_parameter(model: Path) -> None:
    named = {one["path"]: (one["className"], one["parameter"]) for one in manifest(model)["components"]}

    assert named["reader"] == ("Sum", "reader")
    assert named["reader.layers.1"] == ("Dropout", "layers")
    assert named["reader.named.last"] == ("Dense", "last")
    assert named["reader.options.layer"] == ("Dense", "layer")
    assert named["scenario.dataset"] == ("Counted", "dataset")


def test_versions_are_those_that_the_run_recorded(model: Path) -> None:
    versions = manifest(model)["versions"]

    assert versions["project"] == {"distribution": "studio", "version": "1.0"}
    assert versions["python"] == ".".join(map(str, sys.version_info[:3]))
    assert versions["hyperspace-core"]
    assert "pluggy" in versions["packages"]


def test_chosen_artifacts_are_exported_with_golden_data(study: Study, run: int, tmp_path: Path) -> None:
    folder = study.export(run, tmp_path / "some", artifacts=["weights.bin"])

    assert files_in(folder) == ["artifacts/weights.bin", "golden/default/inputs.json",
                                "golden/default/outputs.json", "hyperspace.json"]


def test_an_unknown_artifact_gets_a_suggestion(study: Study, run: int, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"run 1 has no artifact 'weight.bin'; did you mean 'weights.bin'\?"):
        study.export(run, tmp_path / "some", artifacts=["weight.bin"])
    assert not (tmp_path / "some").exists()


def test_only_a_component_can_be_marked(study: Study, run: int, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="run 1 has no component `raeder`; did you mean 'reader'"):
        study.export(run, tmp_path / "some", component="raeder")


def test_a_run_that_has_not_ended_is_not_exported(study: Study, tmp_path: Path) -> None:
    queued = study.submit("sheet", CONFIG)
    assert isinstance(queued, int)

    with pytest.raises(Refused, match="run 1 is QUEUED: export it once it has ended"):
        study.export(queued, tmp_path / "model")


def test_the_artifacts_of_a_failed_run_can_be_exported(study: Study, tmp_path: Path) -> None:
    record = study.run("sheet", CONFIG | {"fail": True}, echo=False)

    folder = study.export(record.id, tmp_path / "model")

    assert manifest(folder)["state"] == "FAILED"
    assert (folder / "artifacts/weights.bin").exists()


def test_metrics_without_a_json_number_are_texts(study: Study, tmp_path: Path) -> None:
    record = study.run("bare", {"rate": float("nan")}, echo=False)
    found = manifest(study.export(record.id, tmp_path / "model"))

    assert found["result"] == "NaN"
    assert found["config"]["rate"] != found["config"]["rate"]


# -- the folder ----------------------------------------------------------------------------------------------

def test_an_empty_folder_is_filled(study: Study, run: int, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    assert manifest(study.export(run, tmp_path / "empty"))["run"] == run


def test_a_folder_with_other_files_is_not_changed(study: Study, run: int, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/mine.txt").write_text("mine")

    for force in (False, True):
        with pytest.raises(UsageError, match="notes: exists already and is not an export; name another"):
            study.export(run, tmp_path / "notes", force=force)
    assert files_in(tmp_path / "notes") == ["mine.txt"]


def test_an_earlier_export_is_replaced_with_force(study: Study, model: Path, run: int) -> None:
    with pytest.raises(UsageError, match="contains an export already; replace it with --force"):
        study.export(run, model)

    study.export(run, model, artifacts=["weights.bin"], force=True)

    assert "artifacts/plots/curve.png" not in files_in(model)
    assert [path.name for path in model.parent.iterdir() if path.name.startswith(".")] == []


def test_a_foreign_file_in_an_earlier_export_is_kept(study: Study, model: Path, run: int) -> None:
    (model / "artifacts/mine.txt").write_text("mine")

    with pytest.raises(UsageError, match=r"artifacts/mine.txt does not belong to the export in this folder"):
        study.export(run, model, force=True)
    assert (model / "artifacts/mine.txt").read_text() == "mine"


def test_a_link_is_not_followed(study: Study, run: int, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")

    with pytest.raises(UsageError, match="link: is a link; name the folder itself"):
        study.export(run, tmp_path / "link")
    assert files_in(tmp_path / "real") == []


def test_a_file_in_place_of_the_folder_is_refused(study: Study, run: int, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")

    with pytest.raises(UsageError, match="file: is a file; name a folder"):
        study.export(run, tmp_path / "file")
    with pytest.raises(UsageError, match="cannot be written"):
        study.export(run, tmp_path / "file" / "below")


def test_the_current_folder_is_not_replaced(
        study: Study, run: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    with pytest.raises(UsageError, match="is the current folder; name one below it"):
        study.export(run, ".")
    assert study.export(run, "model") == tmp_path / "here/model"


def test_missing_provenance_is_exported_as_null(study: Study, tmp_path: Path) -> None:
    harness = Harness(study.store, "studio")
    lease = harness.start(task="sheet", config=CONFIG, scenario={"className": "Sheet"})
    study.store.update(lease, Update(provenance={"plugins": {"absent": "no"}, "packages": "of another tool"}))
    study.store.finish(lease, COMPLETED)

    folder = study.export(lease.run, tmp_path / "model")

    assert manifest(folder)["versions"] == {
        "project": {"distribution": None, "version": None}, "hyperspace-core": None, "python": None,
        "plugins": {}, "packages": {}}
    assert load_component(folder, "reader").factor == 2.5


def test_a_damaged_artifact_leaves_no_partial_export(study: Study, run: int, tmp_path: Path) -> None:
    (wanted,) = [one for one in study.store.artifacts(run) if one.name == "weights.bin"]
    (blob,) = [path for path in tmp_path.rglob(f"*{wanted.digest[4:]}*") if path.is_file()]
    blob.chmod(0o600)
    blob.write_bytes(b"damaged")

    with pytest.raises(HyperspaceError, match=r"artifact 'weights.bin' of run 1"):
        study.export(run, tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir() if "model" in path.name] == []


KILLED_HALF_WAY = """
import os, signal, sys
from hyperspace_core.production import export
from hyperspace_core.study import Study

wrote = export._write_artifact
def and_die(*arguments):
    wrote(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
export._write_artifact = and_die
Study("studio", sys.argv[1]).export(int(sys.argv[2]), sys.argv[3])
"""


def test_a_killed_export_leaves_no_folder(study: Study, run: int, project: ProjectFolder,
                                          tmp_path: Path) -> None:
    words = [study.store.url, str(run), str(tmp_path / "model")]

    done = subprocess.run([sys.executable, "-P", "-c", KILLED_HALF_WAY, *words], env=project.env(),
                          check=False)

    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "model").exists()
    assert manifest(study.export(run, tmp_path / "model"))["run"] == run


@pytest.mark.parametrize("force", [False, True])
def test_concurrent_exports_leave_one_complete_export(
        study: Study, run: int, tmp_path: Path, force: bool) -> None:
    planned = plan_export(study.store, study.get(run))
    together = threading.Barrier(4)
    refused = []

    def export() -> None:
        together.wait(30)
        try:
            write_export(study.store, planned, tmp_path / "model", force=force)
        except UsageError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=export) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(refused) <= 3 if force else len(refused) == 3
    assert len(files_in(tmp_path / "model")) == 5
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".model")] == []


# -- names ---------------------------------------------------------------------------------------------------

HOSTILE = [
    "../up", "..", ".", "a/../../b", "/etc/passwd", "//host/share/x", "a//b", "a/", "C:\\x", "C:x", "c:/x",
    "..\\up", "a\\b", "nul\0byte", "a\nb", "\x1b]0;x", "a/./b", ". /x", ".. /x", " ", "a/ /b", "\x85",
]


def test_a_hostile_name_is_refused_and_nothing_is_written(study: Study, run: int, tmp_path: Path) -> None:
    for name in HOSTILE:
        keep(study, run, name)
    before = sorted(tmp_path.rglob("*"))

    for chosen in (None, *([name] for name in HOSTILE)):
        with pytest.raises(HyperspaceError, match="its name is not a plain path below a folder; name"):
            study.export(run, tmp_path / "model", artifacts=chosen)

    assert sorted(tmp_path.rglob("*")) == before
    assert study.export(run, tmp_path / "model", artifacts=["weights.bin"]).is_dir()


# unusual but plain names below a folder
ODD = ["..;/x", "%2e%2e/%2fetc", "~/x", "$HOME/x", "-rf", "\uff0e\uff0e/x", ".hidden", "..hidden", "`id`",
       "a;b", "a/" * 60 + "x", "größe.png", "con-fig", "null", "com10", "\u2215etc", "a  b", "#1"]


def test_an_odd_name_stays_below_the_folder(study: Study, run: int, tmp_path: Path) -> None:
    for name in ODD:
        keep(study, run, name, name.encode())
    before = set(tmp_path.iterdir())

    folder = study.export(run, tmp_path / "model")

    assert set(tmp_path.iterdir()) - before == {folder}
    assert all((folder / "artifacts" / name).read_bytes() == name.encode() for name in ODD)


AWKWARD = [
    "CON", "nul.txt", "com1.log", "LPT9", "a/aux/b", "aux.tar.gz", "NUL .txt", "COM0", "COM¹.txt",
    "conin$", "lpt3.", "what?.png", "p/a:b.txt", "x<y>|z", 'quo"te', "trail.", "trail ", " lead",
    "..../x", "a\u202eb", "\ufeffx", "a\u2028b", "ü" * 150, "x" * 300,
]


def test_an_awkward_name_gets_a_plain_one(study: Study, run: int, tmp_path: Path) -> None:
    for name in AWKWARD:
        keep(study, run, name, name.encode())

    folder = study.export(run, tmp_path / "model")

    files = {one["name"]: one["file"] for one in manifest(folder)["artifacts"]}
    for name in AWKWARD:
        assert (folder / files[name]).read_bytes() == name.encode()
        assert all(letter.isascii() and (letter.isalnum() or letter in "/._-") for letter in files[name])


def test_names_that_collide_on_other_systems_stay_apart(study: Study, run: int, tmp_path: Path) -> None:
    names = ["same.txt", "Same.txt", "a", "a/b", "A/b", "stra\u00dfe", "STRASSE", "a\u0308", "\u00e4"]
    for name in names:
        keep(study, run, name, name.encode())

    folder = study.export(run, tmp_path / "model")

    files = {one["name"]: one["file"] for one in manifest(folder)["artifacts"]}
    assert len({files[name].casefold() for name in names}) == len(names)
    assert all((folder / files[name]).read_bytes() == name.encode() for name in names)


def test_exported_files_have_the_user_s_permissions(model: Path) -> None:
    mask = os.umask(0)
    os.umask(mask)

    assert model.stat().st_mode & 0o777 == 0o777 & ~mask
    assert (model / "artifacts/weights.bin").stat().st_mode & 0o777 == 0o666 & ~mask
