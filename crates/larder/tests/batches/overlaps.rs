//! Batches beside other loads of the same keys.

use std::convert::Infallible;

use larder::{Cache, Clock, Larder};
use tokio::sync::oneshot;

use super::common::{Place, Runs, eventually, everywhere, secs, soon};
use super::{Source, Texts, expect, texts, told};

everywhere!(
    batches_that_overlap_load_each_key_once_in_either_order,
    a_batch_waits_for_a_single_load_and_loads_the_rest,
    a_single_call_waits_for_a_batch,
    a_batch_that_is_dropped_hands_over,
    a_key_that_is_left_out_goes_back_to_who_waits,
    a_load_elsewhere_that_comes_to_nothing_falls_to_the_batch,
);

async fn batches_that_overlap_load_each_key_once_in_either_order(place: Place) {
    for (round, pair) in [(0, true), (1, false)] {
        let (here, there) = (texts(&place.here), texts(&place.there));
        let there = if pair { there } else { here.clone() };
        let key = |n: u32| round * 100 + n;
        let (first, second) = (Source::slow("first"), Source::slow("second"));
        let ask = |cache: &Texts, keys: Vec<u32>, source: &Source| {
            let (cache, load) = (cache.clone(), source.load());
            tokio::spawn(async move { cache.get_or_load_many(&keys, load).await.unwrap() })
        };
        let (front, back): (Vec<u32>, Vec<u32>) = (
            (0..20).map(key).collect(),
            (10..30).rev().map(key).collect(),
        );
        let one = ask(&here, front.clone(), &first);
        first.begun().await;
        let other = ask(&there, back.clone(), &second);
        second.begun().await;
        // Each has what is its own, and both go on.
        second.go_on();
        first.go_on();
        let both = async { (one.await.unwrap(), other.await.unwrap()) };
        let (one, other) = soon("they do not wait for each other", both).await;
        assert_eq!((one.len(), other.len()), (20, 20));
        assert_eq!(first.asked(), [front], "{pair}");
        assert_eq!(second.asked(), [(20..30).map(key).collect::<Vec<_>>()]);
        for n in 10..20 {
            assert_eq!(one[&key(n)], other[&key(n)]);
        }
    }
}

/// A single load of a key that goes on when it is told to.
fn single(
    cache: &Texts,
    key: u32,
) -> (
    oneshot::Receiver<()>,
    oneshot::Sender<()>,
    tokio::task::JoinHandle<String>,
) {
    let ((begun, has_begun), (go_on, goes_on)) = (oneshot::channel(), oneshot::channel());
    let cache = cache.clone();
    let task = tokio::spawn(async move {
        let load = async || {
            begun.send(()).unwrap();
            let _gone = goes_on.await;
            Ok::<_, Infallible>("single".to_owned())
        };
        cache.get_or_load(&key, load).await.unwrap().to_string()
    });
    (has_begun, go_on, task)
}

async fn a_batch_waits_for_a_single_load_and_loads_the_rest(place: Place) {
    for (key, cache) in [(0, texts(&place.here)), (10, texts(&place.there))] {
        let (begun, go_on, task) = single(&cache, key + 2);
        begun.await.unwrap();
        let source = Source::new("batch");
        let batch = tokio::spawn({
            let (here, load) = (texts(&place.here), source.load());
            let keys = [key + 1, key + 2, key + 3];
            async move { here.get_or_load_many(&keys, load).await.unwrap() }
        });
        source.begun().await;
        // What is its own is there for others, whatever it still waits for.
        let own = texts(&place.here);
        eventually("the rest is stored", async || {
            own.get_many(&[key + 1, key + 3]).await.len() == 2
        })
        .await;
        go_on.send(()).unwrap();
        let all = soon("the batch ends", batch).await.unwrap();
        assert_eq!(*all[&(key + 2)], "single");
        assert_eq!(*all[&(key + 1)], format!("batch {}", key + 1));
        assert_eq!(source.asked(), [[key + 1, key + 3]]);
        assert_eq!(task.await.unwrap(), "single");
    }
}

async fn a_single_call_waits_for_a_batch(place: Place) {
    let here = texts(&place.here);
    let source = Source::slow("batch");
    let batch = tokio::spawn({
        let (here, load) = (here.clone(), source.load());
        async move { here.get_or_load_many(&[1, 2], load).await.unwrap() }
    });
    source.begun().await;
    let runs = Runs::default();
    let singles: Vec<_> = [texts(&place.here), texts(&place.there)]
        .into_iter()
        .map(|cache| {
            let load = runs.load("single".to_owned());
            tokio::spawn(async move { cache.get_or_load(&2, load).await.unwrap().to_string() })
        })
        .collect();
    eventually("they wait", async || {
        let there = texts(&place.there).stats();
        there.leases_awaited > 0
    })
    .await;
    source.go_on();
    batch.await.unwrap();
    for single in singles {
        assert_eq!(soon("it is told", single).await.unwrap(), "batch 2");
    }
    assert_eq!(runs.get(), 0);
}

async fn a_batch_that_is_dropped_hands_over(place: Place) {
    for cache in [texts(&place.here), texts(&place.there)] {
        let here = texts(&place.here);
        let source = Source::slow("dropped");
        let batch = tokio::spawn({
            let (here, load) = (here.clone(), source.load());
            async move { here.get_or_load_many(&[1, 2, 3], load).await.unwrap() }
        });
        source.begun().await;
        let second = Source::new("second");
        let other = tokio::spawn({
            let (cache, load) = (cache.clone(), second.load());
            async move { cache.get_or_load_many(&[3, 2], load).await.unwrap() }
        });
        eventually("it waits", async || {
            let stats = cache.stats();
            stats.leases_awaited > 0 || here.stats().loads == 3
        })
        .await;
        batch.abort();
        assert!(batch.await.unwrap_err().is_cancelled());
        let all = soon("it takes over", other).await.unwrap();
        assert_eq!(told(all), expect([(2, "second 2"), (3, "second 3")]));
        here.remove_many(&[1, 2, 3]).await.unwrap();
    }
}

async fn a_key_that_is_left_out_goes_back_to_who_waits(place: Place) {
    let here = texts(&place.here);
    let ((begun, has_begun), (go_on, goes_on)) = (oneshot::channel(), oneshot::channel::<()>());
    let (mut begun, mut goes_on) = (Some(begun), Some(goes_on));
    let batch = tokio::spawn({
        let here = here.clone();
        async move {
            let load = |_| {
                let (begun, goes_on) = (begun.take().unwrap(), goes_on.take().unwrap());
                async move {
                    begun.send(()).unwrap();
                    let _told = goes_on.await;
                    Ok::<_, Infallible>([(1, "one")])
                }
            };
            here.lookup_or_load_many(&[1, 2], load).await
        }
    });
    has_begun.await.unwrap();
    let runs = Runs::default();
    let single = tokio::spawn({
        let (here, load) = (here.clone(), runs.load("single".to_owned()));
        async move { here.get_or_load(&2, load).await.unwrap().to_string() }
    });
    // It waits as soon as it has asked.
    tokio::task::yield_now().await;
    go_on.send(()).unwrap();
    let batch = soon("the batch ends", batch).await.unwrap();
    assert_eq!((batch.absent, batch.found.len()), (vec![2], 1));
    assert_eq!(soon("its own loader runs", single).await.unwrap(), "single");
    assert_eq!(runs.get(), 1);
}

async fn a_load_elsewhere_that_comes_to_nothing_falls_to_the_batch(place: Place) {
    for cache in [texts(&place.here), texts(&place.there)] {
        let (begun, _go_on, task) = single(&cache, 2);
        begun.await.unwrap();
        let source = Source::new("batch");
        let batch = tokio::spawn({
            let (here, load) = (texts(&place.here), source.load());
            async move { here.get_or_load_many(&[1, 2], load).await.unwrap() }
        });
        source.begun().await;
        task.abort();
        let all = soon("the batch ends", batch).await.unwrap();
        assert_eq!(told(all), expect([(1, "batch 1"), (2, "batch 2")]));
        assert_eq!(source.asked(), [[1], [2]]);
        texts(&place.here).remove_many(&[1, 2]).await.unwrap();
    }
}

#[tokio::test]
async fn two_caches_that_load_each_other_in_batches_end_in_an_error() {
    let larder = Larder::in_memory().await.unwrap();
    let (a, b): (Cache<u32, String>, Cache<u32, String>) = (
        larder.cache("a").build().unwrap(),
        larder.cache("b").build().unwrap(),
    );
    let innermost = async |keys: Vec<u32>| {
        let value = |key| (key, "never".to_owned());
        Ok::<Vec<_>, Infallible>(keys.into_iter().map(value).collect())
    };
    let through_a = async |keys: Vec<u32>| {
        let batch = a.lookup_or_load_many(&[1, 5], innermost).await;
        assert!(
            batch.failed.contains_key(&1),
            "it is being loaded further out"
        );
        assert!(batch.found.contains_key(&5));
        let value = |key| (key, "b".to_owned());
        Ok::<Vec<_>, Infallible>(keys.into_iter().map(value).collect())
    };
    let through_b = async |keys: Vec<u32>| {
        let all = b.get_or_load_many(&[1, 2], through_a).await.unwrap();
        let value = |key| (key, all[&1].to_string());
        Ok::<Vec<_>, Infallible>(keys.into_iter().map(value).collect())
    };
    let all = a.get_or_load_many(&[1, 2], through_b);
    let all = soon("it is no circle", all).await.unwrap();
    assert_eq!(told(all), expect([(1, "b"), (2, "b")]));
}

#[tokio::test]
async fn what_expires_while_others_are_waited_for_is_loaded_anew() {
    let clock = Clock::manual();
    let larder = Larder::builder()
        .clock(clock.clone())
        .build()
        .await
        .unwrap();
    let cache: Texts = larder.cache("texts").ttl(secs(10)).build().unwrap();
    cache.set(&1, "old").await.unwrap();
    clock.advance(secs(5));
    cache.set(&2, "young").await.unwrap();
    let (begun, go_on, task) = single(&cache, 3);
    begun.await.unwrap();
    let source = Source::new("batch");
    let batch = tokio::spawn({
        let (cache, load) = (cache.clone(), source.load());
        async move { cache.lookup_or_load_many(&[1, 2, 3, 4], load).await }
    });
    source.begun().await;
    clock.advance(secs(7));
    go_on.send(()).unwrap();
    let batch = soon("the batch ends", batch).await.unwrap();
    assert_eq!(batch.found[&2].outcome.age, secs(7));
    let values = batch.into_values().unwrap();
    let expected = [(1, "batch 1"), (2, "young"), (3, "single"), (4, "batch 4")];
    assert_eq!(told(values), expect(expected));
    assert_eq!(source.asked(), [[4], [1]]);
    assert_eq!(task.await.unwrap(), "single");
}
