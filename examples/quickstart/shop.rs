//! The expensive thing: a report from a database with 400,000 orders.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

use crate::{Failure, ReportKey};

/// What is cached. Any type with these derives can be a value.
#[derive(Serialize, Deserialize)]
pub(crate) struct Report {
    /// The best first.
    pub(crate) categories: Vec<Category>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Category {
    pub(crate) name: String,
    pub(crate) orders: i64,
    pub(crate) cents: i64,
}

/// A database in memory.
#[derive(Clone)]
pub(crate) struct Shop(Arc<Mutex<Connection>>);

impl Shop {
    pub(crate) async fn open() -> Result<Self, Failure> {
        let opening = spawn_blocking(|| {
            let database = Connection::open_in_memory()?;
            database.execute_batch(include_str!("shop.sql"))?;
            Ok(Self(Arc::new(Mutex::new(database))))
        });
        opening.await?
    }

    /// `SQLite` blocks its thread, so the query runs on one that may be blocked.
    pub(crate) async fn report(&self, key: ReportKey) -> Result<Report, Failure> {
        let shop = self.clone();
        Ok(spawn_blocking(move || shop.query(key)).await??)
    }

    fn query(&self, key: ReportKey) -> rusqlite::Result<Report> {
        let database = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut query = database.prepare(
            "SELECT products.category, count(*), sum(orders.pieces * products.cents) AS cents
             FROM orders
             JOIN products ON products.id = orders.product
             JOIN customers ON customers.id = orders.customer
             WHERE customers.country = ?1 AND orders.year = ?2
             GROUP BY products.category ORDER BY cents DESC",
        )?;
        let categories = query.query_map((key.country, key.year), |row| {
            Ok(Category {
                name: row.get(0)?,
                orders: row.get(1)?,
                cents: row.get(2)?,
            })
        })?;
        Ok(Report {
            categories: categories.collect::<Result<_, _>>()?,
        })
    }
}
