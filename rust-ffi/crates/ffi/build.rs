//! Hands the library the hash of the sources that it is made from: `ruv_source_hash`.

use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Relative to the workspace. Folders count with every file below them.
const SOURCES: [&str; 10] = [
    "Cargo.lock",
    "Cargo.toml",
    "crates/ffi/Cargo.toml",
    "crates/ffi/src",
    "crates/rabitq/Cargo.toml",
    "crates/rabitq/src",
    "crates/rulake/Cargo.toml",
    "crates/rulake/src",
    "crates/simd/Cargo.toml",
    "crates/simd/src",
];

fn main() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = Vec::new();
    for source in SOURCES {
        println!(
            "cargo::rerun-if-changed={}",
            workspace.join(source).display()
        );
        collect(&workspace, source.to_owned(), &mut files);
    }
    files.sort();
    println!(
        "cargo::rustc-env=RUV_SOURCE_HASH={}",
        hash(list(&workspace, &files).as_bytes())
    );
}

/// Adds the names, relative to the workspace, of the files at and below `name`.
fn collect(workspace: &Path, name: String, files: &mut Vec<String>) {
    let path = workspace.join(&name);
    if !path.is_dir() {
        return files.push(name);
    }
    for entry in fs::read_dir(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())) {
        let entry = entry.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        collect(
            workspace,
            format!("{name}/{}", entry.file_name().display()),
            files,
        );
    }
}

/// What `sha256sum` prints for the files in the order of their bytes, so that a shell can compute
/// the hash too: `find Cargo.lock Cargo.toml crates/{ffi,rabitq,rulake,simd}/{Cargo.toml,src} -type f |
/// LC_ALL=C sort | xargs sha256sum | sha256sum`, run in the workspace.
fn list(workspace: &Path, files: &[String]) -> String {
    let mut text = String::new();
    for name in files {
        let bytes = fs::read(workspace.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        writeln!(text, "{}  {name}", hash(&bytes)).expect("writing to a String");
    }
    text
}

fn hash(bytes: &[u8]) -> String {
    hmac_sha256::Hash::hash(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
