use std::fmt;
use std::sync::OnceLock;

/// An instruction set that the kernels are written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Isa {
    /// Plain Rust. Correct everywhere, and slow where the compiler's baseline
    /// has no fused multiply-add.
    Portable,
    /// AVX2 with FMA, F16C and POPCNT.
    Avx2,
    /// AVX-512 F, BW, DQ, VL, VNNI and VPOPCNTDQ.
    Avx512,
    /// Advanced SIMD of AArch64.
    Neon,
}

impl Isa {
    const ALL: [Isa; 4] = [Isa::Avx512, Isa::Avx2, Isa::Neon, Isa::Portable];
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Isa::Portable => "portable",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
            Isa::Neon => "neon",
        })
    }
}

/// The kernels of one instruction set; a value proves that the CPU has it.
///
/// What a CPU has never changes within a process.
#[derive(Clone, Copy, Debug)]
pub struct Simd {
    isa: Isa,
}

impl Simd {
    /// The fastest instruction set of this CPU that the environment allows.
    ///
    /// `RUVECTOR_NO_AVX512=1`, `RUVECTOR_NO_AVX2=1` (which rules out AVX-512
    /// too) and `RUVECTOR_NO_NEON=1` switch one off. Read once.
    pub fn best() -> Simd {
        static BEST: OnceLock<Simd> = OnceLock::new();
        *BEST.get_or_init(|| {
            let off = |name| std::env::var_os(name).is_some_and(|value| value == "1");
            Isa::ALL
                .into_iter()
                .filter(|isa| match isa {
                    Isa::Avx512 => !off("RUVECTOR_NO_AVX512") && !off("RUVECTOR_NO_AVX2"),
                    Isa::Avx2 => !off("RUVECTOR_NO_AVX2"),
                    Isa::Neon => !off("RUVECTOR_NO_NEON"),
                    Isa::Portable => true,
                })
                .find_map(Simd::new)
                .unwrap_or(Simd { isa: Isa::Portable })
        })
    }

    /// The kernels of `isa`, if this CPU has it. The environment has no say.
    pub fn new(isa: Isa) -> Option<Simd> {
        let present = match isa {
            Isa::Portable => true,
            Isa::Avx2 => has_avx2(),
            Isa::Avx512 => has_avx512(),
            Isa::Neon => cfg!(target_arch = "aarch64"),
        };
        present.then_some(Simd { isa })
    }

    /// Every instruction set of this CPU, the fastest first.
    pub fn available() -> Vec<Simd> {
        Isa::ALL.into_iter().filter_map(Simd::new).collect()
    }

    /// The instruction set of these kernels.
    pub fn isa(self) -> Isa {
        self.isa
    }
}

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c")
        && is_x86_feature_detected!("popcnt")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx2() -> bool {
    false
}

#[cfg(target_arch = "x86_64")]
fn has_avx512() -> bool {
    has_avx2()
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vnni")
        && is_x86_feature_detected!("avx512vpopcntdq")
        && is_x86_feature_detected!("bmi2")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx512() -> bool {
    false
}

/// What this CPU has, for a log line: `avx512 (f bw dq vl vnni) avx2 f16c fma`.
pub fn cpu_features() -> String {
    #[cfg(target_arch = "x86_64")]
    {
        macro_rules! present {
            ($($name:literal => $feature:tt),*) => {
                [$(is_x86_feature_detected!($feature).then_some($name)),*]
                    .into_iter()
                    .flatten()
                    .collect::<Vec<&str>>()
                    .join(" ")
            };
        }
        let wide = present!(
            "f" => "avx512f", "bw" => "avx512bw", "dq" => "avx512dq", "vl" => "avx512vl",
            "vbmi" => "avx512vbmi", "vnni" => "avx512vnni", "vpopcntdq" => "avx512vpopcntdq"
        );
        let narrow =
            present!("avx2" => "avx2", "f16c" => "f16c", "fma" => "fma", "popcnt" => "popcnt");
        match (wide.is_empty(), narrow.is_empty()) {
            (false, _) => format!("avx512 ({wide}) {narrow}"),
            (true, false) => narrow,
            (true, true) => "portable".to_owned(),
        }
    }
    #[cfg(target_arch = "aarch64")]
    {
        "neon".to_owned()
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        "portable".to_owned()
    }
}
