-- The question "does the customer buy in the next 30 days?", asked at the end of every month of a year, with its answer.
WITH RECURSIVE month(ends) AS (
  SELECT '1997-06-01'
  UNION ALL
  SELECT date(ends, '+1 month') FROM month WHERE ends < '1998-05-01'
)
SELECT customer_id,
       ends || 'T00:00:00Z' AS event_time,
       EXISTS (SELECT 1 FROM purchases p
                WHERE p.customer_id = c.customer_id
                  AND p.event_time > unixepoch(ends) AND p.event_time <= unixepoch(ends) + 30 * 86400) AS buys_in_30d
  FROM month JOIN (SELECT customer_id, min(event_time) AS first FROM purchases GROUP BY customer_id) c
    ON c.first <= unixepoch(ends)
 ORDER BY customer_id, event_time;
