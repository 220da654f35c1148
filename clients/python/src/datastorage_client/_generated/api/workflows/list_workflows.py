from http import HTTPStatus
from typing import Any

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.problem import Problem
from ...models.stored_priority import StoredPriority
from ...models.stored_severity import StoredSeverity
from ...models.workflow_include import WorkflowInclude
from ...models.workflow_page import WorkflowPage
from ...models.workflow_status import WorkflowStatus
from ...types import UNSET, Response, Unset


def _get_kwargs(
    *,
    status: WorkflowStatus | Unset = UNSET,
    workflow_name: str | Unset = UNSET,
    signal_type: str | Unset = UNSET,
    severity: StoredSeverity | Unset = UNSET,
    component: str | Unset = UNSET,
    environment: str | Unset = UNSET,
    priority: StoredPriority | Unset = UNSET,
    latest: bool | Unset = UNSET,
    limit: int | Unset = 100,
    offset: int | Unset = 0,
    cursor: str | Unset = UNSET,
    include: WorkflowInclude | Unset = UNSET,
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    json_status: str | Unset = UNSET
    if not isinstance(status, Unset):
        json_status = status.value

    params["status"] = json_status

    params["workflow_name"] = workflow_name

    params["signal_type"] = signal_type

    json_severity: str | Unset = UNSET
    if not isinstance(severity, Unset):
        json_severity = severity.value

    params["severity"] = json_severity

    params["component"] = component

    params["environment"] = environment

    json_priority: str | Unset = UNSET
    if not isinstance(priority, Unset):
        json_priority = priority.value

    params["priority"] = json_priority

    params["latest"] = latest

    params["limit"] = limit

    params["offset"] = offset

    params["cursor"] = cursor

    json_include: str | Unset = UNSET
    if not isinstance(include, Unset):
        json_include = include.value

    params["include"] = json_include

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/api/v1/workflows",
        "params": params,
    }

    return _kwargs


def _parse_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Problem | WorkflowPage | None:
    if response.status_code == 200:
        response_200 = WorkflowPage.from_dict(response.json())

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
) -> Response[Problem | WorkflowPage]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient,
    status: WorkflowStatus | Unset = UNSET,
    workflow_name: str | Unset = UNSET,
    signal_type: str | Unset = UNSET,
    severity: StoredSeverity | Unset = UNSET,
    component: str | Unset = UNSET,
    environment: str | Unset = UNSET,
    priority: StoredPriority | Unset = UNSET,
    latest: bool | Unset = UNSET,
    limit: int | Unset = 100,
    offset: int | Unset = 0,
    cursor: str | Unset = UNSET,
    include: WorkflowInclude | Unset = UNSET,
) -> Response[Problem | WorkflowPage]:
    """List workflows

     Newest first. Label filters are about what is stored: the value itself or a member of a list; a
    stored `*` is only
    found by `*`.

    Args:
        status (WorkflowStatus | Unset):
        workflow_name (str | Unset):
        signal_type (str | Unset):
        severity (StoredSeverity | Unset):
        component (str | Unset):
        environment (str | Unset):
        priority (StoredPriority | Unset):
        latest (bool | Unset):
        limit (int | Unset):  Default: 100.
        offset (int | Unset):  Default: 0.
        cursor (str | Unset):
        include (WorkflowInclude | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | WorkflowPage]
    """

    kwargs = _get_kwargs(
        status=status,
        workflow_name=workflow_name,
        signal_type=signal_type,
        severity=severity,
        component=component,
        environment=environment,
        priority=priority,
        latest=latest,
        limit=limit,
        offset=offset,
        cursor=cursor,
        include=include,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient,
    status: WorkflowStatus | Unset = UNSET,
    workflow_name: str | Unset = UNSET,
    signal_type: str | Unset = UNSET,
    severity: StoredSeverity | Unset = UNSET,
    component: str | Unset = UNSET,
    environment: str | Unset = UNSET,
    priority: StoredPriority | Unset = UNSET,
    latest: bool | Unset = UNSET,
    limit: int | Unset = 100,
    offset: int | Unset = 0,
    cursor: str | Unset = UNSET,
    include: WorkflowInclude | Unset = UNSET,
) -> Problem | WorkflowPage | None:
    """List workflows

     Newest first. Label filters are about what is stored: the value itself or a member of a list; a
    stored `*` is only
    found by `*`.

    Args:
        status (WorkflowStatus | Unset):
        workflow_name (str | Unset):
        signal_type (str | Unset):
        severity (StoredSeverity | Unset):
        component (str | Unset):
        environment (str | Unset):
        priority (StoredPriority | Unset):
        latest (bool | Unset):
        limit (int | Unset):  Default: 100.
        offset (int | Unset):  Default: 0.
        cursor (str | Unset):
        include (WorkflowInclude | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | WorkflowPage
    """

    return sync_detailed(
        client=client,
        status=status,
        workflow_name=workflow_name,
        signal_type=signal_type,
        severity=severity,
        component=component,
        environment=environment,
        priority=priority,
        latest=latest,
        limit=limit,
        offset=offset,
        cursor=cursor,
        include=include,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    status: WorkflowStatus | Unset = UNSET,
    workflow_name: str | Unset = UNSET,
    signal_type: str | Unset = UNSET,
    severity: StoredSeverity | Unset = UNSET,
    component: str | Unset = UNSET,
    environment: str | Unset = UNSET,
    priority: StoredPriority | Unset = UNSET,
    latest: bool | Unset = UNSET,
    limit: int | Unset = 100,
    offset: int | Unset = 0,
    cursor: str | Unset = UNSET,
    include: WorkflowInclude | Unset = UNSET,
) -> Response[Problem | WorkflowPage]:
    """List workflows

     Newest first. Label filters are about what is stored: the value itself or a member of a list; a
    stored `*` is only
    found by `*`.

    Args:
        status (WorkflowStatus | Unset):
        workflow_name (str | Unset):
        signal_type (str | Unset):
        severity (StoredSeverity | Unset):
        component (str | Unset):
        environment (str | Unset):
        priority (StoredPriority | Unset):
        latest (bool | Unset):
        limit (int | Unset):  Default: 100.
        offset (int | Unset):  Default: 0.
        cursor (str | Unset):
        include (WorkflowInclude | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | WorkflowPage]
    """

    kwargs = _get_kwargs(
        status=status,
        workflow_name=workflow_name,
        signal_type=signal_type,
        severity=severity,
        component=component,
        environment=environment,
        priority=priority,
        latest=latest,
        limit=limit,
        offset=offset,
        cursor=cursor,
        include=include,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient,
    status: WorkflowStatus | Unset = UNSET,
    workflow_name: str | Unset = UNSET,
    signal_type: str | Unset = UNSET,
    severity: StoredSeverity | Unset = UNSET,
    component: str | Unset = UNSET,
    environment: str | Unset = UNSET,
    priority: StoredPriority | Unset = UNSET,
    latest: bool | Unset = UNSET,
    limit: int | Unset = 100,
    offset: int | Unset = 0,
    cursor: str | Unset = UNSET,
    include: WorkflowInclude | Unset = UNSET,
) -> Problem | WorkflowPage | None:
    """List workflows

     Newest first. Label filters are about what is stored: the value itself or a member of a list; a
    stored `*` is only
    found by `*`.

    Args:
        status (WorkflowStatus | Unset):
        workflow_name (str | Unset):
        signal_type (str | Unset):
        severity (StoredSeverity | Unset):
        component (str | Unset):
        environment (str | Unset):
        priority (StoredPriority | Unset):
        latest (bool | Unset):
        limit (int | Unset):  Default: 100.
        offset (int | Unset):  Default: 0.
        cursor (str | Unset):
        include (WorkflowInclude | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | WorkflowPage
    """

    return (
        await asyncio_detailed(
            client=client,
            status=status,
            workflow_name=workflow_name,
            signal_type=signal_type,
            severity=severity,
            component=component,
            environment=environment,
            priority=priority,
            latest=latest,
            limit=limit,
            offset=offset,
            cursor=cursor,
            include=include,
        )
    ).parsed
