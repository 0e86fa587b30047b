-- Features of every customer at the end of every month, from the table purchases (customer_id, event_time in seconds, quantity,
-- amount). A month ends at 00:00 of the next one's first day; a window of 30 days is (end − 30 days, end].
WITH RECURSIVE month(ends) AS (
  SELECT '1997-02-01'
  UNION ALL
  SELECT date(ends, '+1 month') FROM month WHERE ends < '1998-07-01'
),
tick AS (
  SELECT ends || 'T00:00:00Z' AS event_time, unixepoch(ends) AS at FROM month
)
SELECT p.customer_id,
       tick.event_time,
       count(*)                FILTER (WHERE p.event_time > at - 30 * 86400)           AS customer_purchase_count_30d,
       round(total(p.amount)   FILTER (WHERE p.event_time > at - 30 * 86400), 2)       AS purchase_amount_30d,
       avg(p.amount)           FILTER (WHERE p.event_time > at - 90 * 86400)           AS avg_order_value_90d,
       strftime('%Y-%m-%dT%H:%M:%SZ', max(p.event_time), 'unixepoch')                  AS last_purchase_date,
       count(*)                                                                        AS lifetime_purchase_count
  FROM purchases p JOIN tick ON p.event_time <= tick.at
 GROUP BY p.customer_id, tick.at
 ORDER BY p.customer_id, tick.at;
