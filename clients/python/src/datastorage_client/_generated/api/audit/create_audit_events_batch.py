from http import HTTPStatus
from typing import Any

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.audit_batch_accepted import AuditBatchAccepted
from ...models.audit_batch_created import AuditBatchCreated
from ...models.audit_event_request import AuditEventRequest
from ...models.problem import Problem
from ...types import Response


def _get_kwargs(
    *,
    body: list[AuditEventRequest],
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/api/v1/audit/events/batch",
    }

    _kwargs["json"] = []
    for componentsschemas_audit_event_batch_item_data in body:
        componentsschemas_audit_event_batch_item = componentsschemas_audit_event_batch_item_data.to_dict()
        _kwargs["json"].append(componentsschemas_audit_event_batch_item)

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> AuditBatchAccepted | AuditBatchCreated | Problem | None:
    if response.status_code == 200:
        response_200 = AuditBatchCreated.from_dict(response.json())

        return response_200

    if response.status_code == 201:
        response_201 = AuditBatchCreated.from_dict(response.json())

        return response_201

    if response.status_code == 202:
        response_202 = AuditBatchAccepted.from_dict(response.json())

        return response_202

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

    if response.status_code == 409:
        response_409 = Problem.from_dict(response.json())

        return response_409

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
) -> Response[AuditBatchAccepted | AuditBatchCreated | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient,
    body: list[AuditEventRequest],
) -> Response[AuditBatchAccepted | AuditBatchCreated | Problem]:
    """Store many audit events, all or none

     Every element is checked before anything is written. A parent may be an earlier element of the same
    batch.

    Args:
        body (list[AuditEventRequest]): The limit is audit.max_batch_size.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[AuditBatchAccepted | AuditBatchCreated | Problem]
    """

    kwargs = _get_kwargs(
        body=body,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient,
    body: list[AuditEventRequest],
) -> AuditBatchAccepted | AuditBatchCreated | Problem | None:
    """Store many audit events, all or none

     Every element is checked before anything is written. A parent may be an earlier element of the same
    batch.

    Args:
        body (list[AuditEventRequest]): The limit is audit.max_batch_size.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        AuditBatchAccepted | AuditBatchCreated | Problem
    """

    return sync_detailed(
        client=client,
        body=body,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    body: list[AuditEventRequest],
) -> Response[AuditBatchAccepted | AuditBatchCreated | Problem]:
    """Store many audit events, all or none

     Every element is checked before anything is written. A parent may be an earlier element of the same
    batch.

    Args:
        body (list[AuditEventRequest]): The limit is audit.max_batch_size.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[AuditBatchAccepted | AuditBatchCreated | Problem]
    """

    kwargs = _get_kwargs(
        body=body,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient,
    body: list[AuditEventRequest],
) -> AuditBatchAccepted | AuditBatchCreated | Problem | None:
    """Store many audit events, all or none

     Every element is checked before anything is written. A parent may be an earlier element of the same
    batch.

    Args:
        body (list[AuditEventRequest]): The limit is audit.max_batch_size.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        AuditBatchAccepted | AuditBatchCreated | Problem
    """

    return (
        await asyncio_detailed(
            client=client,
            body=body,
        )
    ).parsed
