"""The keys that one installation's Airflow signs and encrypts with: random, made once, readable by their owner only."""

import base64
import json
import os
import secrets
import stat
from dataclasses import asdict, dataclass, field
from pathlib import Path

_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class AirflowSecrets:
    """Never shown: every field is left out of the representation.

    Attributes:
        fernet_key: Encrypts connections and variables in the metadata database.
        jwt_secret: Signs the tokens of the API and of running tasks.
        api_secret_key: Signs the web sessions and the requests for logs.
    """

    fernet_key: str = field(repr=False)
    jwt_secret: str = field(repr=False)
    api_secret_key: str = field(repr=False)


def airflow_secrets(path: Path) -> AirflowSecrets:
    """Return the secrets kept at ``path``, making them on the first call. The file's mode is 0600."""
    try:
        return AirflowSecrets(**json.loads(path.read_text(encoding="ascii")))
    except FileNotFoundError:
        made = AirflowSecrets(
            fernet_key=base64.urlsafe_b64encode(secrets.token_bytes(_KEY_BYTES)).decode("ascii"),
            jwt_secret=secrets.token_urlsafe(_KEY_BYTES * 2),
            api_secret_key=secrets.token_urlsafe(_KEY_BYTES),
        )
        write_private(path, json.dumps(asdict(made)))
        return made


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)
