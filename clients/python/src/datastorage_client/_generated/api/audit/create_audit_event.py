from http import HTTPStatus
from typing import Any

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.audit_event_accepted import AuditEventAccepted
from ...models.audit_event_created import AuditEventCreated
from ...models.audit_event_request import AuditEventRequest
from ...models.problem import Problem
from ...types import Response


def _get_kwargs(
    *,
    body: AuditEventRequest,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/api/v1/audit/events",
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> AuditEventAccepted | AuditEventCreated | Problem | None:
    if response.status_code == 200:
        response_200 = AuditEventCreated.from_dict(response.json())

        return response_200

    if response.status_code == 201:
        response_201 = AuditEventCreated.from_dict(response.json())

        return response_201

    if response.status_code == 202:
        response_202 = AuditEventAccepted.from_dict(response.json())

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
) -> Response[AuditEventAccepted | AuditEventCreated | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient,
    body: AuditEventRequest,
) -> Response[AuditEventAccepted | AuditEventCreated | Problem]:
    """Store one audit event

     Answered after the commit (201), or after the dead letter queue has the event (202).

    `event_id` and the UTC date of `event_timestamp` are the event's identity: the same event again is
    answered 200 and
    stored once, different content under the same identity 409. A client that makes its own `event_id`
    can therefore
    retry whatever it got no answer for.

    Args:
        body (AuditEventRequest):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[AuditEventAccepted | AuditEventCreated | Problem]
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
    body: AuditEventRequest,
) -> AuditEventAccepted | AuditEventCreated | Problem | None:
    """Store one audit event

     Answered after the commit (201), or after the dead letter queue has the event (202).

    `event_id` and the UTC date of `event_timestamp` are the event's identity: the same event again is
    answered 200 and
    stored once, different content under the same identity 409. A client that makes its own `event_id`
    can therefore
    retry whatever it got no answer for.

    Args:
        body (AuditEventRequest):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        AuditEventAccepted | AuditEventCreated | Problem
    """

    return sync_detailed(
        client=client,
        body=body,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    body: AuditEventRequest,
) -> Response[AuditEventAccepted | AuditEventCreated | Problem]:
    """Store one audit event

     Answered after the commit (201), or after the dead letter queue has the event (202).

    `event_id` and the UTC date of `event_timestamp` are the event's identity: the same event again is
    answered 200 and
    stored once, different content under the same identity 409. A client that makes its own `event_id`
    can therefore
    retry whatever it got no answer for.

    Args:
        body (AuditEventRequest):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[AuditEventAccepted | AuditEventCreated | Problem]
    """

    kwargs = _get_kwargs(
        body=body,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient,
    body: AuditEventRequest,
) -> AuditEventAccepted | AuditEventCreated | Problem | None:
    """Store one audit event

     Answered after the commit (201), or after the dead letter queue has the event (202).

    `event_id` and the UTC date of `event_timestamp` are the event's identity: the same event again is
    answered 200 and
    stored once, different content under the same identity 409. A client that makes its own `event_id`
    can therefore
    retry whatever it got no answer for.

    Args:
        body (AuditEventRequest):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        AuditEventAccepted | AuditEventCreated | Problem
    """

    return (
        await asyncio_detailed(
            client=client,
            body=body,
        )
    ).parsed
