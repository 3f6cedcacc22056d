//! What a function's body is used to, it has under an attribute too.

use std::error::Error;

use larder::{Larder, cached, invalidates};

use crate::installed;

type Boxed = Box<dyn Error + Send + Sync>;

#[cached]
async fn count(id: u64) -> u64 {
    id
}

#[invalidates(count(id))]
async fn boxes_its_error(id: u64, text: &str) -> Result<u64, Boxed> {
    match text.parse::<u64>() {
        Ok(number) => Ok(number + id),
        Err(error) => Err(Box::new(error)),
    }
}

trait Reads {
    async fn read(&self, text: &str) -> Result<u64, Boxed>;
}

struct Repo {
    larder: Larder,
}

impl Reads for Repo {
    #[cached(larder = self.larder, in_trait)]
    async fn read(&self, text: &str) -> Result<u64, Boxed> {
        match text.parse() {
            Ok(number) => Ok(number),
            Err(error) => Err(Box::new(error)),
        }
    }
}

#[tokio::test]
async fn an_error_is_boxed_where_the_return_type_says_so() {
    let larder = installed().await;
    assert_eq!(boxes_its_error(1, "2").await.unwrap(), 3);
    assert!(boxes_its_error(1, "two").await.is_err());
    let repo = Repo { larder };
    assert_eq!(repo.read("2").await.unwrap(), 2);
    assert!(repo.read("two").await.is_err());
}

#[cached(tenant = tenant)]
async fn of_a_tenant(tenant: String, id: u64) -> String {
    format!("{tenant} {id}")
}

#[invalidates(of_a_tenant(tenant.clone(), id), tenant = tenant, tags = ["all"])]
async fn save(tenant: String, id: u64) -> String {
    tenant
}

#[tokio::test]
async fn a_tenant_may_be_an_owned_argument() {
    installed().await;
    assert_eq!(of_a_tenant("acme".to_owned(), 1).await, "acme 1");
    assert_eq!(of_a_tenant("other".to_owned(), 1).await, "other 1");
    assert!(of_a_tenant_lookup("acme".to_owned(), 1).await.is_some());
    assert_eq!(save("acme".to_owned(), 1).await, "acme");
    assert!(of_a_tenant_lookup("acme".to_owned(), 1).await.is_none());
    assert!(of_a_tenant_lookup("other".to_owned(), 1).await.is_some());
}
