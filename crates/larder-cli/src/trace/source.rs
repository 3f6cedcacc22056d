//! Where a trace is read from, uncompressed on the way.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// Opens a file, or the standard input where it is called `-`. Whether it is compressed is told by
/// its first bytes, whatever its name.
pub(super) fn open(path: &Path) -> io::Result<Box<dyn BufRead>> {
    let raw: Box<dyn Read> = if path.as_os_str() == "-" {
        Box::new(io::stdin())
    } else {
        let file = File::open(path)?;
        if file.metadata()?.is_dir() {
            return Err(io::Error::other("it is a directory"));
        }
        Box::new(file)
    };
    uncompressed(raw)
}

fn uncompressed(mut raw: impl Read + 'static) -> io::Result<Box<dyn BufRead>> {
    let mut first = Vec::new();
    raw.by_ref().take(4).read_to_end(&mut first)?;
    let is_gzip = first.starts_with(GZIP);
    let is_zstd = first.starts_with(ZSTD);
    let raw = BufReader::with_capacity(1 << 16, io::Cursor::new(first).chain(raw));
    Ok(if is_gzip {
        Box::new(BufReader::new(MultiGzDecoder::new(raw)))
    } else if is_zstd {
        Box::new(BufReader::new(zstd::stream::read::Decoder::with_buffer(
            raw,
        )?))
    } else {
        Box::new(raw)
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read(bytes: Vec<u8>) -> io::Result<String> {
        let mut text = String::new();
        uncompressed(io::Cursor::new(bytes))?.read_to_string(&mut text)?;
        Ok(text)
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn compression_is_told_by_the_first_bytes() {
        let zstd = |text: &str| zstd::encode_all(text.as_bytes(), 1).unwrap();
        for text in ["", "1", "1\n2\n", &"17\n".repeat(100_000)] {
            assert_eq!(read(text.into()).unwrap(), text);
            assert_eq!(read(gzip(text)).unwrap(), text);
            assert_eq!(read(zstd(text)).unwrap(), text);
        }
        // Files that were compressed in parts, one after the other.
        assert_eq!(read([gzip("1\n"), gzip("2\n")].concat()).unwrap(), "1\n2\n");
        assert_eq!(read([zstd("1\n"), zstd("2\n")].concat()).unwrap(), "1\n2\n");
    }

    #[test]
    fn a_truncated_file_is_an_error() {
        let text = "17\n".repeat(1_000);
        for mut whole in [gzip(&text), zstd::encode_all(text.as_bytes(), 1).unwrap()] {
            whole.truncate(whole.len() - 3);
            assert!(read(whole).is_err());
        }
    }
}
