//! The tags that a caller gives to a value.

use std::sync::Arc;

use crate::error::Error;
use crate::key::{NameError, Tag};

/// As many tags as a value may have.
const MAX_TAGS: usize = 64;

/// Why some tags cannot be.
#[derive(Clone)]
pub(crate) enum WrongTags {
    Name(NameError),
    TooMany,
}

impl From<WrongTags> for Error {
    fn from(wrong: WrongTags) -> Self {
        match wrong {
            WrongTags::Name(error) => error.into(),
            WrongTags::TooMany => Self::TooManyTags { max: MAX_TAGS },
        }
    }
}

pub(crate) fn tags_of<T: AsRef<str>>(
    tags: impl IntoIterator<Item = T>,
) -> Result<Arc<[Tag]>, WrongTags> {
    let mut all: Vec<Tag> = Vec::new();
    for tag in tags {
        let tag = Tag::new(tag.as_ref()).map_err(WrongTags::Name)?;
        if all.contains(&tag) {
            continue;
        }
        if all.len() == MAX_TAGS {
            return Err(WrongTags::TooMany);
        }
        all.push(tag);
    }
    Ok(all.into())
}
