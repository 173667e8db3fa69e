"""The DVC remote as what it is: files named after their MD5. Every read is checked; DVC's own status is not believed.

``dvc push`` and ``dvc status --cloud`` trust a listing, and ``dvc get`` delivers corrupt objects. So what was pushed is
read back and hashed here, and what is restored is hashed on its way. MD5 is DVC's name for an object; what counts is
our SHA-256 beside it.
"""

import hashlib
import posixpath
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import fsspec
import yaml

from feature_store.errors import RemoteDamaged
from ledgerline.core.storage import replacing

_CHUNK_BYTES = 1 << 20
_AT_ONCE = 4
_EXAMPLES = 3
_YAML = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # a version has a thousand files


@dataclass(frozen=True, slots=True)
class TrackedFile:
    """A file that DVC keeps.

    Attributes:
        path: Where it lies, below the workspace.
        md5: DVC's name for its bytes.
        sha256: Our own hash of them.
        size: How many there are; None where DVC did not say.
    """

    path: str
    md5: str
    sha256: str
    size: int | None = None


class Remote:
    """A DVC remote.

    Args:
        url: A path, or any URL that fsspec reaches.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._fs, self._root = fsspec.core.url_to_fs(url)

    def verify(self, files: Sequence[TrackedFile], *, remedy: str) -> None:
        """Read every file's object and hash it.

        Args:
            files: Which.
            remedy: What the reader of the error is to do.

        Raises:
            RemoteDamaged: Naming those that are missing or hash to something else.
        """
        if problems := list(self.problems(files).values()):
            more = f" and {len(problems) - _EXAMPLES} more" if len(problems) > _EXAMPLES else ""
            raise RemoteDamaged(
                f"{len(problems)} of {len(files)} objects in the DVC remote {self._url} are not what was sealed: "
                f"{'; '.join(problems[:_EXAMPLES])}{more}. {remedy}"
            )

    def problems(self, files: Sequence[TrackedFile]) -> dict[TrackedFile, str]:
        """Read every file's object and return what is wrong, of those that are missing or hash to something else."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = zip(files, pool.map(self._problem, files), strict=True)
            return {file: problem for file, problem in found if problem}

    def put(self, file: TrackedFile, copy: Path) -> None:
        """Make ``copy`` a file's object, in the place of whatever lies there; DVC itself overwrites no object.

        What was there goes only once the new object lies beside it and was read back.

        Raises:
            RemoteDamaged: What was written does not hash to what was sealed.
        """
        name = self._object(file)
        beside = f"{name}.repair"
        self._fs.makedirs(name.rsplit("/", 1)[0], exist_ok=True)
        with copy.open("rb") as source, self._fs.open(beside, "wb") as target:
            shutil.copyfileobj(source, target, _CHUNK_BYTES)
        if problem := self._problem(file, name=beside):
            self._fs.rm(beside)
            raise RemoteDamaged(f"the DVC remote {self._url} does not keep what is written to it: {problem}")
        if self._fs.exists(name):
            self._fs.rm(name)
        self._fs.mv(beside, name)

    def not_in_place(self, files: Sequence[TrackedFile]) -> list[TrackedFile]:
        """Return the files whose object is missing or has another size, without reading any.

        For objects that were read and hashed when they were pushed; :meth:`verify` reads them again.
        """
        folders = sorted({file.md5[:2] for file in files})
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            listed = dict(zip(folders, pool.map(self._sizes, folders), strict=True))
        return [file for file in files if not _is_in_place(file, listed[file.md5[:2]])]

    def fetch(self, file: TrackedFile, into: Path) -> Path:
        """Copy a file's object to ``into / file.path``, hashing it on its way; a wrong one leaves nothing behind.

        Raises:
            RemoteDamaged: It is missing, or hashes to something else.
        """
        target = into / file.path
        with replacing(target) as temporary, temporary.open("wb") as copy:
            if problem := self._problem(file, copy):
                raise RemoteDamaged(f"the DVC remote {self._url} cannot give back {problem}")
        return target

    def fetch_all(self, files: list[TrackedFile], into: Path) -> list[Path]:
        """Fetch several files, some at once, and return their paths in order.

        Raises:
            RemoteDamaged: One of them is missing, or hashes to something else.
        """
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(lambda file: self.fetch(file, into), files))

    def _sizes(self, folder: str) -> dict[str, int]:
        """Return the size of every object whose name begins with two digits."""
        try:
            entries = self._fs.ls(f"{self._root}/files/md5/{folder}", detail=True)
        except FileNotFoundError:
            return {}
        return {str(entry["name"]).rsplit("/", 1)[-1]: int(entry["size"]) for entry in entries}

    def _object(self, file: TrackedFile) -> str:
        return f"{self._root}/files/md5/{file.md5[:2]}/{file.md5[2:]}"

    def _problem(self, file: TrackedFile, copy: BinaryIO | None = None, *, name: str = "") -> str | None:
        """Read a file's object, or ``name`` for it, into ``copy`` if given; return None, or what is wrong with it."""
        md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
        try:
            with self._fs.open(name or self._object(file), "rb") as stream:
                while chunk := stream.read(_CHUNK_BYTES):
                    md5.update(chunk)
                    sha256.update(chunk)
                    if copy:
                        copy.write(chunk)
        except FileNotFoundError:
            return f"{file.path}: object {file.md5} is missing"
        if (md5.hexdigest(), sha256.hexdigest()) != (file.md5, file.sha256):
            return f"{file.path}: object {file.md5} now hashes to {sha256.hexdigest()} and not {file.sha256}"
        return None


def _is_in_place(file: TrackedFile, sizes: Mapping[str, int]) -> bool:
    size = sizes.get(file.md5[2:])
    return size is not None and file.size in (None, size)


def md5_of(path: Path) -> str:
    """Return DVC's name for a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def tracked_md5(dvc_file: bytes) -> str:
    """Return the MD5 that a ``.dvc`` file of one output holds."""
    return _tracked(dvc_file)[0]


def tracked_outputs(dvc_file: bytes, name: str) -> dict[str, str]:
    """Return the MD5 of everything that a ``.dvc`` file tracks by its path; that of a folder ends in ``.dir``.

    Args:
        dvc_file: The file's bytes.
        name: Where it lies, below the workspace; the paths are below it too.
    """
    body = yaml.load(dvc_file, Loader=_YAML) or {}  # noqa: S506  (a safe loader)
    folder = posixpath.join(posixpath.dirname(name), body.get("wdir") or "")
    return {
        posixpath.normpath(posixpath.join(folder, output["path"])): str(output["md5"])
        for output in body.get("outs") or ()
        if "md5" in output
    }


def _tracked(dvc_file: bytes) -> tuple[str, int | None]:
    """Return the MD5 and the size of one output."""
    output = yaml.load(dvc_file, Loader=_YAML)["outs"][0]  # noqa: S506  (a safe loader)
    return str(output["md5"]), output.get("size")


def tracked_files(files: Mapping[str, str], dvc_files: Mapping[str, bytes | None]) -> list[TrackedFile]:
    """Return each file with DVC's name for it.

    Args:
        files: Path and SHA-256.
        dvc_files: Path and the bytes of the ``.dvc`` file beside it.

    Raises:
        RemoteDamaged: A file has no ``.dvc`` file.
    """
    absent = [path for path in files if not dvc_files.get(path)]
    if absent:
        raise RemoteDamaged(f"DVC does not track {len(absent)} of {len(files)} files, e.g. {absent[0]}; build again")
    found = []
    for path, sha256 in files.items():
        md5, size = _tracked(dvc_files[path] or b"")
        found.append(TrackedFile(path, md5, sha256, size))
    return found
