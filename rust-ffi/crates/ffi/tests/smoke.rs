//! Compiles `smoke.c` against the header and the built library with the system's C compiler, and runs it.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::path::Path;
use std::process::Command;

#[test]
fn c_program_sees_what_the_header_says() {
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    if Command::new(&compiler).arg("--version").output().is_err() {
        println!("skipped: no C compiler ({compiler}); set CC");
        return;
    }
    // Cargo puts the library beside the tests that it was built for.
    let exe = std::env::current_exe().unwrap();
    let libraries = exe.parent().unwrap();
    assert!(
        libraries
            .join(format!("{DLL_PREFIX}ruvector{DLL_SUFFIX}"))
            .exists(),
        "no library in {libraries:?}"
    );

    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("smoke");
    let flags = std::env::var("CFLAGS").unwrap_or_default();
    run(Command::new(&compiler)
        .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-g"])
        .args(flags.split_whitespace())
        .arg("-I")
        .arg(here.join("include"))
        .arg(here.join("tests/smoke.c"))
        .arg("-o")
        .arg(&program)
        .arg("-L")
        .arg(libraries)
        .arg(format!("-Wl,-rpath,{}", libraries.display()))
        .args(["-lruvector", "-lm"]));
    run(Command::new(&program)
        .arg(folder.path())
        .arg(here.join("../../../testdata/golden")));
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr]
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .concat();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{text}",
        output.status
    );
    print!("{text}");
}
