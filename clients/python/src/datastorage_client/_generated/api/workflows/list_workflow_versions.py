from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.problem import Problem
from ...models.workflow_include import WorkflowInclude
from ...models.workflow_versions import WorkflowVersions
from ...types import UNSET, Response, Unset


def _get_kwargs(
    name: str,
    *,
    limit: int | Unset = 1000,
    cursor: str | Unset = UNSET,
    include: WorkflowInclude | Unset = UNSET,
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    params["limit"] = limit

    params["cursor"] = cursor

    json_include: str | Unset = UNSET
    if not isinstance(include, Unset):
        json_include = include.value

    params["include"] = json_include

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/api/v1/workflows/by-name/{name}/versions".format(
            name=quote(str(name), safe=""),
        ),
        "params": params,
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Problem | WorkflowVersions | None:
    if response.status_code == 200:
        response_200 = WorkflowVersions.from_dict(response.json())

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
) -> Response[Problem | WorkflowVersions]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    name: str,
    *,
    client: AuthenticatedClient,
    limit: int | Unset = 1000,
    cursor: str | Unset = UNSET,
    include: WorkflowInclude | Unset = UNSET,
) -> Response[Problem | WorkflowVersions]:
    """List the versions of a name

     Newest first. An unknown name has none.

    Args:
        name (str):
        limit (int | Unset):  Default: 1000.
        cursor (str | Unset):
        include (WorkflowInclude | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | WorkflowVersions]
    """

    kwargs = _get_kwargs(
        name=name,
        limit=limit,
        cursor=cursor,
        include=include,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    name: str,
    *,
    client: AuthenticatedClient,
    limit: int | Unset = 1000,
    cursor: str | Unset = UNSET,
    include: WorkflowInclude | Unset = UNSET,
) -> Problem | WorkflowVersions | None:
    """List the versions of a name

     Newest first. An unknown name has none.

    Args:
        name (str):
        limit (int | Unset):  Default: 1000.
        cursor (str | Unset):
        include (WorkflowInclude | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | WorkflowVersions
    """

    return sync_detailed(
        name=name,
        client=client,
        limit=limit,
        cursor=cursor,
        include=include,
    ).parsed


async def asyncio_detailed(
    name: str,
    *,
    client: AuthenticatedClient,
    limit: int | Unset = 1000,
    cursor: str | Unset = UNSET,
    include: WorkflowInclude | Unset = UNSET,
) -> Response[Problem | WorkflowVersions]:
    """List the versions of a name

     Newest first. An unknown name has none.

    Args:
        name (str):
        limit (int | Unset):  Default: 1000.
        cursor (str | Unset):
        include (WorkflowInclude | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | WorkflowVersions]
    """

    kwargs = _get_kwargs(
        name=name,
        limit=limit,
        cursor=cursor,
        include=include,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    name: str,
    *,
    client: AuthenticatedClient,
    limit: int | Unset = 1000,
    cursor: str | Unset = UNSET,
    include: WorkflowInclude | Unset = UNSET,
) -> Problem | WorkflowVersions | None:
    """List the versions of a name

     Newest first. An unknown name has none.

    Args:
        name (str):
        limit (int | Unset):  Default: 1000.
        cursor (str | Unset):
        include (WorkflowInclude | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | WorkflowVersions
    """

    return (
        await asyncio_detailed(
            name=name,
            client=client,
            limit=limit,
            cursor=cursor,
            include=include,
        )
    ).parsed
