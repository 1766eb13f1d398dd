"""Conditional writes to S3, which pyarrow's file system does not have.

The one place that uses botocore. A write says what it expects to replace (`If-Match`) or that
nothing is there yet (`If-None-Match`); the server refuses it where that is not so.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from pyarrow import fs as pafs

from tunesmith.errors import StoreError, StoreUnreachableError

__all__ = ["Bucket", "Object"]

_REFUSED = {"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey", "409", "412"}
_ABSENT = {"NoSuchKey", "404"}
_PROBE = ".conditions"


@dataclass(frozen=True)
class Object:
    """An object's content, and the tag that its server gave to it; None for both without one."""

    data: bytes | None
    tag: str | None


class Bucket:
    """Objects of an S3 bucket, written on conditions.

    Parameters
    ----------
    uri
        The store's URI, from which come credentials, region and endpoint where it names them.
    fs
        The store's file system, which knows the region.
    root
        Bucket and prefix of the store.
    shown
        The URI for messages.

    Raises
    ------
    StoreError
        When botocore is not installed, or the server does not know conditions.
    """

    def __init__(self, uri: str, fs: pafs.S3FileSystem, root: str, shown: str) -> None:
        try:
            import botocore.config
            import botocore.session
            from botocore import exceptions
        except ImportError as error:
            message = (
                f"Changes in the store {shown} need botocore: pip install 'tunesmith[train]' or "
                "'tunesmith[serve]'."
            )
            raise StoreError(message) from error
        self._errors = (exceptions.BotoCoreError, exceptions.ClientError)
        self._shown = shown
        parts = urlsplit(uri)
        options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        endpoint = options.get("endpoint_override")
        if endpoint and "://" not in endpoint:
            endpoint = f"{options.get('scheme', 'https')}://{endpoint}"
        addressing = {"addressing_style": "path" if endpoint else "auto"}
        config = botocore.config.Config(
            s3=addressing,
            connect_timeout=10,
            read_timeout=60,
            retries={"mode": "standard", "total_max_attempts": 4},
            # Servers other than Amazon's do not all know the newer checksums.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        self._client: Any = botocore.session.Session().create_client(
            "s3",
            region_name=options.get("region") or fs.region,
            endpoint_url=endpoint,
            aws_access_key_id=unquote(parts.username) if parts.username else None,
            aws_secret_access_key=unquote(parts.password) if parts.password else None,
            config=config,
        )
        self._require_conditions(root)

    def read(self, path: str) -> Object:
        """Return the object at ``bucket/key``."""
        try:
            answer = self._client.get_object(**_place(path))
            return Object(answer["Body"].read(), answer["ETag"])
        except self._errors as error:
            if _code(error) in _ABSENT:
                return Object(None, None)
            raise self._unreachable(error) from error

    def write(self, path: str, data: bytes, tag: str | None) -> bool:
        """Write an object in place of the one with `tag`, None for none; return whether it is so.

        After an answer that was lost on its way botocore writes again, and what refuses it is the
        first of its own writes.
        """
        condition = {"IfMatch": tag} if tag is not None else {"IfNoneMatch": "*"}
        try:
            self._client.put_object(**_place(path), Body=data, **condition)
        except self._errors as error:
            if _code(error) not in _REFUSED:
                raise self._unreachable(error) from error
            return _was_repeated(error) and self.read(path).data == data
        return True

    def _require_conditions(self, root: str) -> None:
        """Refuse a server that takes any write: it would lose changes without a word."""
        path = f"{root.rstrip('/')}/{_PROBE}"
        if self.read(path).tag is None:
            self.write(path, b"1", None)
        condition_sets: tuple[dict[str, str], ...] = ({"IfNoneMatch": "*"}, {"IfMatch": '"0"'})
        for condition in condition_sets:
            try:
                self._client.put_object(**_place(path), Body=b"1", **condition)
            except self._errors as error:
                if _code(error) in _REFUSED:
                    continue
                raise self._unreachable(error) from error
            message = (
                f"The server of the store {self._shown} does not know conditional writes (If-Match "
                "and If-None-Match of S3), so two commands could undo each other unnoticed. Update "
                "it, or use another store."
            )
            raise StoreError(message)

    def _unreachable(self, error: Exception) -> StoreUnreachableError:
        message = (
            f"The store {self._shown} cannot be reached: {error}. Check its address, its "
            "credentials and the network; `tunesmith doctor` tries them."
        )
        return StoreUnreachableError(message)


def _place(path: str) -> dict[str, str]:
    bucket, _, key = path.partition("/")
    return {"Bucket": bucket, "Key": key}


def _code(error: Exception) -> str:
    """Return S3's name of a refusal, '' for errors of the connection."""
    response = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def _was_repeated(error: Exception) -> bool:
    response = getattr(error, "response", None) or {}
    return bool(response.get("ResponseMetadata", {}).get("RetryAttempts"))
