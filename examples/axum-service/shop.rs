//! The shops' products in `SQLite`, behind a cache.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use larder::{Error, Larder, cached, invalidates};
use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

use crate::Failure;

/// What is cached. Any type with these derives can be a value.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Product {
    pub(crate) name: String,
    pub(crate) cents: u32,
}

/// The state of the service; clones share everything.
#[derive(Clone)]
pub(crate) struct Shop {
    pub(crate) larder: Larder,
    database: Arc<Mutex<Connection>>,
    queries: Arc<AtomicU64>,
}

impl Shop {
    /// The database is in memory, to have nothing to set up. One that several processes share would be a file
    /// or a server.
    pub(crate) async fn open(larder: Larder) -> Result<Self, Failure> {
        let database = spawn_blocking(|| {
            let database = Connection::open_in_memory()?;
            database.execute_batch(include_str!("shop.sql"))?;
            Ok::<_, Failure>(database)
        });
        let shop = Self {
            larder,
            database: Arc::new(Mutex::new(database.await??)),
            queries: Arc::default(),
        };
        // The cache is opened at the start, and not with the first request: so a mistake in its options is
        // seen here, and its metrics are there from the first scrape.
        let products = shop.product_cache()?;
        // The database is new at each start, so what an earlier one has left on a server is outdated. A
        // service whose database stays does not do this.
        done_or_pending(products.clear().await)?;
        done_or_pending(shop.larder.invalidate_tag("catalogue").await)?;
        Ok(shop)
    }

    /// A product, from the cache or from the database. The key is the shop, as the tenant, and the number. A
    /// product that does not exist is remembered as well, for a shorter time.
    ///
    /// However many requests ask for one product at once, the query runs once.
    #[cached(
        larder = self.larder,
        tenant = shop,
        key = "{id}",
        ttl = "5m",
        negative_ttl = "10s",
        stale = "1m"
    )]
    pub(crate) async fn product(&self, shop: &str, id: u32) -> Result<Option<Product>, Failure> {
        let shop = shop.to_owned();
        self.query(move |database| {
            database
                .query_row(
                    "SELECT name, cents FROM products WHERE shop = ?1 AND id = ?2",
                    (shop, id),
                    to_product,
                )
                .optional()
        })
        .await
    }

    /// Writes a product. If that succeeds, the cached product goes, and so does what bears the tag of the
    /// catalogue, both of this shop alone. A request that read the old price a moment ago cannot store it any
    /// more.
    #[invalidates(
        self.product(shop, id),
        larder = self.larder,
        tenant = shop,
        tags = ["catalogue"]
    )]
    pub(crate) async fn put(&self, shop: &str, id: u32, product: Product) -> Result<(), Failure> {
        let shop = shop.to_owned();
        self.query(move |database| {
            database.execute(
                "INSERT OR REPLACE INTO products VALUES (?1, ?2, ?3, ?4)",
                (shop, id, product.name, product.cents),
            )
        })
        .await?;
        Ok(())
    }

    /// All products of a shop. This is not cached here: the route that shows them caches the whole page.
    pub(crate) async fn products(&self, shop: String) -> Result<Vec<Product>, Failure> {
        self.query(move |database| {
            database
                .prepare("SELECT name, cents FROM products WHERE shop = ?1 ORDER BY name")?
                .query_map([shop], to_product)?
                .collect()
        })
        .await
    }

    /// How many queries have reached the database.
    pub(crate) fn queries(&self) -> u64 {
        self.queries.load(Ordering::Relaxed)
    }

    /// `SQLite` blocks its thread, so queries run on one that may be blocked.
    async fn query<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        self.queries.fetch_add(1, Ordering::Relaxed);
        let database = Arc::clone(&self.database);
        let run = move || query(&database.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(spawn_blocking(run).await??)
    }
}

/// Where the server is away, an invalidation is pending: nothing old is served by this process, and the server is
/// told when it is back. That is no reason not to start.
fn done_or_pending<T>(invalidated: Result<T, Error>) -> Result<(), Failure> {
    match invalidated {
        Ok(_) | Err(Error::Pending { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn to_product(row: &rusqlite::Row<'_>) -> rusqlite::Result<Product> {
    Ok(Product {
        name: row.get("name")?,
        cents: row.get("cents")?,
    })
}
