CREATE TABLE products (
    shop TEXT NOT NULL, id INTEGER NOT NULL, name TEXT NOT NULL, cents INTEGER NOT NULL,
    PRIMARY KEY (shop, id)
);
INSERT INTO products VALUES
    ('acme', 1, 'Coffee', 890), ('acme', 2, 'Tea', 420), ('acme', 3, 'Bread', 350),
    ('globex', 1, 'Anvil', 12900), ('globex', 2, 'Rope', 1500);
