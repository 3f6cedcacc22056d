//! The process-wide larder may go, and another one come.

use larder::{Larder, cached, global};

use crate::Counter;

#[cached(skip(runs))]
async fn user(runs: &Counter, id: u64) -> u64 {
    runs.up();
    id
}

/// In a process of its own, as it changes what is installed: this test starts itself again.
#[test]
fn functions_follow_the_process_wide_larder() {
    if std::env::var_os("LARDER_TEST_GLOBAL").is_none() {
        let name = "global::functions_follow_the_process_wide_larder";
        let program = std::env::current_exe().unwrap();
        let status = std::process::Command::new(program)
            .args([name, "--exact", "--nocapture"])
            .env("LARDER_TEST_GLOBAL", "1")
            .status();
        assert!(status.unwrap().success());
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let runs = Counter::default();
        assert_eq!(user(&runs, 1).await, 1);
        assert!(matches!(user_cache(), Err(larder::Error::NotInstalled)));
        assert!(user_invalidate(1).await.is_err());
        assert_eq!(user(&runs, 1).await, 1);
        assert_eq!(runs.get(), 2, "nothing is installed");

        for round in 0..3 {
            global::install(Larder::in_memory().await.unwrap()).unwrap();
            user(&runs, 1).await;
            user(&runs, 1).await;
            assert_eq!(runs.get(), 3 + round, "each larder begins empty");
            if round == 1 {
                // Closed without being uninstalled.
                global::handle().unwrap().close().await;
                user(&runs, 1).await;
                assert_eq!(runs.get(), 3 + round + 1);
                runs.0.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
            } else {
                global::close().await;
            }
        }
    });
}
