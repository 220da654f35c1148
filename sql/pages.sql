-- Pages that end where an answer would become too large (app/postgres/pages.py).

-- name: numbered
-- The place of each row, and how many there are, from the one statement that has looked at them.
SELECT *, row_number() OVER () AS n, count(*) OVER () AS found FROM ({keys}) AS picked;

-- name: fitting_rows
-- Adds up as it goes, first by the sizes of what is stored, then by the texts that were made of it, so that PostgreSQL
-- makes texts of no more rows than it has to. OFFSET 0 keeps each text from being made more than once. In the order of n
-- all along, so that no row is sorted with its texts, and those behind the end are not looked at.
SELECT {columns}, found
FROM (
    SELECT {names}, sum({exact}) OVER (ORDER BY n ROWS UNBOUNDED PRECEDING) AS written
    FROM (
        SELECT {texts}
        FROM (
            SELECT {names}, sum({estimate}) OVER (ORDER BY n ROWS UNBOUNDED PRECEDING) AS reckoned
            FROM ({rows}) AS rows
        ) AS estimated
        WHERE n = 1 OR reckoned <= %s
        ORDER BY n
        OFFSET 0
    ) AS made
) AS counted
WHERE n = 1 OR written <= %s
ORDER BY n;
