"""RAVDESS from where its makers published it."""

from __future__ import annotations

import os
import shutil
import sys
import time
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PureWindowsPath
from typing import NamedTuple
from uuid import uuid4

from sklearn.utils import Bunch

from .._utils import check_flag
from ._ravdess import load_ravdess

_CHUNK, _TIMEOUT = 2**16, 30  # bytes, s
_UNFINISHED = ".skser-"  # begins the names of folders that a download works in
_STALE = 24 * 3600  # s


class _Archive(NamedTuple):
    """A zip file and what is known of it."""

    url: str
    md5: str
    n_bytes: int
    n_bytes_unpacked: int  # about


_RAVDESS = _Archive(
    url="https://zenodo.org/records/1188976/files/Audio_Speech_Actors_01-24.zip",
    md5="bc696df654c87fed845eb13823edef8a",
    n_bytes=208_468_073,
    n_bytes_unpacked=560_000_000,
)
_LICENCE = (
    "RAVDESS is published under CC BY-NC-SA 4.0 (https://creativecommons.org/licenses/by-nc-sa/4.0/): "
    "name its authors, S. R. Livingstone and F. A. Russo (PLoS ONE 13(5), 2018, e0196391), make no "
    "commercial use, share what you make of it alike."
)


def fetch_ravdess(
    data_home: str | os.PathLike[str] | None = None,
    *,
    emotions: Iterable[str] | None = None,
    intensities: Iterable[str] | None = None,
    statements: Iterable[str] | None = None,
    actors: Iterable[int] | None = None,
    download_if_missing: bool = True,
    progress: bool = True,
) -> Bunch:
    """Load the audio-only speech recordings of RAVDESS, downloading them the first time.

    The archive of 208 MB comes from Zenodo, is compared with its published checksum, and is unpacked into
    the folder "ravdess" of `data_home`, about 560 MB. That folder appears whole or not at all; where it is
    already, nothing is downloaded. The licence is written to standard error before a download.

    Parameters
    ----------
    data_home : str or PathLike, default=None
        Folder that holds, or shall hold, the folder "ravdess". It is made if it is missing; a leading "~"
        is the home folder. None means the one that the environment variable SKSER_DATA names, else the
        user's cache folder, such as ~/.cache/skser on Linux.
    emotions : iterable of str, default=None
        Emotions to take; see :func:`load_ravdess`. None takes all.
    intensities : iterable of str, default=None
        Intensities to take, of normal and strong; None takes both.
    statements : iterable of str, default=None
        Statements to take, of kids and dogs; None takes both.
    actors : iterable of int, default=None
        Actors to take, 1 to 24; None takes all.
    download_if_missing : bool, default=True
        Whether to download what is not there, rather than to raise.
    progress : bool, default=True
        Whether to show a progress bar while downloading.

    Returns
    -------
    Bunch
        What :func:`load_ravdess` returns for the folder.

    Raises
    ------
    OSError
        If the recordings are not there and must not be downloaded; if the server cannot be reached, breaks
        off, or gives another file than the published one; if there is no space, or no permission to
        write. Nothing of a failed download is kept.
    TypeError, ValueError
        If a parameter has no meaning.

    See Also
    --------
    load_ravdess : For a copy of one's own.

    References
    ----------
    .. [1] S. R. Livingstone, F. A. Russo, "The Ryerson Audio-Visual Database of Emotional Speech and Song
       (RAVDESS)", PLoS ONE 13(5), 2018, e0196391. Data: doi:10.5281/zenodo.1188976.

    Examples
    --------
    >>> from skser.datasets import fetch_ravdess
    >>> corpus = fetch_ravdess()  # doctest: +SKIP
    >>> len(corpus.data)  # doctest: +SKIP
    1440
    """
    check_flag("download_if_missing", download_if_missing)
    check_flag("progress", progress)
    folder = _data_home(data_home) / "ravdess"
    if not _is_there(folder):
        if not download_if_missing:
            raise OSError(
                f"RAVDESS is not in {str(folder)!r}: pass download_if_missing=True, or "
                f"unpack {_RAVDESS.url} there."
            )
        _fetch_archive(_RAVDESS, folder, notice=_LICENCE, progress=bool(progress))
    return load_ravdess(
        folder, emotions=emotions, intensities=intensities, statements=statements, actors=actors
    )


def _data_home(data_home: str | os.PathLike[str] | None) -> Path:
    """Folder of the corpora that were fetched."""
    if data_home is None:
        import pooch

        return Path(os.environ.get("SKSER_DATA") or pooch.os_cache("skser")).expanduser()
    if not isinstance(data_home, (str, os.PathLike)):
        raise TypeError(
            f"data_home must be the path of a folder or None, got {data_home!r} of type "
            f"{type(data_home).__name__}."
        )
    if not os.fspath(data_home):
        raise ValueError("data_home is an empty path: name a folder, or give None for the cache folder.")
    return Path(data_home).expanduser()


def _is_there(folder: Path) -> bool:
    """Whether a folder has been filled, by this module or by hand."""
    return folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))


def _fetch_archive(archive: _Archive, folder: Path, *, notice: str, progress: bool) -> None:
    """Download and unpack an archive into a folder, which appears whole or not at all."""
    with _workplace(folder) as place:
        _check_space(place, archive.n_bytes + archive.n_bytes_unpacked)
        megabytes = archive.n_bytes / 1e6
        sys.stderr.write(
            f"{notice}\nDownloading {megabytes:.0f} MB from {archive.url} for {str(folder)!r}.\n"
        )
        file = _download(archive, place, folder, progress)
        _publish(_unpack(archive, file, folder), folder)


@contextmanager
def _workplace(folder: Path) -> Iterator[Path]:
    """Yield a folder beside another one; it is gone afterwards, and so are folders that were made for it."""
    home = folder.parent
    place = home / f"{_UNFINISHED}{uuid4().hex}"  # one each, whatever the process
    made = [path for path in (home, *home.parents) if not path.exists()]
    try:
        _make(place)
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
        with suppress(OSError):  # of folders that hold something by now
            for path in made:
                path.rmdir()


def _make(place: Path) -> None:
    """Make a folder to work in, and remove those of downloads that were killed long ago."""
    try:
        place.mkdir(parents=True)
    except OSError as error:
        raise _folder_error(place.parent, error) from error
    for path in place.parent.glob(f"{_UNFINISHED}*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _STALE:
                shutil.rmtree(path)


def _check_space(place: Path, n_bytes: int) -> None:
    """Raise unless there is space for so many bytes."""
    free = shutil.disk_usage(place).free
    if free < n_bytes:
        raise OSError(
            f"{n_bytes / 1e9:.2f} GB are needed in {str(place.parent)!r}, where {free / 1e9:.2f} GB "
            "are free: make space or give another data_home. Nothing was kept."
        )


def _download(archive: _Archive, place: Path, folder: Path, progress: bool) -> Path:
    """Download an archive, and raise unless it is the one that is known."""
    import pooch
    from tqdm import tqdm

    from .._version import __version__

    file = place / "archive.zip"
    agent = {"User-Agent": f"skser/{__version__} pooch/{pooch.__version__}"}
    with tqdm(total=archive.n_bytes, unit="B", unit_scale=True, disable=not progress) as bar:
        get = pooch.HTTPDownloader(progressbar=bar, chunk_size=_CHUNK, timeout=_TIMEOUT, headers=agent)
        try:
            get(archive.url, str(file), None)
        except OSError as error:
            if error.errno is not None:  # of the file here; those of requests have none
                raise _folder_error(place.parent, error) from error
            raise _archive_error(archive, folder, _reason(error, archive, file)) from error
    md5, n_bytes = pooch.file_hash(str(file), alg="md5"), file.stat().st_size
    if md5 != archive.md5:
        known = f"of {archive.n_bytes:,} bytes with md5 {archive.md5}"
        raise _archive_error(
            archive, folder, f"it gave {n_bytes:,} bytes with md5 {md5} instead of the archive {known}"
        )
    return file


def _reason(error: OSError, archive: _Archive, file: Path) -> str:
    """What went wrong on the way."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"the server answered {response.status_code} {response.reason}"
    if file.stat().st_size:
        return f"the connection broke off after {file.stat().st_size:,} of {archive.n_bytes:,} bytes"
    return "no data came from the server"


def _unpack(archive: _Archive, file: Path, folder: Path) -> Path:
    """Unpack a zip file into a folder beside it."""
    place = file.parent
    try:
        with zipfile.ZipFile(file) as zipped:
            _check_names(zipped.namelist())
            _check_space(place, sum(member.file_size for member in zipped.infolist()))
            zipped.extractall(place / "unpacked")
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise _archive_error(archive, folder, f"the archive cannot be unpacked: {error}") from error
    except OSError as error:
        if error.errno is None:
            raise
        raise _folder_error(folder.parent, error) from error
    return place / "unpacked"


def _check_names(names: list[str]) -> None:
    """Raise if a member of an archive would leave the folder that it is unpacked into."""
    for name in names:
        path = PureWindowsPath(name)  # knows either slash, and drives
        if path.drive or path.root or ".." in path.parts:
            raise zipfile.BadZipFile(f"its member {name!r} leads out of the folder")


def _publish(unpacked: Path, folder: Path) -> None:
    """Give an unpacked folder its name in one step."""
    try:
        os.rename(unpacked, folder)
    except OSError as error:
        if not (folder.is_dir() and any(folder.iterdir())):  # else another process was faster
            raise _folder_error(folder.parent, error) from error


def _archive_error(archive: _Archive, folder: Path, reason: str) -> OSError:
    """Error of a download."""
    return OSError(
        f"{archive.url} could not be fetched ({reason}) and nothing was kept: check the connection and try "
        f"again, or unpack a copy of the archive into {str(folder)!r}."
    )


def _folder_error(home: Path, error: OSError) -> OSError:
    """Error of a folder that cannot be made or written to."""
    kind = PermissionError if isinstance(error, PermissionError) else OSError
    return kind(
        f"data_home={str(home)!r} cannot be written ({error.strerror}) and nothing was kept: give a folder "
        "that has space for you."
    )
