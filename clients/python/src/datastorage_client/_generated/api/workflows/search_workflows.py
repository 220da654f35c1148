from http import HTTPStatus
from typing import Any

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.problem import Problem
from ...models.workflow_search_request import WorkflowSearchRequest
from ...models.workflow_search_response import WorkflowSearchResponse
from ...types import UNSET, Response, Unset


def _get_kwargs(
    *,
    body: WorkflowSearchRequest,
    explain: bool | Unset = False,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    params: dict[str, Any] = {}

    params["explain"] = explain

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/api/v1/workflows/search",
        "params": params,
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Problem | WorkflowSearchResponse | None:
    if response.status_code == 200:
        response_200 = WorkflowSearchResponse.from_dict(response.json())

        return response_200

    if response.status_code == 400:
        response_400 = Problem.from_dict(response.json())

        return response_400

    if response.status_code == 401:
        response_401 = Problem.from_dict(response.json())

        return response_401

    if response.status_code == 403:
        response_403 = Problem.from_dict(response.json())

        return response_403

    if response.status_code == 408:
        response_408 = Problem.from_dict(response.json())

        return response_408

    if response.status_code == 413:
        response_413 = Problem.from_dict(response.json())

        return response_413

    if response.status_code == 415:
        response_415 = Problem.from_dict(response.json())

        return response_415

    if response.status_code == 500:
        response_500 = Problem.from_dict(response.json())

        return response_500

    if response.status_code == 503:
        response_503 = Problem.from_dict(response.json())

        return response_503

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    else:
        return None


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[Problem | WorkflowSearchResponse]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient,
    body: WorkflowSearchRequest,
    explain: bool | Unset = False,
) -> Response[Problem | WorkflowSearchResponse]:
    """Find the workflows that fit a signal, best first

     All five labels have to match: by value, or because the stored one is `*`. Custom and detected
    labels only change
    the score. Latest versions only; active ones, unless `filters.status` or `include_disabled` says
    otherwise.
    Every search leaves an audit event.

    Args:
        explain (bool | Unset):  Default: False.
        body (WorkflowSearchRequest):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | WorkflowSearchResponse]
    """

    kwargs = _get_kwargs(
        body=body,
        explain=explain,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient,
    body: WorkflowSearchRequest,
    explain: bool | Unset = False,
) -> Problem | WorkflowSearchResponse | None:
    """Find the workflows that fit a signal, best first

     All five labels have to match: by value, or because the stored one is `*`. Custom and detected
    labels only change
    the score. Latest versions only; active ones, unless `filters.status` or `include_disabled` says
    otherwise.
    Every search leaves an audit event.

    Args:
        explain (bool | Unset):  Default: False.
        body (WorkflowSearchRequest):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | WorkflowSearchResponse
    """

    return sync_detailed(
        client=client,
        body=body,
        explain=explain,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    body: WorkflowSearchRequest,
    explain: bool | Unset = False,
) -> Response[Problem | WorkflowSearchResponse]:
    """Find the workflows that fit a signal, best first

     All five labels have to match: by value, or because the stored one is `*`. Custom and detected
    labels only change
    the score. Latest versions only; active ones, unless `filters.status` or `include_disabled` says
    otherwise.
    Every search leaves an audit event.

    Args:
        explain (bool | Unset):  Default: False.
        body (WorkflowSearchRequest):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | WorkflowSearchResponse]
    """

    kwargs = _get_kwargs(
        body=body,
        explain=explain,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient,
    body: WorkflowSearchRequest,
    explain: bool | Unset = False,
) -> Problem | WorkflowSearchResponse | None:
    """Find the workflows that fit a signal, best first

     All five labels have to match: by value, or because the stored one is `*`. Custom and detected
    labels only change
    the score. Latest versions only; active ones, unless `filters.status` or `include_disabled` says
    otherwise.
    Every search leaves an audit event.

    Args:
        explain (bool | Unset):  Default: False.
        body (WorkflowSearchRequest):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | WorkflowSearchResponse
    """

    return (
        await asyncio_detailed(
            client=client,
            body=body,
            explain=explain,
        )
    ).parsed
