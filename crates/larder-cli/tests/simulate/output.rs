//! What it prints and draws.

use std::fmt::Write;

use super::{Folder, simulate, simulate_with};

#[test]
fn a_table_has_all_policies_in_each_capacity() {
    let trace = "1\n2\n1\n3\n2\n1\n2\n";
    let args = ["-", "--policy", "lru,mru", "--capacity", "2,1"];
    let ran = simulate_with(&args, trace.as_bytes());
    assert!(ran.success, "{ran:?}");
    let expected = "\
-: 7 requests for 3 keys
capacity  policy       hits  hit ratio

       1  lru             0     0.00 %
       1  mru             0     0.00 %
       1  clairvoyant     2    28.57 %

       2  lru             2    28.57 %
       2  mru             2    28.57 %
       2  clairvoyant     4    57.14 %
";
    assert_eq!(ran.out, expected);
    assert_eq!(ran.err, "");
}

#[test]
fn sizes_costs_and_times_count_where_the_trace_has_them() {
    let folder = Folder::new();
    let trace = "time,key,size,cost\n0,a,100,1\n1,b,300,5\n2,a,100,1\n3,b,300,5\n20,a,100,1\n";
    let path = folder.file("trace", trace);
    let run = |more: &[&str]| {
        let args = [&[path.as_str(), "--policy", "lru", "--json"], more].concat();
        let first = simulate(&args).json().swap_remove(0);
        let share = |name: &str| first[name].as_f64().unwrap();
        (
            first["hits"].as_u64().unwrap(),
            share("byte_hit_ratio"),
            share("cost_saved"),
        )
    };
    let close = |a: (u64, f64, f64), b: (u64, f64, f64)| {
        assert!(
            a.0 == b.0 && (a.1 - b.1).abs() < 1e-9 && (a.2 - b.2).abs() < 1e-9,
            "{a:?}"
        );
    };
    close(run(&["--capacity", "10"]), (3, 500.0 / 900.0, 7.0 / 13.0));
    close(run(&["--capacity", "400B"]), (3, 500.0 / 900.0, 7.0 / 13.0));
    // Only `a` fits.
    close(run(&["--capacity", "299B"]), (2, 200.0 / 900.0, 2.0 / 13.0));
    close(
        run(&["--capacity", "10", "--ttl", "10"]),
        (2, 400.0 / 900.0, 6.0 / 13.0),
    );
    let ran = simulate(&[&path, "--capacity", "1KiB", "--policy", "fifo"]);
    assert!(
        ran.out.contains("byte hit ratio  cost saved"),
        "{}",
        ran.out
    );
    assert!(ran.out.contains("   1 KiB  fifo"), "{}", ran.out);
}

#[test]
fn all_policies_run_and_none_beats_the_clairvoyant() {
    let mut trace = String::new();
    let mut state = 7_u32;
    for _ in 0..5_000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // Small keys more often than large ones.
        let key = (state >> 16) % ((state >> 8) % 400 + 1);
        writeln!(trace, "k{key}").unwrap();
    }
    let args = ["-", "--capacity", "10,50,100", "--json"];
    let outcomes = simulate_with(&args, trace.as_bytes()).json();
    assert_eq!(outcomes.len(), 3 * 10);
    for capacity in outcomes.chunks(10) {
        let best = capacity.last().unwrap();
        assert_eq!(best["policy"], "clairvoyant");
        for outcome in capacity {
            assert!(
                outcome["hits"].as_u64() <= best["hits"].as_u64(),
                "{outcome}"
            );
            assert!(outcome["hits"].as_u64() > Some(0), "{outcome}");
        }
    }
}

#[test]
fn compressed_traces_are_read_whatever_their_name() {
    let folder = Folder::new();
    let text = "1\n2\n".repeat(100);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, text.as_bytes()).unwrap();
    for (name, bytes) in [
        ("plain.gz", text.clone().into_bytes()),
        ("gzip.txt", gzip.finish().unwrap()),
        ("zstd", zstd::encode_all(text.as_bytes(), 1).unwrap()),
    ] {
        let path = folder.file(name, bytes);
        let outcomes = simulate(&[&path, "--policy", "lru", "--capacity", "2", "--json"]).json();
        assert_eq!(outcomes[0]["hits"], 198, "{name}");
        assert_eq!(outcomes[0]["trace"], name);
    }
}

#[test]
fn a_plot_is_drawn_as_svg_and_as_png() {
    let folder = Folder::new();
    let path = folder.file("trace", "1\n2\n3\n1\n2\n3\n1\n1\n");
    // One capacity, several, and several that are far apart.
    for capacities in ["2", "1,2,3", "1,10,1000"] {
        let (svg, png) = (folder.path("plot.svg"), folder.path("plot.PNG"));
        for plot in [&svg, &png] {
            let ran = simulate(&[&path, "--capacity", capacities, "--plot", plot]);
            assert!(ran.success && ran.out.contains("clairvoyant"), "{ran:?}");
        }
        let svg = std::fs::read_to_string(svg).unwrap();
        for text in [
            "Hit ratio by capacity: trace",
            "capacity (entries",
            "hit ratio (% of requests)",
            "clairvoyant",
            "w-tinylfu",
        ] {
            assert!(svg.contains(text), "{text} in {svg}");
        }
        assert!(std::fs::read(png).unwrap().starts_with(b"\x89PNG\r\n"));
    }
}

#[test]
fn a_reader_that_has_enough_is_no_error() {
    let trace = "1\n".repeat(1_000);
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_larder"))
        .args(["simulate", "-", "--capacity", "1", "--json"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // Closed before the first line is written, as the trace has not ended yet.
    drop(child.stdout.take());
    let mut input = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut input, trace.as_bytes()).unwrap();
    drop(input);
    assert!(child.wait().unwrap().success());
}

#[test]
fn capacities_are_scaled_by_the_share_of_the_keys_that_a_recording_has() {
    // Ten keys in turn, which stand for a hundred.
    let requests = (0..1_000).map(|n| format!("{},0\n", n % 10));
    let text =
        "# larder recording: share 0.1\nkey,time\n".to_owned() + &requests.collect::<String>();
    let args = ["-", "--policy", "lru", "--capacity", "90,100", "--json"];
    let outcomes = simulate_with(&args, text.as_bytes()).json();
    let hits = |capacity: u64| {
        let of = outcomes
            .iter()
            .find(|outcome| outcome["policy"] == "lru" && outcome["capacity"] == capacity);
        of.unwrap()["hits"].clone()
    };
    assert_eq!((hits(90), hits(100)), (0.into(), 990.into()));
    let ran = simulate_with(&args[..5], text.as_bytes());
    assert!(ran.out.contains("10.00 % of the keys"), "{}", ran.out);
}

#[test]
fn how_to_record_is_said_without_a_trace() {
    let ran = simulate(&["--record"]);
    assert!(ran.success && ran.out.contains("cache.record("), "{ran:?}");
}
