-- The shop of the quickstart: the same rows at each run.
BEGIN;
CREATE TABLE customers (id INTEGER PRIMARY KEY, country TEXT NOT NULL);
CREATE TABLE products (id INTEGER PRIMARY KEY, category TEXT NOT NULL, cents INTEGER NOT NULL);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY, customer INTEGER NOT NULL, product INTEGER NOT NULL,
    year INTEGER NOT NULL, pieces INTEGER NOT NULL
);

WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
INSERT INTO customers
SELECT i, CASE i * 7919 % 4 WHEN 0 THEN 'Germany' WHEN 1 THEN 'Japan' WHEN 2 THEN 'Brazil'
                            ELSE 'Kenya' END
FROM n;

WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
INSERT INTO products
SELECT i, CASE WHEN i % 100 < 37 THEN 'Coffee' WHEN i % 100 < 59 THEN 'Cheese'
               WHEN i % 100 < 78 THEN 'Tea' WHEN i % 100 < 91 THEN 'Bread' ELSE 'Fruit' END,
       200 + i * 7919 % 1800
FROM n;

WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400000)
INSERT INTO orders
SELECT i, 1 + i * 7919 % 20000, 1 + i * 104729 % 1000, 2023 + i * 31 % 3, 1 + i % 7
FROM n;
COMMIT;
