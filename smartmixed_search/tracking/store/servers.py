"""Tracking servers: whether one answers, and what to do about it if it does not."""

import os
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from smartmixed_search.errors import TrackingError
from smartmixed_search.errors.messages import concealed, in_short, one_line
from smartmixed_search.tracking.store.uris import WHO_ASKS, shown

if TYPE_CHECKING:
    from requests import Response

CHECK_SECONDS = 5
"""How long a server may take to answer the first question."""

_REASON_LENGTH = 200
_MODELS_SINCE = 3
"""The version of MLflow that knows models as things of their own."""
_REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_OF_PROXIES = (
    HTTPStatus.FORBIDDEN,
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)


def ask(uri: str, seconds: float | None = None) -> None:
    """Ask a server something that every one answers.

    Raises:
        TrackingError: it does not answer as an MLflow server does.
    """
    from mlflow.exceptions import MlflowException
    from mlflow.utils.rest_utils import verify_rest_response

    endpoint = "/api/2.0/mlflow/experiments/search"
    answer = _request(uri, endpoint, seconds, "POST", json={"max_results": 1})
    said = f"{shown(uri)} answers {answer.status_code} ({concealed(one_line(answer.text))[:_REASON_LENGTH]})"
    if answer.status_code in _OF_PROXIES and (proxy := _proxy(uri)):
        raise TrackingError(f"cannot reach the tracking server: {said}; {proxy}")
    if answer.status_code in _REFUSED:
        raise TrackingError(f"the tracking server does not let you in: {said}; give {WHO_ASKS}, of a user who may")
    if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise TrackingError(f"the tracking server is out of order: {said}; its log says more")
    try:
        verify_rest_response(answer, endpoint)
    except MlflowException as error:
        raise TrackingError(
            f"there is no MLflow server at the tracking URI: {said}; give another --tracking-uri"
        ) from error


def without_models(uri: str) -> str | None:
    """Return why networks cannot be registered with a store, in a sentence; None if nothing is known to hinder it.

    Raises:
        TrackingError: its server cannot be reached.
    """
    if not uri.startswith("http"):
        return None
    version = _request(uri, "/version", None, "GET").text.strip()
    if not re.fullmatch(rf"[0-{_MODELS_SINCE - 1}]\.\d+\S*", version):
        return None
    return (
        f"SmartMixed's networks are not registered: the tracking server is MLflow {version}, and that needs "
        f"MLflow {_MODELS_SINCE} there"
    )


def reason(error: BaseException) -> str:
    """Return one line on the first cause of an error, and what a server wants to know if it refuses."""
    refused = getattr(error, "error_code", None) in ("UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED", "PERMISSION_DENIED")
    first = _causes(error)[-1]
    line = concealed(in_short(first, kind=False))[:_REASON_LENGTH]
    return f"{line}; give {WHO_ASKS}, of a user who may" if refused else line


def _request(uri: str, endpoint: str, seconds: float | None, method: str, **content: Any) -> "Response":
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request
    from requests.exceptions import SSLError

    credentials = get_default_host_creds(uri)
    try:
        answer: Response = http_request(
            credentials,
            endpoint,
            method,
            timeout=seconds or CHECK_SECONDS,
            max_retries=0,
            raise_on_status=False,
            **content,
        )
    except Exception as error:  # the vendor's own, requests' and urllib3's
        remedy = _proxy(uri) or "start it or give another --tracking-uri"
        if any(isinstance(cause, SSLError) for cause in _causes(error)):
            remedy = "MLFLOW_TRACKING_SERVER_CERT_PATH can name the certificate of an authority of your own"
        raise TrackingError(f"cannot reach the tracking server {shown(uri)} ({reason(error)}); {remedy}") from error
    return answer


def _causes(error: BaseException) -> list[BaseException]:
    """Return an error and what it came of, the first cause last."""
    causes = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None:
        causes.append(cause)
    return causes


def _proxy(uri: str) -> str | None:
    """Return what to do about the proxy that stands before a server, if one does."""
    from requests.utils import get_environ_proxies, select_proxy

    proxy = select_proxy(uri, get_environ_proxies(uri))
    if proxy is None:
        return None
    parts = urlsplit(uri)
    names = (f"{parts.scheme}_proxy", f"{parts.scheme}_proxy".upper(), "all_proxy", "ALL_PROXY")
    name = next((name for name in names if os.environ.get(name) == proxy), "of this system")
    return (
        f"it was asked through the proxy {shown(proxy)} ({name}): add {parts.hostname} to no_proxy if that proxy "
        "does not lead there"
    )
