-- The statements of app/workflows/search.py, and the parts that they are put together from. Points are whole thousandths,
-- so sums are exact whatever their order.

-- name: ranked
-- OFFSET 0 keeps each row's points from being worked out again wherever they are named.
SELECT *, least({maximum}, {base} + boost - penalty) AS final
FROM (
    SELECT workflow_id, created_at, name, description, labels, container_image, container_digest,
           custom_labels, detected_labels, {boost} AS boost, {penalty} AS penalty, {exact} AS exact
    FROM remediation_workflow_catalog
    WHERE is_latest_version AND {conditions}
    OFFSET 0
) AS scored
WHERE least({maximum}, {base} + boost - penalty) >= %s
ORDER BY final DESC, exact DESC, created_at DESC, workflow_id
LIMIT %s;

-- name: results
-- What only the results show is worked out for those alone.
SELECT {columns}
FROM ({ranked}) AS ranked
ORDER BY final DESC, exact DESC, created_at DESC, workflow_id;

-- name: large_results
-- For fitting_rows of pages.sql: the texts of results of any size are made there.
SELECT *, {made}
FROM ({ranked}) AS ranked
ORDER BY final DESC, exact DESC, created_at DESC, workflow_id;

-- name: flag_boost
-- A flag counts where it is stored as true.
CASE WHEN detected_labels -> '{name}' = 'true' THEN {points} ELSE 0 END;

-- name: flag_penalty
-- A flag that is asked for and not stored as true costs points.
CASE WHEN detected_labels -> '{name}' = 'true' THEN 0 ELSE {points} END;

-- name: choice_boost
-- Half when exactly one side is '*'.
CASE WHEN detected_labels ->> '{name}' = %s THEN {points}
     WHEN detected_labels ->> '{name}' {one_side_any} THEN {half} ELSE 0 END;

-- name: choice_penalty
-- A stored '*' fits whatever is asked for.
CASE WHEN detected_labels ->> '{name}' IN (%s, '*') THEN 0 ELSE {points} END;

-- name: custom_points
-- A custom label counts in full where its value is stored, and by half where '*' is.
CASE WHEN custom_labels -> q.key ? q.value THEN {points} WHEN custom_labels -> q.key ? '*' THEN {half} ELSE 0 END;

-- name: custom
-- One aggregate over the points of all custom labels, for any number of them.
(SELECT {aggregate} FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY AS q(key, value, n));
