import pytest

from smartmixed_search.errors import TrackingError
from smartmixed_search.errors.messages import concealed
from smartmixed_search.tracking.store.uris import followed, normalize_uri, shown


@pytest.mark.parametrize(
    ("uri", "seen"),
    [
        ("http://TOKEN@host:5000", "http://…@host:5000"),
        ("https://me:secret@host/mlflow", "https://…@host/mlflow"),
        ("https://me:sec/re@t@host", "https://…@host"),
        ("https://me:se'c\"ret 1@host", "https://…@host"),
        ("https://host/?token=se'cret)1", "https://host/?…"),
        ("postgresql://me:secret@host/db?password=secret", "postgresql://…@host/db?…"),
        ("me:secret@host/db", "…@host/db"),
        ("http://host:5000/?token=secret#secret", "http://host:5000/?…"),
        ("sqlite:////home/me@work/mlflow.db", "sqlite:////home/me@work/mlflow.db"),
        ("runs@2/mlflow.db", "runs@2/mlflow.db"),
    ],
)
def test_a_uri_is_shown_without_its_secrets(uri: str, seen: str) -> None:
    assert shown(uri) == seen


def test_secrets_inside_of_a_message_are_left_out() -> None:
    message = "request to 'http://me:secret@host/api?key=secret' failed"
    assert concealed(message) == "request to 'http://…@host/api?…' failed"
    assert concealed('"http://me:se\'cret@host" failed, says it@host') == '"http://…@host" failed, says it@host'


@pytest.mark.parametrize("uri", ["http://host:5000?token=secret", "http://me:secret@host:5000/#secret"])
def test_the_address_of_a_server_has_no_query(uri: str) -> None:
    with pytest.raises(TrackingError, match="MLFLOW_TRACKING_TOKEN") as caught:
        normalize_uri(uri)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("http://host:5000", "file:///old/mlartifacts/1/artifacts"),
        ("sqlite:////here/mlflow.db", "file:///here/mlartifacts/1/artifacts"),
        ("sqlite:////here/mlflow.db", "s3://bucket/mlartifacts/1/artifacts"),
        ("sqlite:////here/mlflow.db", "file:///elsewhere/1/artifacts"),
        ("sqlite:////here/mlflow.db", "file:///elsewhere/mlartifacts/1/0123456789abcdef0123456789abcdef/artifacts"),
    ],
)
def test_what_is_no_folder_beside_a_file_is_left_where_it_is(uri: str, address: str) -> None:
    assert followed(uri, address) == address
