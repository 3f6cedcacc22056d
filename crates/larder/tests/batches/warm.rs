//! Warming, and streams of very many keys.

use std::convert::Infallible;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::StreamExt;
use larder::{Larder, LoadError};

use super::common::{Place, everywhere};
use super::{Source, texts};

everywhere!(what_is_not_there_is_warmed_and_nothing_is_loaded_twice);

async fn what_is_not_there_is_warmed_and_nothing_is_loaded_twice(place: Place) {
    let (here, there) = (texts(&place.here), texts(&place.there));
    here.set_many((0..10).map(|key| (key, "set")))
        .await
        .unwrap();
    let told = Mutex::new(Vec::new());
    let source = Source::new("warm");
    let warm = here.warm(0..100).batch(30).concurrency(2);
    let warm = warm.on_progress(|so_far| told.lock().unwrap().push(so_far.done()));
    let warmed = warm.load(source.load()).await;
    assert_eq!((warmed.keys.present, warmed.keys.loaded), (10, 90));
    assert_eq!(warmed.keys.done(), 100);
    assert!(warmed.first_error.is_none());
    let told = told.into_inner().unwrap();
    assert_eq!((told.len(), told.last()), (4, Some(&100)));
    assert_eq!(source.asked().iter().map(Vec::len).sum::<usize>(), 90);
    let again = there.warm(0..100).load(source.load()).await;
    assert_eq!(again.keys.present, 100);
}

#[tokio::test]
async fn no_more_batches_are_under_way_than_were_asked_for_and_a_failure_ends_nothing() {
    let larder = Larder::in_memory().await.unwrap();
    let texts = texts(&larder);
    let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let load = async |keys: Vec<u32>| {
        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        now.fetch_sub(1, Ordering::SeqCst);
        if keys.contains(&55) {
            return Err("55 is wrong");
        }
        let even = keys.into_iter().filter(|key| key % 2 == 0);
        Ok(even.map(|key| (key, key.to_string())).collect::<Vec<_>>())
    };
    let warm = texts.warm(0..1_000).batch(10).concurrency(3);
    let warmed = warm.load(load).await;
    let keys = warmed.keys;
    assert_eq!((keys.loaded, keys.absent, keys.failed), (495, 495, 10));
    assert!(matches!(warmed.first_error, Some(LoadError::Loader(_))));
    assert_eq!(most.load(Ordering::SeqCst), 3);
    // Nothing and zero are taken as they are.
    let none = texts.warm([]).batch(0).concurrency(0).load(load).await;
    assert_eq!(none.keys.done(), 0);
}

#[tokio::test]
async fn a_stream_draws_keys_as_its_answers_are_taken() {
    let larder = Larder::in_memory().await.unwrap();
    let texts = texts(&larder);
    let drawn = AtomicUsize::new(0);
    let keys = (0_u32..).inspect(|_| {
        drawn.fetch_add(1, Ordering::SeqCst);
    });
    let load = async |keys: Vec<u32>| {
        let known = keys.into_iter().filter(|key| key % 10 > 0);
        Ok::<_, Infallible>(known.map(|key| (key, key.to_string())).collect::<Vec<_>>())
    };
    let answers: Vec<_> = texts.load_stream(keys, 50, load).take(120).collect().await;
    assert!(drawn.load(Ordering::SeqCst) <= 150);
    for (key, answer) in answers {
        let value = answer.unwrap().map(|found| found.to_string());
        assert_eq!(value, (key % 10 > 0).then(|| key.to_string()));
    }
}
