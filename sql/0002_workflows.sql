-- The catalogue of remediation workflows: versions, labels, and the index that finds them.

-- What an index can look up of a workflow's labels: 'severity=critical', 'environment=*', … — one key for each label
-- and each member of a list. The five names hold no '=', so no two labels give the same key.
CREATE FUNCTION workflow_label_keys(labels jsonb) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (
    SELECT array_agg(DISTINCT label.name || '=' || member.value)
    FROM jsonb_each(labels) AS label(name, value),
         -- Appending to an array leaves a list as it is and makes a list of a plain string.
         jsonb_array_elements_text('[]'::jsonb || label.value) AS member(value)
);

-- What search reads stands first: PostgreSQL walks a row's columns from the front.
CREATE TABLE remediation_workflow_catalog (
    workflow_id               uuid         PRIMARY KEY,
    created_at                timestamptz  NOT NULL DEFAULT clock_timestamp(),
    updated_at                timestamptz  NOT NULL DEFAULT clock_timestamp(),
    is_latest_version         boolean      NOT NULL,
    status                    varchar(20)  NOT NULL DEFAULT 'active'
                              CHECK (status IN ('active', 'disabled', 'deprecated', 'archived')),
    label_keys                text[]       NOT NULL GENERATED ALWAYS AS (workflow_label_keys(labels)) STORED,
    detected_labels           jsonb        NOT NULL DEFAULT '{}',
    custom_labels             jsonb,
    labels                    jsonb        NOT NULL,
    workflow_name             varchar(255) NOT NULL,
    version                   varchar(50)  NOT NULL,
    name                      varchar(255) NOT NULL,
    description               text         NOT NULL,
    owner                     text,
    maintainer                text,
    content                   text         NOT NULL,
    content_hash              char(64)     NOT NULL,
    parameters                jsonb,
    execution_engine          varchar(50)  NOT NULL,
    container_image           text,
    container_digest          text,
    status_reason             text,
    disabled_at               timestamptz,
    disabled_by               varchar(255),
    disabled_reason           text,
    previous_version          varchar(50),
    deprecation_notice        text,
    version_notes             text,
    change_summary            text,
    approved_by               varchar(255),
    approved_at               timestamptz,
    expected_success_rate     numeric      CHECK (expected_success_rate BETWEEN 0 AND 1),
    expected_duration_seconds integer      CHECK (expected_duration_seconds >= 0),
    actual_success_rate       numeric      CHECK (actual_success_rate BETWEEN 0 AND 1),
    total_executions          bigint       NOT NULL DEFAULT 0 CHECK (total_executions >= 0),
    successful_executions     bigint       NOT NULL DEFAULT 0 CHECK (successful_executions >= 0),
    created_by                varchar(255),
    updated_by                varchar(255),
    UNIQUE (workflow_name, version)
);

-- Two concurrent creates must not leave two latest versions of a name.
CREATE UNIQUE INDEX remediation_workflow_catalog_latest ON remediation_workflow_catalog (workflow_name)
    WHERE is_latest_version;
-- The lists and a name's versions are newest first.
CREATE INDEX remediation_workflow_catalog_newest ON remediation_workflow_catalog (created_at DESC, workflow_id);
-- Search: five labels at once, latest versions only. Without fastupdate, since a search would have to read the list
-- of pending entries from front to back.
CREATE INDEX remediation_workflow_catalog_labels ON remediation_workflow_catalog USING gin (label_keys)
    WITH (fastupdate = off) WHERE is_latest_version;
