//! Two larders that share one store.

use larder::Larder;
use larder::remote::MemoryRemote;
use larder_servers::{Kind, Server};

use super::{larder, start};

/// Larders of one server, or of memory alone.
pub struct Place {
    pub here: Larder,
    pub there: Larder,
    pub server: Option<Server>,
}

impl Place {
    pub async fn on_server(kind: Kind) -> Self {
        let server = start(kind);
        Self {
            here: larder(&server).await,
            there: larder(&server).await,
            server: Some(server),
        }
    }

    pub async fn in_memory() -> Self {
        let store = MemoryRemote::new();
        let on = async || Larder::builder().remote(store.clone()).build().await;
        Self {
            here: on().await.unwrap(),
            there: on().await.unwrap(),
            server: None,
        }
    }
}

/// Runs each named test by memory, on Valkey and on Redis.
macro_rules! everywhere {
    ($($test:ident),+ $(,)?) => {
        mod by_memory {
            $(#[tokio::test]
            async fn $test() { super::$test(crate::common::Place::in_memory().await).await; })+
        }
        mod by_valkey {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(crate::common::Place::on_server(larder_servers::Kind::Valkey).await).await;
            })+
        }
        mod by_redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(crate::common::Place::on_server(larder_servers::Kind::Redis).await).await;
            })+
        }
    };
}
pub(crate) use everywhere;
