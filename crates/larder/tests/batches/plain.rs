//! Batches without a loader.

use larder::{Error, Larder, Loaded};
use larder_servers::Kind;

use super::common::{
    Fault, FaultyRemote, Operation, Place, eventually, everywhere, is_stamp, larder, names,
    on_each_server, secs, start,
};
use super::{Texts, expect, texts, told};

everywhere!(
    values_come_from_memory_and_from_the_server,
    what_is_removed_is_gone_and_counted_once,
    values_are_stored_with_times_and_tags_of_their_own,
    views_of_tenants_are_apart,
);

async fn values_come_from_memory_and_from_the_server(place: Place) {
    let (here, there) = (texts(&place.here), texts(&place.there));
    assert!(here.get_many(&[]).await.is_empty());
    assert!(here.get_many(&[1, 2]).await.is_empty());
    here.set_many([(1, "a"), (2, "b"), (3, "c"), (3, "last")])
        .await
        .unwrap();
    assert!(there.get(&1).await.is_some(), "now it is near");
    let found = there.get_many(&[3, 1, 2, 1, 9]).await;
    assert_eq!(told(found), expect([(1, "a"), (2, "b"), (3, "last")]));
    let stats = there.stats();
    assert_eq!(stats.near_hits + stats.remote_hits, 4, "{stats:?}");
    assert_eq!(stats.misses_absent, 1);
    // From now on they are all near.
    eventually("they are near", async || {
        let before = there.stats();
        there.get_many(&[1, 2, 3]).await;
        there.stats().since(&before).near_hits == 3
    })
    .await;
}

async fn what_is_removed_is_gone_and_counted_once(place: Place) {
    let (here, there) = (texts(&place.here), texts(&place.there));
    here.set_many((0..100).map(|key| (key, "value")))
        .await
        .unwrap();
    assert_eq!(there.get_many(&[1, 2]).await.len(), 2);
    let removed = here.remove_many(&[1, 2, 2, 1_000]).await.unwrap();
    assert_eq!(removed, 2);
    assert!(here.get_many(&[1, 2]).await.is_empty());
    eventually("it is seen elsewhere", async || {
        there.get_many(&[1, 2]).await.is_empty()
    })
    .await;
    assert_eq!(
        there.get_many(&(0..100).collect::<Vec<_>>()).await.len(),
        98
    );
}

async fn values_are_stored_with_times_and_tags_of_their_own(place: Place) {
    let here = texts(&place.here);
    let tagged = Loaded::new("tagged".to_owned()).tags(["t"]).ttl(secs(5));
    here.set_many([(1, Loaded::from("plain")), (2, tagged)])
        .await
        .unwrap();
    assert!(here.ttl_left(&2).await.unwrap() <= secs(5));
    assert!(here.ttl_left(&1).await.unwrap() > secs(5));
    place.here.invalidate_tag("t").await.unwrap();
    let left = here.get_many(&[1, 2]).await;
    assert_eq!(told(left), expect([(1, "plain")]));
    let gone = Loaded::new("gone".to_owned()).do_not_store();
    here.set_many([(1, gone)]).await.unwrap();
    assert_eq!(here.get(&1).await, None);
}

async fn views_of_tenants_are_apart(place: Place) {
    let all = texts(&place.here);
    let (acme, other) = (all.tenant("acme"), all.tenant("other"));
    acme.set_many([(1, "acme's"), (2, "acme's")]).await.unwrap();
    other.set_many([(1, "other's")]).await.unwrap();
    assert!(all.get_many(&[1, 2]).await.is_empty());
    assert_eq!(
        told(other.get_many(&[1, 2]).await),
        expect([(1, "other's")])
    );
    assert_eq!(other.remove_many(&[1, 2]).await.unwrap(), 1);
    assert_eq!(acme.get_many(&[1, 2]).await.len(), 2);
    let nobody = all.tenant("");
    assert!(nobody.get_many(&[1]).await.is_empty());
    let error = nobody.set_many([(1, "x"), (2, "y")]).await.unwrap_err();
    assert_eq!(error.failed().len(), 2);
    let says = error.to_string();
    assert!(
        says.starts_with("2 of 2 keys failed; the first: "),
        "{says}"
    );
}

on_each_server!(
    a_batch_is_one_question_to_the_server,
    many_writes_make_the_groups_of_all_values_once,
    a_large_batch_is_asked_for_in_parts,
);

async fn a_batch_is_one_question_to_the_server(kind: Kind) {
    let server = start(kind);
    let here: Texts = texts(&larder(&server).await);
    here.set_many((0..1_000).map(|key| (key, key.to_string())))
        .await
        .unwrap();
    let there: Texts = texts(&larder(&server).await);
    assert!(there.get(&0).await.is_some(), "now the stamps are known");
    let monitor = server.monitor().unwrap();
    let keys: Vec<u32> = (1..1_010).collect();
    assert_eq!(there.get_many(&keys).await.len(), 999);
    // In parts that are sent together.
    assert_eq!(names(&monitor), ["MGET"; 4]);
}

async fn many_writes_make_the_groups_of_all_values_once(kind: Kind) {
    let server = start(kind);
    let acme = texts(&larder(&server).await).tenant("acme");
    let monitor = server.monitor().unwrap();
    let all = (0..200).map(|key| (key, "v"));
    acme.set_many(all).await.unwrap();
    let mut made = monitor.commands().unwrap();
    made.retain(|c| c.name() == "EVALSHA" && c.args.iter().any(|arg| is_stamp(arg)));
    // Everything, the cache, the tenant, and the cache of the tenant.
    assert_eq!(made.len(), 4, "{made:?}");
}

async fn a_large_batch_is_asked_for_in_parts(kind: Kind) {
    const MANY: u32 = 20_000;
    let server = start(kind);
    let here: Texts = texts(&larder(&server).await);
    let all = (0..MANY).map(|key| (key, "v"));
    here.set_many(all).await.unwrap();
    let there: Texts = texts(&larder(&server).await);
    let monitor = server.monitor().unwrap();
    let keys: Vec<u32> = (0..MANY).collect();
    assert_eq!(there.get_many(&keys).await.len(), keys.len());
    let asked = names(&monitor).len();
    let parts = MANY.div_ceil(256) as usize;
    assert!((parts..parts + 20).contains(&asked), "{asked}");
}

#[tokio::test]
async fn while_the_server_is_away_a_batch_misses_and_writes_say_which_wait() {
    let stub = FaultyRemote::new();
    let larder = Larder::builder()
        .remote(stub.clone())
        .build()
        .await
        .unwrap();
    let texts = texts(&larder);
    texts.set_many([(1, "a"), (2, "b")]).await.unwrap();
    texts.get_many(&[1]).await;
    stub.inject([Operation::GetMany], Fault::Fail);
    stub.inject([Operation::Remove], Fault::Fail);
    // One is near, and the other cannot be had.
    assert_eq!(told(texts.get_many(&[1, 2]).await), expect([(1, "a")]));
    assert_eq!(texts.stats().misses_remote_unavailable, 1);
    let error = texts.remove_many(&[1, 2]).await.unwrap_err();
    let mut failed = error.into_failed();
    failed.sort_by_key(|(key, _)| *key);
    assert!(matches!(
        &*failed,
        [(1, Error::Pending { .. }), (2, Error::Pending { .. })]
    ));
    assert!(
        texts.get_many(&[1, 2]).await.is_empty(),
        "it is not believed"
    );
}
