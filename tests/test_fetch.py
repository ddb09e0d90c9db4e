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


LARGE = os.urandom(100_000)  # more than one chunk, and not compressible


def zipped(names, content=b"RIFF" + bytes(3000)):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name in names:
            file.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)  # of a fixed date
    return stream.getvalue()


class Handler(BaseHTTPRequestHandler):
    """Answer as the `act` of its server does, and count the requests."""

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
    """Serve a small archive in the layout of RAVDESS, which fetch_ravdess takes for the published one."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as server:
        publish(server, monkeypatch, zipped(NAMES))
        yield server


def publish(server, monkeypatch, content, **known):
    monkeypatch.setattr(_fetch, "_URL", f"http://127.0.0.1:{server.server_port}/ravdess.zip")
    known = {
        "_MD5": hashlib.md5(content).hexdigest(),
        "_N_BYTES": len(content),
        "_N_BYTES_UNPACKED": 0,
    } | known
    for name, value in known.items():
        monkeypatch.setattr(_fetch, name, value)
    server.act = lambda handler: handler.give(content)


@pytest.fixture
def home(tmp_path):
    """Folder that does not exist, with a space and a letter outside ASCII in its path."""
    return tmp_path / "with späce" / "data"


def entries(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def fetch_fails(home, message, error=OSError):
    """Expect an error, and that neither the folder nor the one above it remains; both are new."""
    with pytest.raises(error, match=message):
        fetch_ravdess(home)
    assert home.parent.parent.exists()
    assert not home.parent.exists()


def test_the_archive_is_the_published_one():
    assert _fetch._URL == "https://zenodo.org/records/1188976/files/Audio_Speech_Actors_01-24.zip"
    assert (_fetch._MD5, _fetch._N_BYTES) == ("bc696df654c87fed845eb13823edef8a", 208_468_073)


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


def test_only_an_empty_folder_is_filled(server, home):
    (home / "ravdess").mkdir(parents=True)
    assert len(fetch_ravdess(home).data) == 4
    assert len(server.agents) == 1
    shutil.rmtree(home / "ravdess" / "Actor_01")
    assert fetch_ravdess(home).groups.tolist() == [2, 2]
    assert len(server.agents) == 1


def test_a_folder_that_the_file_manager_of_macos_opened_is_filled(server, home):
    (home / "ravdess").mkdir(parents=True)
    (home / "ravdess" / ".DS_Store").touch()
    assert len(fetch_ravdess(home).data) == 4
    assert not (home / "ravdess" / ".DS_Store").exists()


def test_a_folder_with_another_hidden_file_is_not_replaced(server, home):
    (home / "ravdess").mkdir(parents=True)
    (home / "ravdess" / ".notes").touch()
    with pytest.raises(ValueError, match="No RAVDESS"):
        fetch_ravdess(home)
    assert entries(home) == ["ravdess", "ravdess/.notes"]
    assert not server.agents


@pytest.mark.parametrize("content", [[], [".DS_Store"]])
def test_an_empty_folder_is_removed_first(server, home, monkeypatch, content):
    rename = os.rename

    def rename_as_on_windows(source, target):
        if os.path.exists(target):
            raise FileExistsError(17, "File exists")
        rename(source, target)

    monkeypatch.setattr(os, "rename", rename_as_on_windows)
    (home / "ravdess").mkdir(parents=True)
    for name in content:
        (home / "ravdess" / name).touch()
    assert len(fetch_ravdess(home).data) == 4


def test_filters_are_passed_on(server, home):
    corpus = fetch_ravdess(home, emotions=["angry"], intensities=["normal"], statements=["kids"], actors=[2])
    assert (corpus.target.tolist(), corpus.groups.tolist()) == (["angry"], [2])
    for filters in ({"statements": ["dogs"]}, {"intensities": ["strong"]}):
        with pytest.raises(ValueError, match="passes the filters"):
            fetch_ravdess(home, **filters)


def test_filters_are_those_of_the_loader():
    filters = list(inspect.signature(load_ravdess).parameters)[1:]
    own = ["data_home", "download_if_missing", "progress"]
    assert [name for name in inspect.signature(fetch_ravdess).parameters if name not in own] == filters


def test_licence_and_source_are_written_only_before_a_download(server, home, capsys):
    seen = []
    server.act = lambda handler: (seen.append(capsys.readouterr()), handler.give(zipped(NAMES)))
    fetch_ravdess(home, progress=False)
    ((out, err),) = seen
    assert not out
    for words in ("CC BY-NC-SA 4.0", "Livingstone", _fetch._URL, str(home)):
        assert words in err
    fetch_ravdess(home)
    assert capsys.readouterr() == ("", "")


def test_a_progress_bar_is_shown_by_default(server, home, capsys):
    fetch_ravdess(home)
    assert "100%" in capsys.readouterr().err
    shutil.rmtree(home)
    fetch_ravdess(home, progress=False)
    assert "%" not in capsys.readouterr().err


def test_the_user_agent_names_skser(server, home):
    fetch_ravdess(home)
    assert server.agents[0].startswith("skser/")


def test_missing_recordings_are_an_error_if_downloads_are_not_allowed(server, home):
    message = r"RAVDESS is not in '.*ravdess': pass download_if_missing=True, or unpack"
    with pytest.raises(OSError, match=message):
        fetch_ravdess(home, download_if_missing=False)
    assert not server.agents
    assert not home.parent.exists()


def test_a_broken_connection_leaves_nothing(server, home, monkeypatch):
    content = zipped(NAMES, LARGE)
    publish(server, monkeypatch, content)
    server.act = lambda handler: handler.give(content[:150_000], stated=len(content))
    broken = rf"\(the connection broke off after 131,072 of {len(content):,} bytes\) and nothing was kept"
    fetch_fails(home, rf"ravdess\.zip could not be fetched {broken}: check the .*{home / 'ravdess'}")
    server.act = lambda handler: handler.give(content)
    assert len(fetch_ravdess(home).data) == 4


def cut_without_a_length(handler):
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(zipped(NAMES)[:500])


OTHER = zipped(NAMES[:3])


@pytest.mark.parametrize(
    ("act", "cause"),
    [
        (lambda handler: handler.send_error(404), "the server returned status 404 Not Found"),
        (
            lambda handler: handler.give(OTHER),
            f"sent .* bytes with md5 {hashlib.md5(OTHER).hexdigest()} instead",
        ),
        (
            cut_without_a_length,
            r"the server sent 500 bytes with md5 \w{32} instead of the published .* bytes",
        ),
    ],
)
def test_an_error_of_the_server_or_another_file_leaves_nothing(server, home, act, cause):
    server.act = act
    fetch_fails(home, rf"ravdess\.zip could not be fetched \(.*{cause}.*\) and nothing was kept")


def test_an_unreachable_server_is_named(server, home, monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/ravdess.zip"
        monkeypatch.setattr(_fetch, "_URL", url)
        fetch_fails(home, rf"{url} could not be fetched \(the server sent no data\)")


def test_a_silent_server_is_given_up(server, home, monkeypatch):
    monkeypatch.setattr(_fetch, "_TIMEOUT", 0.2)
    released, start = threading.Event(), time.monotonic()
    server.act = lambda handler: (handler.give(LARGE, stated=500_000), released.wait(20))
    try:
        fetch_fails(home, "broke off after 65,536 of")
        assert time.monotonic() - start < 15  # before the server gives up itself
    finally:
        released.set()


def test_an_interrupt_while_downloading_leaves_nothing(server, home):
    released = threading.Event()

    def interrupt(handler):
        handler.give(LARGE, stated=500_000)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        released.wait(10)

    server.act = interrupt
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in background jobs
    try:
        fetch_fails(home, None, KeyboardInterrupt)
    finally:
        signal.signal(signal.SIGINT, before)
        released.set()


def test_an_interrupt_while_unpacking_leaves_nothing(server, home, monkeypatch):
    unpack = zipfile.ZipFile.extractall

    def interrupted(self, path):
        unpack(self, path)
        assert len(list(home.rglob("*.wav"))) == 4
        assert not (home / "ravdess").exists()
        raise KeyboardInterrupt

    monkeypatch.setattr(zipfile.ZipFile, "extractall", interrupted)
    fetch_fails(home, None, KeyboardInterrupt)


def test_other_files_in_the_data_home_remain(server, home):
    (home / "other").mkdir(parents=True)
    server.act = lambda handler: handler.send_error(500)
    with pytest.raises(OSError, match="500"):
        fetch_ravdess(home)
    assert entries(home) == ["other"]


DAMAGED = bytearray(zipped(NAMES, content=os.urandom(3000)))
DAMAGED[DAMAGED.index(NAMES[2].encode()) + 1000] ^= 255
OUTSIDE = ["../out.wav", "Actor_01/../../out.wav", "/tmp/out.wav", "..\\out.wav", "C:\\out.wav", "C:out.wav"]


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (zipped(NAMES)[:-30], "File is not a zip file"),
        (bytes(DAMAGED), ""),
        *((zipped([*NAMES, name]), "its member '.*' would be outside the folder") for name in OUTSIDE),
    ],
    ids=["truncated", "damaged", *OUTSIDE],
)
def test_invalid_archives_are_refused(server, home, monkeypatch, content, cause):
    publish(server, monkeypatch, content)
    fetch_fails(home, f"the archive cannot be unpacked: {cause}")


Usage = namedtuple("Usage", ["total", "used", "free"])


def test_space_is_checked_before_the_download(server, home, monkeypatch):
    publish(server, monkeypatch, zipped(NAMES), _N_BYTES=208_000_000, _N_BYTES_UNPACKED=560_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**10, 10**10, 767_000_000))
    fetch_fails(home, r"needs 0\.77 GB in '.*data', where 0\.77 GB are free: make space or")
    assert not server.agents


def test_space_is_checked_before_unpacking(server, home, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**5, 0, len(zipped(NAMES)) + 4000))
    fetch_fails(home, r"where 0\.00 GB are free")
    assert len(server.agents) == 1


@pytest.mark.parametrize(
    ("owner", "method"), [(zipfile.ZipFile, "extractall"), (pooch.HTTPDownloader, "__call__")]
)
def test_a_full_disk_is_named(server, home, monkeypatch, owner, method):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(owner, method, full)
    fetch_fails(home, r"data_home='.*data' cannot be written \(No space left on device\) and nothing was")


def test_a_home_that_is_a_file_is_refused(server, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"data_home='.*file' cannot be written \("):
        fetch_ravdess(tmp_path / "file")
    assert not server.agents


def test_a_home_without_write_permission_is_refused(server, home, monkeypatch):
    plain = os.mkdir

    def forbidden(path, mode=0o777):
        if Path(path).name.startswith(".skser-"):
            raise PermissionError(13, "Permission denied")
        plain(path, mode)

    monkeypatch.setattr(os, "mkdir", forbidden)
    fetch_fails(home, r"data_home='.*data' cannot be written \(Permission denied\)", PermissionError)
    assert not server.agents


def test_two_downloads_at_the_same_time_do_no_harm(server, home):
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


def test_old_folders_of_killed_downloads_are_removed(server, home):
    for name, age in [(".skser-old", 90_000), (".skser-new", 60)]:
        (home / name / "unpacked").mkdir(parents=True)
        os.utime(home / name, (time.time() - age,) * 2)
    fetch_ravdess(home)
    assert sorted(path.name for path in home.iterdir()) == [".skser-new", "ravdess"]


@pytest.mark.parametrize("value", [None, "", "home"])
def test_the_default_home_is_that_of_the_environment_or_the_cache(server, home, monkeypatch, value):
    monkeypatch.setattr(pooch, "os_cache", lambda project: home / project)
    monkeypatch.delenv("SKSER_DATA", raising=False)
    if value is not None:
        monkeypatch.setenv("SKSER_DATA", value and str(home))
    expected = home / "ravdess" if value else home / "skser" / "ravdess"
    assert fetch_ravdess().data[0].startswith(str(expected))


def test_a_tilde_is_the_home_folder(server, home, monkeypatch):
    monkeypatch.setenv("HOME", str(home))
    assert fetch_ravdess("~/corpora").data[0].startswith(str(home / "corpora" / "ravdess"))


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"data_home": 3}, TypeError, "data_home must be None or the path of a folder, got 3 of type int"),
        ({"data_home": ""}, ValueError, "data_home must be None or the path of a folder, got ''"),
        ({"progress": "yes"}, TypeError, "progress must be True or False"),
        ({"download_if_missing": None}, TypeError, "download_if_missing must be True or False"),
    ],
)
def test_parameters_are_checked(server, parameters, error, message):
    with pytest.raises(error, match=message):
        fetch_ravdess(**parameters)
    assert not server.agents
