from http import HTTPStatus
from typing import Any

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.list_notifications_count import ListNotificationsCount
from ...models.notification_channel import NotificationChannel
from ...models.notification_page import NotificationPage
from ...models.notification_status import NotificationStatus
from ...models.problem import Problem
from ...types import UNSET, Response, Unset


def _get_kwargs(
    *,
    remediation_id: str | Unset = UNSET,
    channel: NotificationChannel | Unset = UNSET,
    status: NotificationStatus | Unset = UNSET,
    since: str | Unset = UNSET,
    until: str | Unset = UNSET,
    limit: int | Unset = 50,
    offset: int | Unset = 0,
    cursor: str | Unset = UNSET,
    count: ListNotificationsCount | Unset = ListNotificationsCount.EXACT,
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    params["remediation_id"] = remediation_id

    json_channel: str | Unset = UNSET
    if not isinstance(channel, Unset):
        json_channel = channel.value

    params["channel"] = json_channel

    json_status: str | Unset = UNSET
    if not isinstance(status, Unset):
        json_status = status.value

    params["status"] = json_status

    params["since"] = since

    params["until"] = until

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
        "url": "/api/v1/audit/notifications",
        "params": params,
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> NotificationPage | Problem | None:
    if response.status_code == 200:
        response_200 = NotificationPage.from_dict(response.json())

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
) -> Response[NotificationPage | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient,
    remediation_id: str | Unset = UNSET,
    channel: NotificationChannel | Unset = UNSET,
    status: NotificationStatus | Unset = UNSET,
    since: str | Unset = UNSET,
    until: str | Unset = UNSET,
    limit: int | Unset = 50,
    offset: int | Unset = 0,
    cursor: str | Unset = UNSET,
    count: ListNotificationsCount | Unset = ListNotificationsCount.EXACT,
) -> Response[NotificationPage | Problem]:
    """Query notification records

     Newest first, by sent_at, then id; `since` and `until` are about sent_at.

    Args:
        remediation_id (str | Unset):
        channel (NotificationChannel | Unset):
        status (NotificationStatus | Unset):
        since (str | Unset):
        until (str | Unset):
        limit (int | Unset):  Default: 50.
        offset (int | Unset):  Default: 0.
        cursor (str | Unset):
        count (ListNotificationsCount | Unset):  Default: ListNotificationsCount.EXACT.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[NotificationPage | Problem]
    """

    kwargs = _get_kwargs(
        remediation_id=remediation_id,
        channel=channel,
        status=status,
        since=since,
        until=until,
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
    remediation_id: str | Unset = UNSET,
    channel: NotificationChannel | Unset = UNSET,
    status: NotificationStatus | Unset = UNSET,
    since: str | Unset = UNSET,
    until: str | Unset = UNSET,
    limit: int | Unset = 50,
    offset: int | Unset = 0,
    cursor: str | Unset = UNSET,
    count: ListNotificationsCount | Unset = ListNotificationsCount.EXACT,
) -> NotificationPage | Problem | None:
    """Query notification records

     Newest first, by sent_at, then id; `since` and `until` are about sent_at.

    Args:
        remediation_id (str | Unset):
        channel (NotificationChannel | Unset):
        status (NotificationStatus | Unset):
        since (str | Unset):
        until (str | Unset):
        limit (int | Unset):  Default: 50.
        offset (int | Unset):  Default: 0.
        cursor (str | Unset):
        count (ListNotificationsCount | Unset):  Default: ListNotificationsCount.EXACT.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        NotificationPage | Problem
    """

    return sync_detailed(
        client=client,
        remediation_id=remediation_id,
        channel=channel,
        status=status,
        since=since,
        until=until,
        limit=limit,
        offset=offset,
        cursor=cursor,
        count=count,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    remediation_id: str | Unset = UNSET,
    channel: NotificationChannel | Unset = UNSET,
    status: NotificationStatus | Unset = UNSET,
    since: str | Unset = UNSET,
    until: str | Unset = UNSET,
    limit: int | Unset = 50,
    offset: int | Unset = 0,
    cursor: str | Unset = UNSET,
    count: ListNotificationsCount | Unset = ListNotificationsCount.EXACT,
) -> Response[NotificationPage | Problem]:
    """Query notification records

     Newest first, by sent_at, then id; `since` and `until` are about sent_at.

    Args:
        remediation_id (str | Unset):
        channel (NotificationChannel | Unset):
        status (NotificationStatus | Unset):
        since (str | Unset):
        until (str | Unset):
        limit (int | Unset):  Default: 50.
        offset (int | Unset):  Default: 0.
        cursor (str | Unset):
        count (ListNotificationsCount | Unset):  Default: ListNotificationsCount.EXACT.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[NotificationPage | Problem]
    """

    kwargs = _get_kwargs(
        remediation_id=remediation_id,
        channel=channel,
        status=status,
        since=since,
        until=until,
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
    remediation_id: str | Unset = UNSET,
    channel: NotificationChannel | Unset = UNSET,
    status: NotificationStatus | Unset = UNSET,
    since: str | Unset = UNSET,
    until: str | Unset = UNSET,
    limit: int | Unset = 50,
    offset: int | Unset = 0,
    cursor: str | Unset = UNSET,
    count: ListNotificationsCount | Unset = ListNotificationsCount.EXACT,
) -> NotificationPage | Problem | None:
    """Query notification records

     Newest first, by sent_at, then id; `since` and `until` are about sent_at.

    Args:
        remediation_id (str | Unset):
        channel (NotificationChannel | Unset):
        status (NotificationStatus | Unset):
        since (str | Unset):
        until (str | Unset):
        limit (int | Unset):  Default: 50.
        offset (int | Unset):  Default: 0.
        cursor (str | Unset):
        count (ListNotificationsCount | Unset):  Default: ListNotificationsCount.EXACT.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        NotificationPage | Problem
    """

    return (
        await asyncio_detailed(
            client=client,
            remediation_id=remediation_id,
            channel=channel,
            status=status,
            since=since,
            until=until,
            limit=limit,
            offset=offset,
            cursor=cursor,
            count=count,
        )
    ).parsed
