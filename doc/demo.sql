-- The last step of scripts/demo. Every record is a row of sequin.records with the API's own document in
-- `data`; get_text, get_numeric, get_timestamptz and get_boolean read a member, or give null.

\echo 'Customers with more than 1,000.00 left to pay on an invoice: a join of two collections.'
SELECT sequin.get_text(customer.data, 'email') AS customer,
       sequin.get_text(invoice.data, 'currency') AS currency,
       round(sequin.get_numeric(invoice.data, 'amount_remaining') / 100, 2) AS open_amount
FROM sequin.records AS customer
JOIN sequin.records AS invoice ON sequin.get_text(invoice.data, 'customer') = customer.upstream_id
WHERE customer.collection_id = 'stripe:customer'
  AND invoice.collection_id = 'stripe:invoice'
  AND sequin.get_text(invoice.data, 'status') = 'open'
  AND sequin.get_numeric(invoice.data, 'amount_remaining') > 100000
  AND NOT customer.deleted AND NOT invoice.deleted
ORDER BY open_amount DESC
LIMIT 5;

\echo 'What the event stream holds by now.'
SELECT collection_id, event, origin, count(*), min(seq), max(seq)
FROM sequin.events
GROUP BY collection_id, event, origin
ORDER BY collection_id, event, origin;
