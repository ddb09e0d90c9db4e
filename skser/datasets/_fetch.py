"""Download of RAVDESS from the archive in which its authors published it."""

from __future__ import annotations

import os
import re
import shutil
import sys
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PureWindowsPath
from tempfile import TemporaryDirectory

from sklearn.utils import Bunch

from .._utils import check_flag, check_path, remove_abandoned
from ._ravdess import load_ravdess

_URL = "https://zenodo.org/records/1188976/files/Audio_Speech_Actors_01-24.zip"
_MD5 = "bc696df654c87fed845eb13823edef8a"
_N_BYTES, _N_BYTES_UNPACKED = 208_468_073, 560_000_000  # the second is approximate
_CHUNK, _TIMEOUT = 2**16, 30  # bytes, s
_UNFINISHED = ".skser-"  # start of the names of temporary folders
_UNFINISHED_NAME = re.compile(rf"{re.escape(_UNFINISHED)}.*")
_BY_SYSTEM = ".DS_Store"  # macOS adds this file to folders
_LICENSE = (
    "RAVDESS is published under CC BY-NC-SA 4.0 (https://creativecommons.org/licenses/by-nc-sa/4.0/): "
    "name its authors, S. R. Livingstone and F. A. Russo (PLoS ONE 13(5), 2018, e0196391), do not use it "
    "commercially, and share adaptations under the same license."
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
    """Load the audio-only speech recordings of RAVDESS, and download them if they are missing.

    The archive of 208 MB is downloaded from Zenodo, compared with its published checksum, and unpacked into
    the folder "ravdess" in `data_home`, which takes about 560 MB. The folder appears only when it is
    complete; if it exists and is not empty, nothing is downloaded. The license is written to standard error
    before a download.

    Parameters
    ----------
    data_home : str or PathLike, default=None
        Parent of the folder "ravdess", created if it is missing; a leading "~" is the home folder. None means
        the folder in the environment variable SKSER_DATA, or otherwise the cache folder of the user, such as
        ~/.cache/skser on Linux.
    emotions, intensities, statements : iterable of str, default=None
        Values to load, as in :func:`load_ravdess`; None loads all.
    actors : iterable of int, default=None
        Numbers of the actors to load, 1 to 24; None loads all.
    download_if_missing : bool, default=True
        Whether to download missing recordings. False raises an error if they are missing.
    progress : bool, default=True
        Whether to show a progress bar while downloading.

    Returns
    -------
    Bunch
        The corpus of :func:`load_ravdess`.

    Raises
    ------
    OSError
        If the recordings are missing and `download_if_missing` is False; if the server cannot be reached, or
        the connection breaks off; if the file differs from the published one; if space or the permission to
        write is missing. No part of a failed download is kept.
    TypeError, ValueError
        If a parameter is invalid.

    See Also
    --------
    load_ravdess : Load an existing copy.

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
    folder = _find_data_home(data_home) / "ravdess"
    if _is_missing(folder):
        if not download_if_missing:
            cure = f"pass download_if_missing=True, or unpack {_URL} into this folder"
            raise OSError(f"RAVDESS is not in {str(folder)!r}: {cure}.")
        with _make_temporary_folder(folder.parent) as temporary:
            _check_space(temporary, _N_BYTES + _N_BYTES_UNPACKED)
            size = f"{_N_BYTES / 1e6:.0f} MB"
            sys.stderr.write(f"{_LICENSE}\nDownloading {size} from {_URL} for {str(folder)!r}.\n")
            archive = _download(temporary, folder, bool(progress))
            _publish(_unpack(archive, folder), folder)
    return load_ravdess(
        folder, emotions=emotions, intensities=intensities, statements=statements, actors=actors
    )


def _find_data_home(data_home: str | os.PathLike[str] | None) -> Path:
    """Parent folder of the downloaded corpora."""
    if data_home is None:
        import pooch

        return Path(os.environ.get("SKSER_DATA") or pooch.os_cache("skser")).expanduser()
    return Path(check_path(data_home, "data_home", "None or the path of a folder"))


def _is_missing(folder: Path) -> bool:
    """Whether a folder does not exist or is empty."""
    return not folder.exists() or (
        folder.is_dir() and {path.name for path in folder.iterdir()} <= {_BY_SYSTEM}
    )


@contextmanager
def _make_temporary_folder(home: Path) -> Iterator[Path]:
    """Yield a temporary folder in `home`; afterwards, remove it and the empty folders made for it."""
    made = [path for path in (home, *home.parents) if not path.exists()]
    try:
        try:
            home.mkdir(parents=True, exist_ok=True)
            temporary = TemporaryDirectory(prefix=_UNFINISHED, dir=home, ignore_cleanup_errors=True)
        except OSError as error:
            raise _folder_error(home, error) from error
        with temporary as name:
            remove_abandoned(str(home), _UNFINISHED_NAME)
            yield Path(name)
    finally:
        with suppress(OSError):  # a folder that is not empty
            for path in made:
                path.rmdir()


def _check_space(temporary: Path, n_bytes: int) -> None:
    """Raise unless there is space for a number of bytes."""
    free = shutil.disk_usage(temporary).free
    if free < n_bytes:
        space = f"{n_bytes / 1e9:.2f} GB in {str(temporary.parent)!r}, where {free / 1e9:.2f} GB are free"
        raise OSError(f"RAVDESS needs {space}: make space or give another data_home.")


def _download(temporary: Path, folder: Path, progress: bool) -> Path:
    """Download the archive, and raise unless it is the published one."""
    import pooch
    from tqdm import tqdm

    from .._version import __version__

    archive = temporary / "archive.zip"
    agent = {"User-Agent": f"skser/{__version__} pooch/{pooch.__version__}"}
    with tqdm(total=_N_BYTES, unit="B", unit_scale=True, disable=not progress) as bar:
        get = pooch.HTTPDownloader(progressbar=bar, chunk_size=_CHUNK, timeout=_TIMEOUT, headers=agent)
        try:
            get(_URL, str(archive), None)
        except OSError as error:
            if error.errno is not None:  # an error of the local file; errors of requests have no number
                raise _folder_error(temporary.parent, error) from error
            raise _archive_error(folder, _explain(error, archive.stat().st_size)) from error
    md5 = pooch.file_hash(str(archive), alg="md5")
    if md5 != _MD5:
        found = f"{archive.stat().st_size:,} bytes with md5 {md5}"
        published = f"the published {_N_BYTES:,} bytes with md5 {_MD5}"
        raise _archive_error(folder, f"the server sent {found} instead of {published}")
    return archive


def _explain(error: OSError, n_bytes: int) -> str:
    """Explain why a download failed after a number of bytes."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"the server returned status {response.status_code} {response.reason}"
    if n_bytes:
        return f"the connection broke off after {n_bytes:,} of {_N_BYTES:,} bytes"
    return "the server sent no data"


def _unpack(archive: Path, folder: Path) -> Path:
    """Unpack the archive into a folder next to it."""
    unpacked = archive.parent / "unpacked"
    try:
        with zipfile.ZipFile(archive) as zipped:
            for name in zipped.namelist():
                path = PureWindowsPath(name)  # splits at both kinds of slashes, and recognizes drives
                if path.drive or path.root or ".." in path.parts:
                    raise zipfile.BadZipFile(f"its member {name!r} would be outside the folder")
            _check_space(archive.parent, sum(member.file_size for member in zipped.infolist()))
            zipped.extractall(unpacked)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise _archive_error(folder, f"the archive cannot be unpacked: {error}") from error
    except OSError as error:
        if error.errno is None:  # raised by _check_space
            raise
        raise _folder_error(folder.parent, error) from error
    return unpacked


def _publish(unpacked: Path, folder: Path) -> None:
    """Move the unpacked folder to its final place in one step."""
    try:
        with suppress(OSError):  # it does not exist, or another process was faster
            (folder / _BY_SYSTEM).unlink(missing_ok=True)
            folder.rmdir()  # Windows does not replace a folder, even if it is empty
        os.rename(unpacked, folder)
    except OSError as error:
        if _is_missing(folder):  # otherwise another process was faster
            raise _folder_error(folder.parent, error) from error


def _archive_error(folder: Path, cause: str) -> OSError:
    """Error of a download."""
    cure = f"check the connection and try again, or unpack a copy of the archive into {str(folder)!r}"
    return OSError(f"{_URL} could not be fetched ({cause}) and nothing was kept: {cure}.")


def _folder_error(home: Path, error: OSError) -> OSError:
    """Error of a folder that cannot be created or written."""
    kind = PermissionError if isinstance(error, PermissionError) else OSError
    failed = f"data_home={str(home)!r} cannot be written ({error.strerror}) and nothing was kept"
    return kind(f"{failed}: give a folder with space and write permission.")
