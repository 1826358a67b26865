//! What it costs to grow an IVF index by batches instead of building it of all rows at once, and
//! what the grown one finds:
//! `cargo run --release --example grow -- base.f32 query.f32 truth.i32 dim [rows] [bits] [codes]`.
//! The truth holds 100 neighbours a query, so recall is told for all rows only.

use std::time::Instant;

use rabitq::{Control, Ids, Kind, Options, OriginalsMode, Rows, Search, Source, VectorIndex};

const BATCH: usize = 1000;
const K: usize = 10;

fn read<T: Copy>(path: &str, of: fn([u8; 4]) -> T) -> Vec<T> {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{path}: {e}"));
    bytes
        .chunks_exact(4)
        .map(|b| of(b.try_into().expect("4 bytes")))
        .collect()
}

/// CPU seconds of all threads of this process, in ticks of 10 ms.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<&str> = stat[stat.rfind(')').expect("a name") + 2..]
        .split(' ')
        .collect();
    (fields[11].parse::<f64>().expect("utime") + fields[12].parse::<f64>().expect("stime")) / 100.0
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize, default: usize| {
        arguments
            .get(i)
            .map_or(default, |a| a.parse().expect("a number"))
    };
    let base = read(&arguments[0], f32::from_le_bytes);
    let queries = read(&arguments[1], f32::from_le_bytes);
    let truth = read(&arguments[2], i32::from_le_bytes);
    let dim = number(3, 100);
    let all = base.len() / dim;
    let n = number(4, all).min(all);
    let options = Options {
        bits: number(5, 4) as u32,
        originals: match arguments.get(6).map(String::as_str) {
            Some("codes") => OriginalsMode::None,
            _ => OriginalsMode::Copy,
        },
        ..Options::new(Kind::Ivf, dim)
    };

    let before = cpu();
    let rows = Rows::new(&base, n, dim, dim).expect("a view");
    let built = rabitq::build(
        options.clone(),
        Source::View(rows),
        Ids::From(0),
        &Control::default(),
    )
    .expect("a build");
    let build = cpu() - before;

    let before = cpu();
    let grown = rabitq::create(options).expect("an index");
    let mut longest = 0f64;
    for (i, batch) in base[..n * dim].chunks(BATCH * dim).enumerate() {
        let rows = Rows::new(batch, batch.len() / dim, dim, dim).expect("a view");
        let start = Instant::now();
        grown
            .add(rows, Ids::From((i * BATCH) as i64))
            .expect("an add");
        longest = longest.max(start.elapsed().as_secs_f64());
    }
    let grow = cpu() - before;
    println!(
        "{n} rows: build {build:.2} s, grow {grow:.2} s of CPU ({:.2}x), longest add {longest:.2} s",
        grow / build
    );
    for (name, index) in [("built", &built), ("grown", &grown)] {
        let info = index.info();
        println!(
            "{name}: {} segments, {} cells, {:.1} bytes a row",
            info.segments,
            info.cells,
            info.memory_bytes as f64 / n as f64
        );
        for nprobe in [4, 8, 16, 32, 64, info.cells as u32] {
            let (recall, scanned, qps) = measure(&**index, &queries, &truth, dim, nprobe);
            println!(
                "  nprobe {nprobe:4}: recall@{K} {recall:.4} of {scanned:6.0} rows, {qps:.0} QPS"
            );
        }
    }
}

fn measure(
    index: &dyn VectorIndex,
    queries: &[f32],
    truth: &[i32],
    dim: usize,
    nprobe: u32,
) -> (f64, f64, f64) {
    let search = Search {
        nprobe,
        ..Search::new(K)
    };
    let (mut ids, mut scores) = ([0; K], [0.0; K]);
    let (mut found, mut scanned) = (0, 0);
    let before = cpu();
    for (query, truth) in queries.chunks_exact(dim).zip(truth.chunks_exact(100)) {
        let (n, stats) = index
            .search(query, &search, &mut ids, &mut scores)
            .expect("a search");
        scanned += stats.scanned;
        found += ids[..n]
            .iter()
            .filter(|&&id| truth[..K].contains(&(id as i32)))
            .count();
    }
    let count = queries.len() / dim;
    (
        found as f64 / (count * K) as f64,
        scanned as f64 / count as f64,
        count as f64 / (cpu() - before),
    )
}
