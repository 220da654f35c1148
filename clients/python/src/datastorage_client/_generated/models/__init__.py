"""Contains all the data models used in inputs/outputs"""

from .audit_batch_accepted import AuditBatchAccepted
from .audit_batch_created import AuditBatchCreated
from .audit_event import AuditEvent
from .audit_event_accepted import AuditEventAccepted
from .audit_event_created import AuditEventCreated
from .audit_event_event_data import AuditEventEventData
from .audit_event_page import AuditEventPage
from .audit_event_request import AuditEventRequest
from .audit_event_request_event_data import AuditEventRequestEventData
from .custom_labels import CustomLabels
from .dead_letter import DeadLetter
from .dead_letter_accepted import DeadLetterAccepted
from .dead_letter_deleted import DeadLetterDeleted
from .dead_letter_page import DeadLetterPage
from .dead_letter_pagination import DeadLetterPagination
from .detected_label_name import DetectedLabelName
from .detected_labels import DetectedLabels
from .detected_labels_request import DetectedLabelsRequest
from .dlq_status import DlqStatus
from .dlq_status_replay_paused_type_0 import DlqStatusReplayPausedType0
from .dlq_status_streams import DlqStatusStreams
from .dlq_stream import DlqStream
from .dlq_stream_name import DlqStreamName
from .event_category import EventCategory
from .event_outcome import EventOutcome
from .get_docs_asset_name import GetDocsAssetName
from .get_openapi_json_response_200 import GetOpenapiJsonResponse200
from .git_ops_tool import GitOpsTool
from .health import Health
from .health_database import HealthDatabase
from .health_reasons_item import HealthReasonsItem
from .health_redis import HealthRedis
from .health_status import HealthStatus
from .list_audit_events_count import ListAuditEventsCount
from .list_notifications_count import ListNotificationsCount
from .listed_workflow import ListedWorkflow
from .listed_workflow_parameters import ListedWorkflowParameters
from .liveness import Liveness
from .liveness_status import LivenessStatus
from .notification import Notification
from .notification_accepted import NotificationAccepted
from .notification_channel import NotificationChannel
from .notification_page import NotificationPage
from .notification_request import NotificationRequest
from .notification_status import NotificationStatus
from .pagination import Pagination
from .problem import Problem
from .problem_field_errors import ProblemFieldErrors
from .problem_slug import ProblemSlug
from .readiness import Readiness
from .readiness_reason import ReadinessReason
from .readiness_status import ReadinessStatus
from .redis_durability_type_0 import RedisDurabilityType0
from .score_term import ScoreTerm
from .service_mesh import ServiceMesh
from .status_change import StatusChange
from .stored_priority import StoredPriority
from .stored_severity import StoredSeverity
from .workflow import Workflow
from .workflow_batch_created import WorkflowBatchCreated
from .workflow_include import WorkflowInclude
from .workflow_labels import WorkflowLabels
from .workflow_page import WorkflowPage
from .workflow_parameters import WorkflowParameters
from .workflow_patch import WorkflowPatch
from .workflow_priority import WorkflowPriority
from .workflow_request import WorkflowRequest
from .workflow_request_custom_labels_type_0 import WorkflowRequestCustomLabelsType0
from .workflow_request_parameters_type_0 import WorkflowRequestParametersType0
from .workflow_search_filters import WorkflowSearchFilters
from .workflow_search_filters_custom_labels_type_0 import WorkflowSearchFiltersCustomLabelsType0
from .workflow_search_request import WorkflowSearchRequest
from .workflow_search_response import WorkflowSearchResponse
from .workflow_search_response_filters import WorkflowSearchResponseFilters
from .workflow_search_result import WorkflowSearchResult
from .workflow_severity import WorkflowSeverity
from .workflow_status import WorkflowStatus
from .workflow_versions import WorkflowVersions

__all__ = (
    "AuditBatchAccepted",
    "AuditBatchCreated",
    "AuditEvent",
    "AuditEventAccepted",
    "AuditEventCreated",
    "AuditEventEventData",
    "AuditEventPage",
    "AuditEventRequest",
    "AuditEventRequestEventData",
    "CustomLabels",
    "DeadLetter",
    "DeadLetterAccepted",
    "DeadLetterDeleted",
    "DeadLetterPage",
    "DeadLetterPagination",
    "DetectedLabelName",
    "DetectedLabels",
    "DetectedLabelsRequest",
    "DlqStatus",
    "DlqStatusReplayPausedType0",
    "DlqStatusStreams",
    "DlqStream",
    "DlqStreamName",
    "EventCategory",
    "EventOutcome",
    "GetDocsAssetName",
    "GetOpenapiJsonResponse200",
    "GitOpsTool",
    "Health",
    "HealthDatabase",
    "HealthReasonsItem",
    "HealthRedis",
    "HealthStatus",
    "ListAuditEventsCount",
    "ListedWorkflow",
    "ListedWorkflowParameters",
    "ListNotificationsCount",
    "Liveness",
    "LivenessStatus",
    "Notification",
    "NotificationAccepted",
    "NotificationChannel",
    "NotificationPage",
    "NotificationRequest",
    "NotificationStatus",
    "Pagination",
    "Problem",
    "ProblemFieldErrors",
    "ProblemSlug",
    "Readiness",
    "ReadinessReason",
    "ReadinessStatus",
    "RedisDurabilityType0",
    "ScoreTerm",
    "ServiceMesh",
    "StatusChange",
    "StoredPriority",
    "StoredSeverity",
    "Workflow",
    "WorkflowBatchCreated",
    "WorkflowInclude",
    "WorkflowLabels",
    "WorkflowPage",
    "WorkflowParameters",
    "WorkflowPatch",
    "WorkflowPriority",
    "WorkflowRequest",
    "WorkflowRequestCustomLabelsType0",
    "WorkflowRequestParametersType0",
    "WorkflowSearchFilters",
    "WorkflowSearchFiltersCustomLabelsType0",
    "WorkflowSearchRequest",
    "WorkflowSearchResponse",
    "WorkflowSearchResponseFilters",
    "WorkflowSearchResult",
    "WorkflowSeverity",
    "WorkflowStatus",
    "WorkflowVersions",
)
