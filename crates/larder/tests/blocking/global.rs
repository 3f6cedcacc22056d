//! The process-wide larder. One test, since there is one process.

use larder::blocking::global;
use larder::config::Config;

use super::*;

#[test]
fn it_is_installed_used_and_closed_and_shared_with_async_code() {
    assert!(global::handle().is_none());
    assert!(global::health().unwrap().is_none());
    global::close().unwrap();
    let config = || Config::builder().build().unwrap();
    assert!(global::init_with(config()).unwrap());
    assert!(global::init_with(config()).unwrap(), "again");
    let larder = global::handle().unwrap();
    let cache: Cache<u32, String> = larder.cache("names").build().unwrap();
    assert_eq!(*cache.get_or_spawn(&1, ann).unwrap(), "Ann");
    assert!(larder::global::handle().is_some());
    assert!(global::health().unwrap().unwrap().is_usable());
    global::close().unwrap();
    assert!(global::handle().is_none());
    assert_eq!(cache.get(&1), None);

    // After a close another one may come, also one of async code.
    let own = Larder::in_memory().unwrap();
    global::install(&own).unwrap();
    drop(own);
    let cache: Cache<u32, String> = global::handle().unwrap().cache("names").build().unwrap();
    assert_eq!(*cache.get_or_load(&1, ann).unwrap(), "Ann");
    global::close().unwrap();

    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime
        .block_on(larder::global::init_with(config()))
        .unwrap();
    let cache: Cache<u32, String> = global::handle().unwrap().cache("names").build().unwrap();
    assert_eq!(*cache.get_or_load(&1, ann).unwrap(), "Ann");
    runtime.block_on(larder::global::close());
    assert!(global::handle().is_none());

    // Closed by its handle, it is gone too.
    assert!(global::init_with(config()).unwrap());
    global::handle().unwrap().close().unwrap();
    assert!(global::init_with(config()).unwrap());
    let larder = global::handle().unwrap();
    let cache: Cache<u32, String> = larder.cache("names").build().unwrap();
    assert_eq!(*cache.get_or_spawn(&1, ann).unwrap(), "Ann");
    global::close().unwrap();

    // Another one is refused, and the first one goes on.
    let (one, other) = (Larder::in_memory().unwrap(), Larder::in_memory().unwrap());
    global::install(&one).unwrap();
    global::install(&one).unwrap();
    drop(one);
    assert!(matches!(
        global::install(&other),
        Err(larder::Error::InstalledOtherwise { .. })
    ));
    drop(other);
    let cache: Cache<u32, String> = global::handle().unwrap().cache("names").build().unwrap();
    cache.set(&1, "Ann").unwrap();
    assert_eq!(*cache.get_or_spawn(&2, ann).unwrap(), "Ann");
    global::close().unwrap();
}
