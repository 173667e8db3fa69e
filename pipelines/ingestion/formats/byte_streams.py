"""Open a file's bytes for reading, through gzip where its name says so."""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pipelines.ingestion.reasons import FileRefused, RefusalReason


@contextmanager
def opened(path: Path, *, name: str) -> Iterator[IO[bytes]]:
    """Yield a stream over the uncompressed bytes at ``path``.

    Args:
        path: Where the bytes lie.
        name: What the source called the file; ``.gz`` at its end means gzip.

    Raises:
        FileRefused: While the block reads: the compressed stream ends early, or is damaged.
    """
    with path.open("rb") as raw:
        if not name.lower().endswith(".gz"):
            yield raw
            return
        try:
            with io.BufferedReader(gzip.GzipFile(fileobj=raw)) as stream:
                yield stream
        except EOFError as error:
            raise FileRefused(
                "the gzip stream ends before its end mark: the file was cut off; fetch it again",
                reason=RefusalReason.TRUNCATED_GZIP,
            ) from error
        except (gzip.BadGzipFile, zlib.error) as error:
            raise FileRefused(
                "the gzip stream is damaged; fetch the file again",
                reason=RefusalReason.CORRUPT_GZIP,
                quoting=f" ({error})",
            ) from error
