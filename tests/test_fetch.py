"""Tests of fetching, against a server on the loopback address."""

from __future__ import annotations

import hashlib
import inspect
import io
import os
import shutil
import signal
import socket
import threading
import time
import zipfile
from collections import namedtuple
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pooch
import pytest

from skser.datasets import _fetch, fetch_ravdess, load_ravdess

NAMES = [f"Actor_{a:02d}/03-01-0{e}-01-01-01-{a:02d}.wav" for a in (1, 2) for e in (1, 5)]


LARGE = os.urandom(100_000)  # more than is read at once, and cannot be compressed


def zipped(names, content=b"RIFF" + bytes(3000)):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name in names:
            file.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)  # of a fixed date
    return stream.getvalue()


class Handler(BaseHTTPRequestHandler):
    """Answers with what its server's `act` does, and counts the requests."""

    def do_GET(self):
        self.server.agents.append(self.headers["User-Agent"])
        self.server.act(self)

    def log_message(self, *args):
        pass

    def give(self, content, stated=None):
        self.send_response(200)
        self.send_header("Content-Length", str(len(content) if stated is None else stated))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()


@contextmanager
def serving():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.agents = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def server(monkeypatch):
    """Server of a small archive of RAVDESS's layout, which fetch_ravdess takes for the published one."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as server:
        publish(server, monkeypatch, zipped(NAMES))
        yield server


def publish(server, monkeypatch, content, **known):
    url = f"http://127.0.0.1:{server.server_port}/ravdess.zip"
    known = {"md5": hashlib.md5(content).hexdigest(), "n_bytes": len(content), "n_bytes_unpacked": 0} | known
    monkeypatch.setattr(_fetch, "_RAVDESS", _fetch._Archive(url=url, **known))
    server.act = lambda handler: handler.give(content)


@pytest.fixture
def home(tmp_path):
    """Folder that does not exist; its name has a space and a letter outside ASCII."""
    return tmp_path / "with späce" / "data"


def entries(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def check_nothing_is_left(home):
    """Neither the folder nor the one above it, which were both made for the download."""
    assert home.parent.parent.exists()
    assert not home.parent.exists()


def test_the_archive_is_the_published_one():
    assert _fetch._RAVDESS[:3] == (
        "https://zenodo.org/records/1188976/files/Audio_Speech_Actors_01-24.zip",
        "bc696df654c87fed845eb13823edef8a",
        208_468_073,
    )


def test_recordings_are_downloaded_unpacked_and_loaded(server, home):
    corpus = fetch_ravdess(home)
    assert corpus.data == [str(home / "ravdess" / name) for name in NAMES]
    assert corpus.target.tolist() == ["neutral", "angry"] * 2
    assert corpus.groups.tolist() == [1, 1, 2, 2]
    folders = ["ravdess", "ravdess/Actor_01", "ravdess/Actor_02"]
    assert entries(home) == sorted([*folders, *(f"ravdess/{name}" for name in NAMES)])
    assert (home / "ravdess" / NAMES[0]).read_bytes() == b"RIFF" + bytes(3000)


def test_a_second_call_downloads_nothing(server, home):
    fetch_ravdess(home)
    assert len(server.agents) == 1
    assert len(fetch_ravdess(str(home), download_if_missing=False).data) == 4
    assert len(fetch_ravdess(home).data) == 4
    assert len(server.agents) == 1


def test_a_folder_filled_by_hand_is_taken(server, home):
    (home / "ravdess").mkdir(parents=True)
    (home / "ravdess" / "03-01-05-01-01-01-07.wav").touch()
    assert fetch_ravdess(home).groups.tolist() == [7]
    assert not server.agents


def test_an_empty_folder_is_filled(server, home):
    (home / "ravdess").mkdir(parents=True)
    assert len(fetch_ravdess(home).data) == 4


def test_filters_are_passed_on(server, home):
    corpus = fetch_ravdess(home, emotions=["angry"], intensities=["normal"], statements=["kids"], actors=[2])
    assert (corpus.target.tolist(), corpus.groups.tolist()) == (["angry"], [2])
    with pytest.raises(ValueError, match="passes the filters"):
        fetch_ravdess(home, statements=["dogs"])
    with pytest.raises(ValueError, match="passes the filters"):
        fetch_ravdess(home, intensities=["strong"])


def test_filters_are_those_of_the_loader():
    filters = list(inspect.signature(load_ravdess).parameters)[1:]
    own = ["data_home", "download_if_missing", "progress"]
    assert [name for name in inspect.signature(fetch_ravdess).parameters if name not in own] == filters


def test_the_licence_and_the_source_are_written_before_a_download_alone(server, home, capsys):
    seen = []
    server.act = lambda handler: (seen.append(capsys.readouterr()), handler.give(zipped(NAMES)))
    fetch_ravdess(home, progress=False)
    ((out, err),) = seen
    assert not out
    for words in ("CC BY-NC-SA 4.0", "Livingstone", _fetch._RAVDESS.url, str(home)):
        assert words in err
    fetch_ravdess(home)
    assert capsys.readouterr() == ("", "")


def test_a_progress_bar_is_shown_if_wanted(server, home, capsys):
    fetch_ravdess(home)
    assert "100%" in capsys.readouterr().err
    shutil.rmtree(home)
    fetch_ravdess(home, progress=False)
    assert "%" not in capsys.readouterr().err


def test_the_request_says_who_asks(server, home):
    fetch_ravdess(home)
    assert server.agents[0].startswith("skser/")


def test_missing_recordings_are_an_error_where_downloads_are_not_allowed(server, home):
    with pytest.raises(
        OSError, match=r"RAVDESS is not in '.*ravdess': pass download_if_missing=True, or unpack"
    ):
        fetch_ravdess(home, download_if_missing=False)
    assert not server.agents
    check_nothing_is_left(home)


def test_a_connection_that_is_cut_leaves_nothing(server, home, monkeypatch):
    content = zipped(NAMES, LARGE)
    publish(server, monkeypatch, content)
    server.act = lambda handler: handler.give(content[:150_000], stated=len(content))
    broken = rf"\(the connection broke off after 131,072 of {len(content):,} bytes\) and nothing was kept"
    with pytest.raises(OSError, match=rf"ravdess\.zip could not be fetched {broken}: check the conn") as e:
        fetch_ravdess(home)
    assert str(home / "ravdess") in str(e.value)
    check_nothing_is_left(home)
    server.act = lambda handler: handler.give(content)
    assert len(fetch_ravdess(home).data) == 4


def test_a_connection_without_a_stated_length_that_is_cut_leaves_nothing(server, home):
    def cut(handler):
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(zipped(NAMES)[:500])

    server.act = cut
    with pytest.raises(
        OSError, match=r"it gave 500 bytes with md5 \w{32} instead of the archive of .* bytes with"
    ):
        fetch_ravdess(home)
    check_nothing_is_left(home)


def test_another_file_is_refused(server, home):
    server.act = lambda handler: handler.give(zipped(NAMES[:3]))
    wrong = hashlib.md5(zipped(NAMES[:3])).hexdigest()
    with pytest.raises(
        OSError, match=rf"with md5 {wrong} instead of .* {_fetch._RAVDESS.md5}\) and nothing was kept"
    ):
        fetch_ravdess(home)
    check_nothing_is_left(home)


def test_an_error_of_the_server_is_named(server, home):
    server.act = lambda handler: handler.send_error(404)
    with pytest.raises(OSError, match=r"\(the server answered 404 Not Found\) and nothing was kept"):
        fetch_ravdess(home)
    check_nothing_is_left(home)


def test_a_server_that_cannot_be_reached_is_named(server, home, monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/ravdess.zip"
        monkeypatch.setattr(_fetch, "_RAVDESS", _fetch._RAVDESS._replace(url=url))
        with pytest.raises(OSError, match=rf"{url} could not be fetched \(no data came from the server\)"):
            fetch_ravdess(home)
    check_nothing_is_left(home)


def test_a_server_that_falls_silent_is_given_up(server, home, monkeypatch):
    monkeypatch.setattr(_fetch, "_TIMEOUT", 0.2)
    released, start = threading.Event(), time.monotonic()
    server.act = lambda handler: (handler.give(LARGE, stated=500_000), released.wait(20))
    try:
        with pytest.raises(OSError, match="broke off after 65,536 of"):
            fetch_ravdess(home)
        assert time.monotonic() - start < 15  # before the server gives up itself
    finally:
        released.set()
    check_nothing_is_left(home)


def test_an_interrupt_while_downloading_leaves_nothing(server, home):
    released = threading.Event()

    def interrupt(handler):
        handler.give(LARGE, stated=500_000)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        released.wait(10)

    server.act = interrupt
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in background jobs
    try:
        with pytest.raises(KeyboardInterrupt):
            fetch_ravdess(home)
    finally:
        signal.signal(signal.SIGINT, before)
        released.set()
    check_nothing_is_left(home)


def test_an_interrupt_while_unpacking_leaves_nothing(server, home, monkeypatch):
    unpack = zipfile.ZipFile.extractall

    def interrupted(self, path):
        unpack(self, path)
        assert len(list(home.rglob("*.wav"))) == 4
        assert not (home / "ravdess").exists()
        raise KeyboardInterrupt

    monkeypatch.setattr(zipfile.ZipFile, "extractall", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch_ravdess(home)
    check_nothing_is_left(home)


def test_what_was_there_before_stays(server, home):
    (home / "other").mkdir(parents=True)
    server.act = lambda handler: handler.send_error(500)
    with pytest.raises(OSError, match="500"):
        fetch_ravdess(home)
    assert entries(home) == ["other"]


@pytest.mark.parametrize(
    "name",
    ["../out.wav", "Actor_01/../../out.wav", "/tmp/out.wav", "..\\out.wav", "C:\\out.wav", "C:out.wav"],
)
def test_members_that_lead_out_of_the_folder_are_refused(server, home, monkeypatch, name):
    publish(server, monkeypatch, zipped([*NAMES, name]))
    with pytest.raises(
        OSError, match=r"the archive cannot be unpacked: its member '.*' leads out of the folder"
    ):
        fetch_ravdess(home)
    check_nothing_is_left(home)


def test_a_truncated_archive_is_refused(server, home, monkeypatch):
    publish(server, monkeypatch, zipped(NAMES)[:-30])
    with pytest.raises(OSError, match="the archive cannot be unpacked: File is not a zip file"):
        fetch_ravdess(home)
    check_nothing_is_left(home)


def test_an_archive_with_a_damaged_member_is_refused(server, home, monkeypatch):
    content = bytearray(zipped(NAMES, content=os.urandom(3000)))
    content[content.index(NAMES[2].encode()) + 1000] ^= 255
    publish(server, monkeypatch, bytes(content))
    with pytest.raises(OSError, match="the archive cannot be unpacked: "):
        fetch_ravdess(home)
    check_nothing_is_left(home)


Usage = namedtuple("Usage", ["total", "used", "free"])


def test_space_is_checked_before_the_download(server, home, monkeypatch):
    publish(server, monkeypatch, zipped(NAMES), n_bytes=208_000_000, n_bytes_unpacked=560_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**10, 10**10, 767_000_000))
    with pytest.raises(
        OSError, match=r"0\.77 GB are needed in '.*data', where 0\.77 GB are free: make space or"
    ):
        fetch_ravdess(home)
    assert not server.agents
    check_nothing_is_left(home)


def test_space_is_checked_before_unpacking(server, home, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**5, 0, len(zipped(NAMES)) + 4000))
    with pytest.raises(OSError, match=r"where 0\.00 GB are free"):
        fetch_ravdess(home)
    assert len(server.agents) == 1
    check_nothing_is_left(home)


def test_a_full_disk_is_named(server, home, monkeypatch):
    def full(self, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "extractall", full)
    with pytest.raises(
        OSError, match=r"data_home='.*data' cannot be written \(No space left on device\) and noth"
    ):
        fetch_ravdess(home)
    check_nothing_is_left(home)


def test_a_disk_that_fills_while_downloading_is_named(server, home, monkeypatch):
    def full(self, url, output_file, pooch):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", full)
    with pytest.raises(OSError, match=r"cannot be written \(No space left on device\)"):
        fetch_ravdess(home)
    check_nothing_is_left(home)


def test_a_home_that_is_a_file_is_refused(server, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"data_home='.*file' cannot be written \("):
        fetch_ravdess(tmp_path / "file")
    assert not server.agents


def test_a_home_that_may_not_be_written_is_refused(server, home, monkeypatch):
    plain = os.mkdir

    def forbidden(path, mode=0o777):
        if Path(path).name.startswith(".skser-"):
            raise PermissionError(13, "Permission denied")
        plain(path, mode)

    monkeypatch.setattr(os, "mkdir", forbidden)
    with pytest.raises(PermissionError, match=r"data_home='.*data' cannot be written \(Permission denied\)"):
        fetch_ravdess(home)
    assert not server.agents
    check_nothing_is_left(home)


def test_an_empty_path_is_refused(server):
    with pytest.raises(ValueError, match="data_home is an empty path: name a folder"):
        fetch_ravdess("")


def test_two_that_fetch_at_once_do_no_harm(server, home):
    both = threading.Barrier(2, timeout=10)
    server.act = lambda handler: (both.wait(), handler.give(zipped(NAMES)))
    corpora = []
    threads = [
        threading.Thread(target=lambda: corpora.append(fetch_ravdess(home, progress=False))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(corpus.data) for corpus in corpora] == [4, 4]
    assert [path.name for path in home.iterdir()] == ["ravdess"]


def test_remains_of_killed_downloads_are_removed_when_old(server, home):
    for name, age in [(".skser-old", 90_000), (".skser-new", 60)]:
        (home / name / "unpacked").mkdir(parents=True)
        os.utime(home / name, (time.time() - age,) * 2)
    fetch_ravdess(home)
    assert sorted(path.name for path in home.iterdir()) == [".skser-new", "ravdess"]


def test_the_home_is_named_by_the_environment(server, home, monkeypatch):
    monkeypatch.setenv("SKSER_DATA", str(home))
    assert fetch_ravdess().data[0].startswith(str(home / "ravdess"))


@pytest.mark.parametrize("value", [None, ""])
def test_the_home_is_the_cache_folder_of_the_user_otherwise(server, home, monkeypatch, value):
    monkeypatch.setattr(pooch, "os_cache", lambda project: home / project)
    if value is None:
        monkeypatch.delenv("SKSER_DATA", raising=False)
    else:
        monkeypatch.setenv("SKSER_DATA", value)
    assert fetch_ravdess().data[0].startswith(str(home / "skser" / "ravdess"))


def test_a_tilde_is_the_home_folder(server, home, monkeypatch):
    monkeypatch.setenv("HOME", str(home))
    assert fetch_ravdess("~/corpora").data[0].startswith(str(home / "corpora" / "ravdess"))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"data_home": 3}, "data_home must be the path of a folder or None, got 3 of type int"),
        ({"progress": "yes"}, "progress must be True or False"),
        ({"download_if_missing": None}, "download_if_missing must be True or False"),
    ],
)
def test_parameters_of_a_wrong_type_are_refused(server, parameters, message):
    with pytest.raises(TypeError, match=message):
        fetch_ravdess(**parameters)
    assert not server.agents
