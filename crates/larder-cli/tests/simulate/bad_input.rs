//! Each mistake is named, and nothing is simulated.

use super::{Folder, simulate, simulate_with};

/// That it fails, prints no result, and says all of this.
fn fails(args: &[&str], input: &[u8], says: &[&str]) {
    let ran = simulate_with(args, input);
    assert!(!ran.success, "{ran:?}");
    assert_eq!(ran.out, "");
    for text in says {
        assert!(ran.err.contains(text), "{text} in {}", ran.err);
    }
    assert!(!ran.err.contains("panicked"), "{}", ran.err);
}

#[test]
fn a_capacity_that_holds_nothing_or_is_no_number() {
    for capacity in ["0", "0MiB", "100,0"] {
        let says = ["--capacity", "a cache of capacity 0 holds nothing"];
        fails(&["-", "--capacity", capacity], b"1\n", &says);
    }
    for capacity in ["", "many", "1.5", "5 apples"] {
        let says = ["--capacity", "as 500, or of bytes, as 64KiB"];
        fails(&["-", "--capacity", capacity], b"1\n", &says);
    }
    let huge = ["-", "--capacity", "99999999999999999999"];
    fails(&huge, b"1\n", &["a capacity is at most"]);
    fails(
        &["-", "--capacity", "10,1MB"],
        b"1\n",
        &["in entries or in bytes, not in both"],
    );
    fails(&["-"], b"1\n", &["--capacity"]);
}

#[test]
fn a_policy_that_there_is_not() {
    let says = [
        "no eviction policy \"lruu\"",
        "default, fifo, lifo, lru, mru, lfu, sieve, s3-fifo, w-tinylfu, and all",
    ];
    fails(
        &["-", "--capacity", "1", "--policy", "lru,lruu"],
        b"1\n",
        &says,
    );
}

#[test]
fn a_trace_that_is_missing_or_unreadable() {
    let folder = Folder::new();
    let missing = folder.path("missing.keys");
    let says = ["cannot open the trace", "missing.keys", "No such file"];
    fails(&[&missing, "--capacity", "1"], b"", &says);
    let says = ["cannot open the trace", "directory"];
    fails(&[folder.0.to_str().unwrap(), "--capacity", "1"], b"", &says);
    let mut cut = zstd::encode_all(&b"1\n2\n".repeat(1_000)[..], 1).unwrap();
    cut.truncate(cut.len() - 2);
    let cut = folder.file("cut.zst", cut);
    fails(
        &[&cut, "--capacity", "1"],
        b"",
        &["cannot read the trace", "cut.zst"],
    );
}

#[test]
fn a_trace_without_requests() {
    for empty in ["", "\n\n", "# nothing\n", "key,size\n"] {
        fails(
            &["-", "--capacity", "1"],
            empty.as_bytes(),
            &["has no requests"],
        );
    }
    let says = ["has no requests: line 2: its size \"x\" is no whole number"];
    fails(&["-", "--capacity", "1"], b"key,size\na,x\n", &says);
}

#[test]
fn lines_that_cannot_be_read_are_skipped_and_reported() {
    let long = "x".repeat(100_000);
    let trace = format!("key,size\n\na,1\n# said\nb\nc,0\n,1\n{long},1\na,1\n");
    let trace = [trace.as_bytes(), b"\xff\xfe,1\n"].concat();
    let args = ["-", "--policy", "lru", "--capacity", "5", "--json"];
    let ran = simulate_with(&args, &trace);
    let lru = &ran.json()[0];
    assert_eq!(
        (lru["requests"].as_u64(), lru["hits"].as_u64()),
        (Some(2), Some(1))
    );
    let expected = "larder: skipped 5 lines of -; the first is line 5: it has 1 columns, where the first \
                    line has 2\n";
    assert_eq!(ran.err, expected);
    let strict = ["-", "--capacity", "5", "--strict"];
    fails(&strict, &trace, &["the trace -: line 5: it has 1 columns"]);
    let long = format!("{long}\n1\n1\n");
    let ran = simulate_with(&args, long.as_bytes());
    assert!(
        ran.err.contains("line 1: it is longer than 65536 bytes"),
        "{}",
        ran.err
    );
    assert_eq!(ran.json()[0]["hits"], 1);
}

#[test]
fn columns_that_there_are_not() {
    fails(
        &["-", "--capacity", "1"],
        b"key,bytes\na,1\n",
        &["a column \"bytes\""],
    );
    fails(
        &["-", "--capacity", "1"],
        b"key,key\na,1\n",
        &["\"key\" twice"],
    );
    fails(&["-", "--capacity", "1"], b"a,1,1,1,1\n", &["5 columns"]);
    fails(&["-", "--capacity", "1MB"], b"1\n", &["no column `size`"]);
    fails(
        &["-", "--capacity", "1", "--ttl", "5"],
        b"1\n",
        &["no column `time`"],
    );
    for ttl in ["0", "-1", "soon", "NaN", "inf"] {
        let says = ["a TTL is a number of seconds"];
        fails(
            &["-", "--capacity", "1", &format!("--ttl={ttl}")],
            b"1\n",
            &says,
        );
    }
}

#[test]
fn a_plot_that_cannot_be_written() {
    let folder = Folder::new();
    let plot = |name: &str| folder.path(name);
    let says = ["plot.jpeg", "must end in .svg or .png"];
    fails(
        &["-", "--capacity", "1", "--plot", &plot("plot.jpeg")],
        b"1\n",
        &says,
    );
    let says = ["missing/plot.svg", "its folder does not exist"];
    fails(
        &["-", "--capacity", "1", "--plot", &plot("missing/plot.svg")],
        b"1\n",
        &says,
    );
    std::fs::create_dir(plot("folder.png")).unwrap();
    let says = ["folder.png", "it is a folder"];
    fails(
        &["-", "--capacity", "1", "--plot", &plot("folder.png")],
        b"1\n",
        &says,
    );
}

#[test]
fn what_is_found_out_only_at_the_end_costs_no_result() {
    // A file that may not be written to, whoever runs the test.
    let full = "/dev/full";
    if !std::path::Path::new(full).exists() {
        return;
    }
    let folder = Folder::new();
    let link = folder.path("plot.svg");
    std::os::unix::fs::symlink(full, &link).unwrap();
    let trace = folder.file("trace", "1\n1\n");
    let ran = simulate(&[&trace, "--capacity", "1", "--plot", &link]);
    assert!(!ran.success && ran.out.contains("clairvoyant"), "{ran:?}");
    assert!(ran.err.contains("cannot write the plot"), "{}", ran.err);
}

#[test]
fn a_share_of_the_keys_that_cannot_be() {
    for share in ["0", "1.5", "-1", "NaN", "half", ""] {
        let text = format!("# larder recording: share {share}\nkey\n1\n");
        let ran = simulate_with(&["-", "--capacity", "1"], text.as_bytes());
        assert!(!ran.success);
        assert!(ran.err.contains("above 0 and at most 1"), "{}", ran.err);
    }
}
