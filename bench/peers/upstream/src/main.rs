//! ruvector-rabitq by the contract of `ruvector bench`: `--index plus` (sweep rerankFactor) or `--index flat`.
//! `--rotate` takes its Hadamard rotation in place of the dense one.

use std::collections::HashMap;
use std::error::Error;
use std::time::Instant;

use ruvector_rabitq::index::{AnnIndex, FlatF32Index, RabitqPlusIndex, SearchResult};
use ruvector_rabitq::rotation::RandomRotationKind;

const PASSES: usize = 5;
const WARM_UP_SECONDS: f64 = 5.0;
const TRUE_NEIGHBOURS: usize = 10;
const TIE: f64 = 1.0 + 1e-6;

type Res<T> = Result<T, Box<dyn Error>>;

enum Index {
    Flat(FlatF32Index),
    Plus(Box<RabitqPlusIndex>),
}

impl Index {
    fn search(&self, query: &[f32], k: usize, rerank_factor: usize) -> Vec<SearchResult> {
        match self {
            Index::Flat(index) => index.search(query, k),
            Index::Plus(index) => index.search_with_rerank(query, k, rerank_factor),
        }
        .expect("a query of the index's own dimension")
    }

    fn memory_bytes(&self) -> usize {
        match self {
            Index::Flat(index) => index.memory_bytes(),
            Index::Plus(index) => index.memory_bytes(),
        }
    }
}

struct Set {
    dim: usize,
    base: Vec<f32>,
    queries: Vec<f32>,
    limits: Vec<f64>,
}

impl Set {
    fn load(flags: &HashMap<String, String>, dim: usize, truth_k: usize) -> Res<Set> {
        let base = floats(&flags["base"])?;
        let queries = floats(&flags["queries"])?;
        let truth = words(&flags["truth"])?;
        let last = TRUE_NEIGHBOURS.min(truth_k) - 1;
        let limits = (0..queries.len() / dim)
            .map(|i| {
                let row = u32::from_le_bytes(truth[i * truth_k + last]) as usize;
                squared(&queries[i * dim..][..dim], &base[row * dim..][..dim]) * TIE
            })
            .collect();
        Ok(Set {
            dim,
            base,
            queries,
            limits,
        })
    }

    fn query(&self, i: usize) -> &[f32] {
        &self.queries[i * self.dim..][..self.dim]
    }

    fn hits(&self, i: usize, found: &[SearchResult]) -> usize {
        let near = found.iter().filter(|r| {
            squared(self.query(i), &self.base[r.id * self.dim..][..self.dim]) <= self.limits[i]
        });
        near.count().min(TRUE_NEIGHBOURS)
    }
}

fn words(path: &str) -> Res<Vec<[u8; 4]>> {
    let bytes = std::fs::read(path).map_err(|e| format!("{path}: {e}"))?;
    Ok(bytes
        .chunks_exact(4)
        .map(|w| [w[0], w[1], w[2], w[3]])
        .collect())
}

fn floats(path: &str) -> Res<Vec<f32>> {
    Ok(words(path)?.into_iter().map(f32::from_le_bytes).collect())
}

fn squared(a: &[f32], b: &[f32]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(&x, &y)| (f64::from(x) - f64::from(y)).powi(2))
        .sum()
}

/// CPU seconds of this process, all threads.
fn cpu_seconds() -> f64 {
    let mut t = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is to a live timespec that the call fills.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut t) };
    t.tv_sec as f64 + t.tv_nsec as f64 * 1e-9
}

fn resident_bytes() -> Res<f64> {
    let pages: f64 = std::fs::read_to_string("/proc/self/statm")?
        .split(' ')
        .nth(1)
        .ok_or("statm")?
        .parse()?;
    Ok(pages * 4096.0)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn build(kind: &str, set: &Set, rotate: bool) -> Res<Index> {
    let rows = set
        .base
        .chunks_exact(set.dim)
        .map(<[f32]>::to_vec)
        .enumerate();
    if kind == "flat" {
        let mut index = FlatF32Index::new(set.dim);
        for (id, row) in rows {
            index.add(id, row)?;
        }
        return Ok(Index::Flat(index));
    }
    let rotation = if rotate {
        RandomRotationKind::HadamardSigned
    } else {
        RandomRotationKind::HaarDense
    };
    let items = rows.collect();
    let index =
        RabitqPlusIndex::from_vectors_parallel_with_rotation(set.dim, 42, 20, rotation, items)?;
    Ok(Index::Plus(Box::new(index)))
}

fn warm_up(count: usize, mut search: impl FnMut(usize)) {
    let mut last = Vec::new();
    let begin = Instant::now();
    while begin.elapsed().as_secs_f64() < WARM_UP_SECONDS {
        let start = cpu_seconds();
        (0..count).for_each(&mut search);
        last.push(cpu_seconds() - start);
        if let [.., a, b, c] = last[..] {
            if a.max(b).max(c) <= 1.02 * a.min(b).min(c) {
                return;
            }
        }
    }
}

fn measure(set: &Set, k: usize, index: &Index, rerank_factor: usize, pass_seconds: f64) -> String {
    let count = set.limits.len();
    let warm = (count / 10).max(1);
    let search = |i: usize| index.search(set.query(i), k, rerank_factor);
    warm_up(warm, |i| drop(search(i)));
    let (mut hits, mut micros) = (0, Vec::new());
    let mut one = |i: usize| {
        let start = Instant::now();
        let found = search(i);
        micros.push(start.elapsed().as_secs_f64() * 1e6);
        found
    };
    for i in 0..count {
        hits += set.hits(i, &one(i));
    }
    let (mut walls, mut cpus, mut next) = (Vec::new(), Vec::new(), warm);
    for _ in 0..PASSES {
        let (wall, cpu, mut done) = (Instant::now(), cpu_seconds(), 0.0);
        while wall.elapsed().as_secs_f64() < pass_seconds {
            one(next);
            next = if next + 1 == count {
                warm % count
            } else {
                next + 1
            };
            done += 1.0;
        }
        walls.push(done / wall.elapsed().as_secs_f64());
        cpus.push(done / (cpu_seconds() - cpu));
    }
    micros.sort_by(f64::total_cmp);
    format!(
        r#""recall":{:.5},"qps":{:.1},"qps_cpu":{:.1},"p50_us":{:.1},"p99_us":{:.1}"#,
        hits as f64 / (count * TRUE_NEIGHBOURS) as f64,
        median(walls),
        median(cpus),
        micros[micros.len() / 2],
        micros[micros.len() * 99 / 100]
    )
}

fn main() -> Res<()> {
    let mut flags = HashMap::new();
    let mut arguments = std::env::args().skip(1).peekable();
    while let Some(flag) = arguments.next() {
        let value = arguments
            .next_if(|v| !v.starts_with("--"))
            .unwrap_or_default();
        flags.insert(flag.trim_start_matches('-').to_owned(), value);
    }
    let number = |flag: &str, default: usize| flags.get(flag).map_or(Ok(default), |v| v.parse());
    let (dim, k) = (number("dim", 0)?, number("k", 10)?);
    let set = Set::load(&flags, dim, number("truth-k", 100)?)?;
    let n = (set.base.len() / dim) as f64;
    let tag = flags.get("tag").cloned().unwrap_or_default();

    let (resident, wall, cpu) = (resident_bytes()?, Instant::now(), cpu_seconds());
    let index = build(&flags["index"], &set, flags.contains_key("rotate"))?;
    println!(
        r#"{{"tag":"{tag}","build_s":{:.3},"build_cpu_s":{:.3},"bytes_per_vec":{:.1},"resident_per_vec":{:.1},"cpu":"ruvector-rabitq 2.3.0"}}"#,
        wall.elapsed().as_secs_f64(),
        cpu_seconds() - cpu,
        index.memory_bytes() as f64 / n,
        (resident_bytes()? - resident) / n
    );
    // Tuning makes do with shorter passes than judging.
    let pass_seconds = std::env::var("BENCH_PASS_SECONDS").map_or(Ok(1.0), |v| v.parse())?;
    let sweep = flags.get("sweep").map_or("", String::as_str);
    let factors = sweep.strip_prefix("rerankFactor=").unwrap_or("1");
    for factor in factors.split(',') {
        let p = if sweep.is_empty() {
            String::new()
        } else {
            format!("rerankFactor={factor}")
        };
        println!(
            r#"{{"tag":"{tag}","p":"{p}",{}}}"#,
            measure(&set, k, &index, factor.parse()?, pass_seconds)
        );
    }
    Ok(())
}
