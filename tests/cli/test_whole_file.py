"""Files are written whole or not at all."""

import os
from pathlib import Path

import pytest
from full_disk import disk_with_room_for_files_of
from shop_on_disk import Shop

from dbt_af_k8s.cli.whole_file import write_new, write_whole
from dbt_af_k8s.config.run_times import RUN_TIMES_FILE
from dbt_af_k8s.errors import UsageError


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b.txt"
    write_whole(file, "old")
    with (
        disk_with_room_for_files_of(10),
        pytest.raises(UsageError, match=r"b\.txt cannot be written: file too large\."),
    ):
        write_whole(file, "new" * 10)
    assert [(path.name, path.read_text()) for path in file.parent.iterdir()] == [("b.txt", "old")]


def test_a_full_disk_leaves_no_new_file(tmp_path: Path) -> None:
    with disk_with_room_for_files_of(10), pytest.raises(UsageError, match="cannot be written"):
        write_new(tmp_path / "new.txt", "new" * 10)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "file").write_text("mine")
    assert [write_new(tmp_path / name, "new") for name in ("link", "file", "other")] == [False, False, True]
    assert (tmp_path / "file").read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    write_whole(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "new"


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    try:
        write_whole(Path(f"/dev/fd/{writing}"), "new")
        assert os.read(reading, 10) == b"new"
    finally:
        os.close(reading)
        os.close(writing)


def test_a_folder_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written: file exists"):
        write_whole(tmp_path / "file" / "x.json", "{}")
    with pytest.raises(UsageError, match="cannot be written: is a directory"):
        write_whole(tmp_path, "{}")


def test_commands_on_a_full_disk_can_be_run_again(shop: Shop, tmp_path: Path) -> None:
    (shop.root / "dbt_af_k8s.yml").unlink()
    results = tmp_path / "run_results.json"
    results.write_text('{"results": []}')
    commands = (("init",), ("times", str(results)), ("package", "install"))
    with disk_with_room_for_files_of(5):
        told = [shop.run(*command) for command in commands]
    for command, result in zip(commands, told, strict=True):
        # A long path may push the words to the next line.
        said = " ".join(result.stderr.split())
        assert (result.exit_code, "cannot be written: file too large" in said) == (2, True), command
    assert not (shop.root / "dbt_af_k8s.yml").exists()
    assert not (shop.root / RUN_TIMES_FILE).exists()
    assert [shop.run(*command).exit_code for command in commands] == [0, 0, 0]
    assert "left alone" not in shop.run("check").stdout
