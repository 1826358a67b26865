//! Generates what is committed: `cargo run -p xtask -- header`.

use std::path::PathBuf;
use std::process::ExitCode;

/// The sources of the header, in its order.
const SOURCES: [&str; 10] = [
    "error", "abi", "library", "buffer", "index", "filter", "iter", "writer", "bundle", "lake",
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["header"] => {
            header().and_then(|text| std::fs::write(header_path(), text).map_err(|e| e.to_string()))
        }
        _ => Err("usage: cargo run -p xtask -- header".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

/// The C header of the ffi crate.
fn header() -> Result<String, String> {
    let config = cbindgen::Config::from_file(ffi().join("cbindgen.toml"))?;
    let start = cbindgen::Builder::new().with_config(config);
    // Files, not a crate: generating needs no Cargo and no other crate.
    let builder = SOURCES.iter().fold(start, |b, name| {
        b.with_src(ffi().join("src").join(name).with_extension("rs"))
    });
    let bindings = builder.generate().map_err(|e| e.to_string())?;
    let mut bytes = Vec::new();
    bindings.write(&mut bytes);
    String::from_utf8(bytes).map_err(|e| e.to_string())
}

fn header_path() -> PathBuf {
    ffi().join("include/ruvector.h")
}

fn ffi() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../ffi")
}

#[cfg(test)]
mod tests {
    #[test]
    fn committed_header_is_the_generated_one() {
        let committed = std::fs::read_to_string(super::header_path()).unwrap();
        assert!(
            committed == super::header().unwrap(),
            "stale header: run cargo run -p xtask -- header"
        );
    }
}
