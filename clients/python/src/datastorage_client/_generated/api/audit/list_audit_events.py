from http import HTTPStatus
from typing import Any

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.audit_event_page import AuditEventPage
from ...models.event_outcome import EventOutcome
from ...models.list_audit_events_count import ListAuditEventsCount
from ...models.problem import Problem
from ...types import UNSET, Response, Unset


def _get_kwargs(
    *,
    event_type: str | Unset = UNSET,
    event_category: str | Unset = UNSET,
    event_outcome: EventOutcome | Unset = UNSET,
    severity: str | Unset = UNSET,
    correlation_id: str | Unset = UNSET,
    actor_type: str | Unset = UNSET,
    actor_id: str | Unset = UNSET,
    resource_type: str | Unset = UNSET,
    resource_id: str | Unset = UNSET,
    namespace: str | Unset = UNSET,
    cluster_name: str | Unset = UNSET,
    since: str | Unset = UNSET,
    until: str | Unset = UNSET,
    data: str | Unset = UNSET,
    limit: int | Unset = 50,
    offset: int | Unset = 0,
    cursor: str | Unset = UNSET,
    count: ListAuditEventsCount | Unset = ListAuditEventsCount.EXACT,
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    params["event_type"] = event_type

    params["event_category"] = event_category

    json_event_outcome: str | Unset = UNSET
    if not isinstance(event_outcome, Unset):
        json_event_outcome = event_outcome.value

    params["event_outcome"] = json_event_outcome

    params["severity"] = severity

    params["correlation_id"] = correlation_id

    params["actor_type"] = actor_type

    params["actor_id"] = actor_id

    params["resource_type"] = resource_type

    params["resource_id"] = resource_id

    params["namespace"] = namespace

    params["cluster_name"] = cluster_name

    params["since"] = since

    params["until"] = until

    params["data"] = data

    params["limit"] = limit

    params["offset"] = offset

    params["cursor"] = cursor

    json_count: str | Unset = UNSET
    if not isinstance(count, Unset):
        json_count = count.value

    params["count"] = json_count

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/api/v1/audit/events",
        "params": params,
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> AuditEventPage | Problem | None:
    if response.status_code == 200:
        response_200 = AuditEventPage.from_dict(response.json())

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
) -> Response[AuditEventPage | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient,
    event_type: str | Unset = UNSET,
    event_category: str | Unset = UNSET,
    event_outcome: EventOutcome | Unset = UNSET,
    severity: str | Unset = UNSET,
    correlation_id: str | Unset = UNSET,
    actor_type: str | Unset = UNSET,
    actor_id: str | Unset = UNSET,
    resource_type: str | Unset = UNSET,
    resource_id: str | Unset = UNSET,
    namespace: str | Unset = UNSET,
    cluster_name: str | Unset = UNSET,
    since: str | Unset = UNSET,
    until: str | Unset = UNSET,
    data: str | Unset = UNSET,
    limit: int | Unset = 50,
    offset: int | Unset = 0,
    cursor: str | Unset = UNSET,
    count: ListAuditEventsCount | Unset = ListAuditEventsCount.EXACT,
) -> Response[AuditEventPage | Problem]:
    """Query audit events

     Filters are exact, case-sensitive and joined by AND. Newest first: event_timestamp, then event_id,
    both descending.

    Args:
        event_type (str | Unset):
        event_category (str | Unset):
        event_outcome (EventOutcome | Unset):
        severity (str | Unset):
        correlation_id (str | Unset):
        actor_type (str | Unset):
        actor_id (str | Unset):
        resource_type (str | Unset):
        resource_id (str | Unset):
        namespace (str | Unset):
        cluster_name (str | Unset):
        since (str | Unset):
        until (str | Unset):
        data (str | Unset):
        limit (int | Unset):  Default: 50.
        offset (int | Unset):  Default: 0.
        cursor (str | Unset):
        count (ListAuditEventsCount | Unset):  Default: ListAuditEventsCount.EXACT.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[AuditEventPage | Problem]
    """

    kwargs = _get_kwargs(
        event_type=event_type,
        event_category=event_category,
        event_outcome=event_outcome,
        severity=severity,
        correlation_id=correlation_id,
        actor_type=actor_type,
        actor_id=actor_id,
        resource_type=resource_type,
        resource_id=resource_id,
        namespace=namespace,
        cluster_name=cluster_name,
        since=since,
        until=until,
        data=data,
        limit=limit,
        offset=offset,
        cursor=cursor,
        count=count,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient,
    event_type: str | Unset = UNSET,
    event_category: str | Unset = UNSET,
    event_outcome: EventOutcome | Unset = UNSET,
    severity: str | Unset = UNSET,
    correlation_id: str | Unset = UNSET,
    actor_type: str | Unset = UNSET,
    actor_id: str | Unset = UNSET,
    resource_type: str | Unset = UNSET,
    resource_id: str | Unset = UNSET,
    namespace: str | Unset = UNSET,
    cluster_name: str | Unset = UNSET,
    since: str | Unset = UNSET,
    until: str | Unset = UNSET,
    data: str | Unset = UNSET,
    limit: int | Unset = 50,
    offset: int | Unset = 0,
    cursor: str | Unset = UNSET,
    count: ListAuditEventsCount | Unset = ListAuditEventsCount.EXACT,
) -> AuditEventPage | Problem | None:
    """Query audit events

     Filters are exact, case-sensitive and joined by AND. Newest first: event_timestamp, then event_id,
    both descending.

    Args:
        event_type (str | Unset):
        event_category (str | Unset):
        event_outcome (EventOutcome | Unset):
        severity (str | Unset):
        correlation_id (str | Unset):
        actor_type (str | Unset):
        actor_id (str | Unset):
        resource_type (str | Unset):
        resource_id (str | Unset):
        namespace (str | Unset):
        cluster_name (str | Unset):
        since (str | Unset):
        until (str | Unset):
        data (str | Unset):
        limit (int | Unset):  Default: 50.
        offset (int | Unset):  Default: 0.
        cursor (str | Unset):
        count (ListAuditEventsCount | Unset):  Default: ListAuditEventsCount.EXACT.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        AuditEventPage | Problem
    """

    return sync_detailed(
        client=client,
        event_type=event_type,
        event_category=event_category,
        event_outcome=event_outcome,
        severity=severity,
        correlation_id=correlation_id,
        actor_type=actor_type,
        actor_id=actor_id,
        resource_type=resource_type,
        resource_id=resource_id,
        namespace=namespace,
        cluster_name=cluster_name,
        since=since,
        until=until,
        data=data,
        limit=limit,
        offset=offset,
        cursor=cursor,
        count=count,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    event_type: str | Unset = UNSET,
    event_category: str | Unset = UNSET,
    event_outcome: EventOutcome | Unset = UNSET,
    severity: str | Unset = UNSET,
    correlation_id: str | Unset = UNSET,
    actor_type: str | Unset = UNSET,
    actor_id: str | Unset = UNSET,
    resource_type: str | Unset = UNSET,
    resource_id: str | Unset = UNSET,
    namespace: str | Unset = UNSET,
    cluster_name: str | Unset = UNSET,
    since: str | Unset = UNSET,
    until: str | Unset = UNSET,
    data: str | Unset = UNSET,
    limit: int | Unset = 50,
    offset: int | Unset = 0,
    cursor: str | Unset = UNSET,
    count: ListAuditEventsCount | Unset = ListAuditEventsCount.EXACT,
) -> Response[AuditEventPage | Problem]:
    """Query audit events

     Filters are exact, case-sensitive and joined by AND. Newest first: event_timestamp, then event_id,
    both descending.

    Args:
        event_type (str | Unset):
        event_category (str | Unset):
        event_outcome (EventOutcome | Unset):
        severity (str | Unset):
        correlation_id (str | Unset):
        actor_type (str | Unset):
        actor_id (str | Unset):
        resource_type (str | Unset):
        resource_id (str | Unset):
        namespace (str | Unset):
        cluster_name (str | Unset):
        since (str | Unset):
        until (str | Unset):
        data (str | Unset):
        limit (int | Unset):  Default: 50.
        offset (int | Unset):  Default: 0.
        cursor (str | Unset):
        count (ListAuditEventsCount | Unset):  Default: ListAuditEventsCount.EXACT.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[AuditEventPage | Problem]
    """

    kwargs = _get_kwargs(
        event_type=event_type,
        event_category=event_category,
        event_outcome=event_outcome,
        severity=severity,
        correlation_id=correlation_id,
        actor_type=actor_type,
        actor_id=actor_id,
        resource_type=resource_type,
        resource_id=resource_id,
        namespace=namespace,
        cluster_name=cluster_name,
        since=since,
        until=until,
        data=data,
        limit=limit,
        offset=offset,
        cursor=cursor,
        count=count,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient,
    event_type: str | Unset = UNSET,
    event_category: str | Unset = UNSET,
    event_outcome: EventOutcome | Unset = UNSET,
    severity: str | Unset = UNSET,
    correlation_id: str | Unset = UNSET,
    actor_type: str | Unset = UNSET,
    actor_id: str | Unset = UNSET,
    resource_type: str | Unset = UNSET,
    resource_id: str | Unset = UNSET,
    namespace: str | Unset = UNSET,
    cluster_name: str | Unset = UNSET,
    since: str | Unset = UNSET,
    until: str | Unset = UNSET,
    data: str | Unset = UNSET,
    limit: int | Unset = 50,
    offset: int | Unset = 0,
    cursor: str | Unset = UNSET,
    count: ListAuditEventsCount | Unset = ListAuditEventsCount.EXACT,
) -> AuditEventPage | Problem | None:
    """Query audit events

     Filters are exact, case-sensitive and joined by AND. Newest first: event_timestamp, then event_id,
    both descending.

    Args:
        event_type (str | Unset):
        event_category (str | Unset):
        event_outcome (EventOutcome | Unset):
        severity (str | Unset):
        correlation_id (str | Unset):
        actor_type (str | Unset):
        actor_id (str | Unset):
        resource_type (str | Unset):
        resource_id (str | Unset):
        namespace (str | Unset):
        cluster_name (str | Unset):
        since (str | Unset):
        until (str | Unset):
        data (str | Unset):
        limit (int | Unset):  Default: 50.
        offset (int | Unset):  Default: 0.
        cursor (str | Unset):
        count (ListAuditEventsCount | Unset):  Default: ListAuditEventsCount.EXACT.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        AuditEventPage | Problem
    """

    return (
        await asyncio_detailed(
            client=client,
            event_type=event_type,
            event_category=event_category,
            event_outcome=event_outcome,
            severity=severity,
            correlation_id=correlation_id,
            actor_type=actor_type,
            actor_id=actor_id,
            resource_type=resource_type,
            resource_id=resource_id,
            namespace=namespace,
            cluster_name=cluster_name,
            since=since,
            until=until,
            data=data,
            limit=limit,
            offset=offset,
            cursor=cursor,
            count=count,
        )
    ).parsed
