//! Builds an index of a file of rows within a limit of memory, and searches it with its codes in
//! memory and its originals on disk. Linux only: it reads /proc/self/status.
//!
//! beyond_memory build ROWS.f32 DIM INDEX MAX_MIB [KIND]
//! beyond_memory search INDEX QUERY.f32 TRUTH.i32 TRUTH_K MODE PASSES NPROBE...
//!
//! KIND is ivf, plus or asym; MODE is map, load or codes. The last of PASSES over all queries is
//! timed, so that 1 shows a cold search after `dd if=INDEX iflag=nocache count=0`.
use std::path::Path;
use std::time::Instant;

use rabitq::{Control, FileRows, Ids, Kind, OpenMode, Options, Search, build_to, open};

const K: usize = 10;

/// Peak and present resident MiB, mapped pages included.
fn resident() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let mib = |field: &str| -> u64 {
        let line = status.lines().find(|l| l.starts_with(field)).unwrap_or("");
        line.split_whitespace()
            .nth(1)
            .map_or(0, |kib| kib.parse::<u64>().unwrap_or(0) >> 10)
    };
    (mib("VmHWM"), mib("VmRSS"))
}

fn main() -> rabitq::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["build", rows, dim, index, mib, ref kind @ ..] => {
            build(rows, number(dim), index, number(mib), kind)
        }
        [
            "search",
            index,
            query,
            truth,
            truth_k,
            mode,
            passes,
            ref nprobes @ ..,
        ] => search(
            index,
            query,
            (truth, number(truth_k)),
            mode,
            number(passes),
            nprobes,
        ),
        _ => panic!("see the first lines of the source"),
    }
}

fn number(text: &str) -> usize {
    text.parse().expect("a number")
}

fn build(rows: &str, dim: usize, index: &str, mib: usize, kind: &[&str]) -> rabitq::Result<()> {
    let kind = match kind.first() {
        None | Some(&"ivf") => Kind::Ivf,
        Some(&"plus") => Kind::Plus,
        _ => Kind::Asym,
    };
    let (rows, stride) = (Path::new(rows), dim as u64 * 4);
    let count = std::fs::metadata(rows).expect("rows").len() / stride;
    let start = Instant::now();
    let file = FileRows::open(rows, 0, count, dim, stride)?;
    let limit = (mib as u64) << 20;
    let index = Path::new(index);
    build_to(
        index,
        Options::new(kind, dim),
        file,
        Ids::From(0),
        limit,
        &Control::default(),
    )?;
    let bytes = std::fs::metadata(index).expect("an index").len();
    println!(
        "{kind:?} of {count} rows in {:.1} s, {:.1} bytes a row, peak {} MiB resident",
        start.elapsed().as_secs_f64(),
        bytes as f64 / count as f64,
        resident().0,
    );
    Ok(())
}

fn search(
    index: &str,
    query: &str,
    (truth, truth_k): (&str, usize),
    mode: &str,
    passes: usize,
    nprobes: &[&str],
) -> rabitq::Result<()> {
    let mode = match mode {
        "map" => OpenMode::Map,
        "load" => OpenMode::Load,
        _ => OpenMode::LoadCodes,
    };
    let words = |path: &str| -> Vec<[u8; 4]> {
        let bytes = std::fs::read(path).expect("a file");
        bytes.as_chunks().0.to_vec()
    };
    let queries: Vec<f32> = words(query).into_iter().map(f32::from_le_bytes).collect();
    let truth: Vec<i32> = words(truth).into_iter().map(i32::from_le_bytes).collect();
    let start = Instant::now();
    let index = open(Path::new(index), mode, false)?;
    let dim = index.info().options.dim;
    println!(
        "{mode:?} opened in {:.3} s, {} MiB resident",
        start.elapsed().as_secs_f64(),
        resident().1
    );
    for nprobe in nprobes {
        let request = Search {
            nprobe: number(nprobe) as u32,
            ..Search::new(K)
        };
        let mut micros = Vec::new();
        let mut right = 0;
        let mut reranked = 0;
        for _ in 0..passes {
            (right, reranked) = (0, 0);
            micros.clear();
            for (query, truth) in queries.chunks_exact(dim).zip(truth.chunks_exact(truth_k)) {
                let (mut ids, mut scores) = ([0i64; K], [0f32; K]);
                let start = Instant::now();
                let (_, stats) = index.search(query, &request, &mut ids, &mut scores)?;
                micros.push(start.elapsed().as_secs_f64() * 1e6);
                reranked += stats.reranked;
                right += truth[..K]
                    .iter()
                    .filter(|&&t| ids.contains(&t.into()))
                    .count();
            }
        }
        micros.sort_by(f64::total_cmp);
        let n = micros.len();
        println!(
            "nprobe {nprobe}: recall {:.4}, {:.0} QPS, p50 {:.0} us, p99 {:.0} us, {:.1} rows compared exactly, {} MiB resident",
            right as f64 / (n * K) as f64,
            n as f64 * 1e6 / micros.iter().sum::<f64>(),
            micros[n / 2],
            micros[n * 99 / 100],
            reranked as f64 / n as f64,
            resident().1,
        );
    }
    Ok(())
}
