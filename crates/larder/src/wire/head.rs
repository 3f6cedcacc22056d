//! How an envelope begins, for whoever looks through many and wants none of the values.

use super::envelope::Lengths;
use super::{EnvelopeError, MAGIC, Stamps, Tags};

/// What the first bytes under a key are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head<'a> {
    /// The beginning of an envelope of this version.
    Whole {
        /// The stamps of the value's scopes.
        stamps: Stamps<'a>,
        /// The value's tags.
        tags: Tags<'a>,
        /// The readable key, where the stored key holds only its hash. Never empty.
        original: Option<&'a str>,
        /// The length of the whole envelope, as it says itself.
        len: usize,
    },
    /// The same, cut off: so many bytes are needed.
    Cut(usize),
    /// An envelope of a newer program, or a damaged one.
    Unreadable,
    /// Something that larder did not write.
    Foreign,
}

impl<'a> Head<'a> {
    /// Reads the beginning of what lies under a key. Nothing is verified but the lengths, since the
    /// checksum is of the whole. No input panics, and nothing is allocated.
    pub fn read(bytes: &'a [u8]) -> Self {
        if !bytes.starts_with(&MAGIC) {
            return Self::Foreign;
        }
        let lengths = match Lengths::read(bytes) {
            Ok(lengths) => lengths,
            Err(EnvelopeError::Truncated { needed, .. }) => return Self::Cut(needed),
            Err(_) => return Self::Unreadable,
        };
        // A flag that is not known may mean that what follows is laid out otherwise.
        if bytes.get(6) != Some(&0) {
            return Self::Unreadable;
        }
        let Some((stamps, tags, original)) = lengths.split(bytes) else {
            return Self::Cut(lengths.without_payload());
        };
        let Ok(original) = std::str::from_utf8(original) else {
            return Self::Unreadable;
        };
        Self::Whole {
            stamps,
            tags,
            original: Some(original).filter(|original| !original.is_empty()),
            len: lengths.total(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Tag;
    use crate::wire::{Envelope, Header, Stamp, encode};

    #[test]
    fn a_beginning_says_as_much_as_the_whole() {
        let stamps = [
            Stamp {
                remove: 1,
                expire: 2,
            },
            Stamp {
                remove: 3,
                expire: 4,
            },
        ];
        let tags = [Tag::new("a").unwrap(), Tag::new("bc").unwrap()];
        let bytes = encode(&Header::default(), Some("[1]"), &stamps, &tags, |out| {
            out.extend_from_slice(b"the payload");
            Ok(())
        })
        .unwrap();
        let needed = bytes.len() - b"the payload".len();
        let envelope = Envelope::parse(&bytes).unwrap();
        for len in 0..=bytes.len() {
            match Head::read(&bytes[..len]) {
                Head::Foreign => assert!(len < MAGIC.len()),
                Head::Cut(more) => assert!(len < needed && len < more && more <= needed, "{len}"),
                Head::Whole {
                    stamps,
                    tags,
                    original,
                    len: whole,
                } => {
                    assert!(len >= needed);
                    assert_eq!((stamps, tags), (envelope.stamps, envelope.tags));
                    assert_eq!((original, whole), (envelope.original, bytes.len()));
                }
                Head::Unreadable => panic!("{len}"),
            }
        }
        let mut newer = bytes.to_vec();
        newer[3] += 1;
        assert_eq!(Head::read(&newer), Head::Unreadable);
        newer[3] -= 1;
        newer[6] = 1;
        assert_eq!(Head::read(&newer), Head::Unreadable);
        assert_eq!(Head::read(b"hello"), Head::Foreign);
    }
}
