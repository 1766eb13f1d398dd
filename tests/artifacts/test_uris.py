"""URIs as people and logs may see them."""

import pytest

from tunesmith.artifacts.store import Store
from tunesmith.artifacts.uris import without_credentials, without_userinfo
from tunesmith.errors import StoreError


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("s3://bucket/a@b", "s3://bucket/a@b"),
        ("/home/ann/store", "/home/ann/store"),
        ("s3://AKIA:secret@bucket/x", "s3://…@bucket/x"),
        ("s3://AKIA@bucket/x", "s3://…@bucket/x"),
        ("s3://AKIA:se/cr+et@bucket/x", "s3://…@bucket/x"),
        ("s3://AKIA:se@cr@et@bucket/x", "s3://…@bucket/x"),
        ("https://ann:secret@mlflow.example:5000/", "https://…@mlflow.example:5000/"),
        ("http://127.0.0.1:5000/x", "http://127.0.0.1:5000/x"),
        ("s3://b/x?secret_key=secret&region=eu", "s3://b/x?secret_key=…&region=eu"),
        ("https://b/x?X-Amz-Signature=secret", "https://b/x?X-Amz-Signature=…"),
        ("no s3://me:secret@a/b and s3://me:secret@c", "no s3://…@a/b and s3://…@c"),
    ],
)
def test_a_uri_is_shown_without_what_is_secret(uri: str, shown: str) -> None:
    assert without_credentials(uri) == shown


def test_a_store_that_cannot_be_opened_is_named_without_its_credentials() -> None:
    with pytest.raises(StoreError) as error:
        Store("s3://AKIA:se/cret@bucket/x")
    assert "cret" not in str(error.value)
    assert "s3://…@bucket" in str(error.value)


def test_a_uri_for_others_works_without_its_user() -> None:
    assert without_userinfo("https://ann:secret@mlflow.example/x") == "https://mlflow.example/x"
    assert without_userinfo("https://mlflow.example/x") == "https://mlflow.example/x"
