//! No caller gets a value that was made for another one.

use larder::{Larder, cached, invalidates};

use crate::{Counter, installed};

trait Table {
    const N: u64;
}

struct Users;
struct Orders;

impl Table for Users {
    const N: u64 = 1;
}

impl Table for Orders {
    const N: u64 = 2;
}

#[cached]
async fn count<T: Table>(id: u64) -> u64 {
    id * 100 + T::N
}

#[cached]
async fn of_a_constant<const N: u64>(id: u64) -> u64 {
    id * 100 + N
}

#[tokio::test]
async fn type_and_const_parameters_are_part_of_the_cache() {
    installed().await;
    for _ in 0..2 {
        assert_eq!(count::<Users>(1).await, 101);
        assert_eq!(count::<Orders>(1).await, 102);
        assert_eq!(of_a_constant::<1>(1).await, 101);
        assert_eq!(of_a_constant::<2>(1).await, 102);
    }
}

struct Red;
struct Blue;

/// Something with a colour.
trait Coloured: Sync {
    fn colour(&self) -> &'static str;

    #[cached(in_trait, skip(self))]
    fn of_all(&self, id: u64) -> String {
        format!("{} {id}", self.colour())
    }
}

impl Coloured for Red {
    fn colour(&self) -> &'static str {
        "red"
    }
}

impl Coloured for Blue {
    fn colour(&self) -> &'static str {
        "blue"
    }
}

trait Painted {
    async fn paint(&self, id: u64) -> String;
}

impl<C: Coloured> Painted for C {
    #[cached(in_trait, skip(self))]
    async fn paint(&self, id: u64) -> String {
        format!("{} {id}", self.colour())
    }
}

trait Rows<T> {
    async fn rows(&self, id: u64) -> u64;
}

impl<T: Table> Rows<T> for Red {
    #[cached(in_trait, skip(self))]
    async fn rows(&self, id: u64) -> u64 {
        id * 100 + T::N
    }
}

#[tokio::test]
async fn each_type_that_implements_a_trait_has_its_cache() {
    installed().await;
    for _ in 0..2 {
        assert_eq!(Red.of_all(1), "red 1");
        assert_eq!(Blue.of_all(1), "blue 1");
        assert_eq!(Red.paint(1).await, "red 1");
        assert_eq!(Blue.paint(1).await, "blue 1");
        assert_eq!(Rows::<Users>::rows(&Red, 1).await, 101);
        assert_eq!(Rows::<Orders>::rows(&Red, 1).await, 102);
    }
}

struct Sharded {
    larders: [Larder; 2],
    id: Larder,
}

impl Sharded {
    #[cached(larder = self.larders[usize::from(id % 2 == 1)])]
    async fn sharded(&self, id: u64) -> u64 {
        id
    }

    #[cached(larder = self.id)]
    async fn of_a_field(&self, id: u64) -> u64 {
        id
    }
}

struct State {
    larder: Larder,
}

#[cached(larder = &state.larder)]
async fn of_state(state: &State, id: u64) -> u64 {
    let _ = state;
    id
}

#[tokio::test]
async fn what_only_chooses_the_larder_is_still_part_of_the_key() {
    let (one, two) = (
        Larder::in_memory().await.unwrap(),
        Larder::in_memory().await.unwrap(),
    );
    let state = State {
        larder: one.clone(),
    };
    let sharded = Sharded {
        id: one.clone(),
        larders: [one, two],
    };
    for id in 1..5 {
        assert_eq!(sharded.sharded(id).await, id);
        assert_eq!(sharded.of_a_field(id).await, id);
        assert_eq!(of_state(&state, id).await, id);
        assert!(sharded.sharded_lookup(id).await.is_some());
        assert!(of_state_lookup(&state, id).await.is_some());
    }
}

#[tokio::test]
async fn two_functions_of_one_path_share_nothing() {
    installed().await;
    let runs = Counter::default();
    for _ in 0..2 {
        {
            #[cached(skip(runs))]
            async fn inner(runs: &Counter, id: u64) -> u64 {
                runs.up();
                id + 1
            }
            assert_eq!(inner(&runs, 1).await, 2);
        }
        {
            #[cached(skip(runs))]
            async fn inner(runs: &Counter, id: u64) -> u64 {
                runs.up();
                id + 2
            }
            assert_eq!(inner(&runs, 1).await, 3);
            assert!(inner_invalidate(1).await.is_err());
        }
    }
    assert_eq!(runs.get(), 3, "the first one is cached");
}

#[cached(key = (id, T::N))]
async fn of_an_expression<T: Table>(id: u64) -> u64 {
    id * 100 + T::N
}

#[cached(cache = "counts", key = (id, T::N))]
async fn of_a_named_cache<T: Table>(id: u64) -> u64 {
    id * 100 + T::N
}

#[cached(skip(T))]
async fn of_any_table<T: Table>(id: u64) -> u64 {
    id * 100 + T::N
}

#[cached(skip(source))]
async fn of_any_source<S: Fn(u64) -> u64>(source: S, id: u64) -> u64 {
    source(id)
}

#[cached]
fn at_once<T: Table>(id: u64) -> u64 {
    id * 100 + T::N
}

#[invalidates(count::<T>(id))]
async fn forget<T: Table>(id: u64) {
    let _ = id;
}

#[tokio::test]
async fn companions_take_the_parameters_that_count() {
    installed().await;
    assert_eq!(count::<Users>(7).await, 701);
    assert_eq!(count::<Orders>(7).await, 702);
    assert_eq!(*count_lookup::<Orders>(7).await.unwrap().value, 702);
    assert!(count_invalidate::<Users>(7).await.unwrap());
    assert!(count_lookup::<Users>(7).await.is_none());
    assert!(count_lookup::<Orders>(7).await.is_some());
    forget::<Orders>(7).await;
    assert!(count_lookup::<Orders>(7).await.is_none());
    assert_ne!(
        count_key::<Users>(7).unwrap(),
        count_key::<Orders>(7).unwrap()
    );
    assert_ne!(
        of_a_constant_key::<1>(7).unwrap(),
        of_a_constant_key::<2>(7).unwrap()
    );
    for _ in 0..2 {
        assert_eq!(of_an_expression::<Users>(1).await, 101);
        assert_eq!(of_an_expression::<Orders>(1).await, 102);
        assert_eq!(of_a_named_cache::<Users>(1).await, 101);
        assert_eq!(of_a_named_cache::<Orders>(1).await, 102);
        assert_eq!(at_once::<Users>(1), 101);
        assert_eq!(at_once::<Orders>(1), 102);
    }
    assert!(of_an_expression_lookup::<Users>(1).await.is_some());
    assert!(of_a_named_cache_invalidate::<Users>(1).await.unwrap());
}

#[tokio::test]
async fn what_is_skipped_tells_nothing_apart() {
    installed().await;
    assert_eq!(of_any_table::<Users>(1).await, 101);
    assert_eq!(of_any_table::<Orders>(1).await, 101);
    assert_eq!(of_any_source(|id| id + 1, 1).await, 2);
    assert_eq!(of_any_source(|id| id + 2, 1).await, 2);
    assert!(of_any_source_invalidate(1).await.unwrap());
}

/// The name of a closure's type says only where it stands.
#[tokio::test]
async fn closures_of_one_function_are_told_apart() {
    struct Of<F>(std::marker::PhantomData<F>);
    impl<F: Fn(u64) -> u64> Of<F> {
        #[cached(in_impl, skip(function))]
        async fn call(function: &(F, u8), id: u64) -> u64 {
            (function.0)(id)
        }
    }
    async fn call<F: Fn(u64) -> u64>(function: F, id: u64) -> u64 {
        Of::call(&(function, 0), id).await
    }
    installed().await;
    for _ in 0..2 {
        assert_eq!(call(|id| id + 1, 1).await, 2);
        assert_eq!(call(|id| id + 2, 1).await, 3);
    }
}
