-- Keys that decide all five labels of a search at once. Searched label by label, an index walks through every workflow
-- that takes a common value; together, few share a key. The column and index of each label stay: lists filter by them,
-- and so does the release before this one, which may run beside it.

-- 'a:critical|P0|OOMKilled' and 'b:3:podproduction', one key for each combination of values where labels are lists.
-- Severity and priority come out of closed sets without '|'; the length tells where a component ends. No two
-- combinations give the same key. app/workflows/search.py makes the keys that are looked for.
CREATE FUNCTION workflow_match_keys(labels jsonb) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (
    SELECT array_agg(DISTINCT keys.key)
    FROM (
        SELECT 'a:' || severity.value || '|' || priority.value || '|' || signal.value AS key
        FROM (SELECT DISTINCT value FROM jsonb_array_elements_text('[]'::jsonb || (labels -> 'severity'))) AS severity,
             (SELECT DISTINCT value FROM jsonb_array_elements_text('[]'::jsonb || (labels -> 'priority'))) AS priority,
             jsonb_array_elements_text('[]'::jsonb || (labels -> 'signal_type')) AS signal(value)
        UNION ALL
        SELECT 'b:' || char_length(component.value) || ':' || component.value || environment.value
        FROM jsonb_array_elements_text('[]'::jsonb || (labels -> 'component')) AS component(value),
             jsonb_array_elements_text('[]'::jsonb || (labels -> 'environment')) AS environment(value)
    ) AS keys
);

ALTER TABLE remediation_workflow_catalog
    ADD COLUMN match_keys text[] NOT NULL GENERATED ALWAYS AS (workflow_match_keys(labels)) STORED;

-- As the index of the labels: without fastupdate, for the latest versions only.
CREATE INDEX remediation_workflow_catalog_match ON remediation_workflow_catalog USING gin (match_keys)
    WITH (fastupdate = off) WHERE is_latest_version;
