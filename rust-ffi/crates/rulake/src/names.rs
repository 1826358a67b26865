//! Names that a user may give. Each check answers [`Error::Argument`], whose `value` is the name and
//! whose `allowed` is the rule that it broke.

use crate::bundle::RuLakeBundle;
use crate::error::{Error, Result};

/// The longest name, in UTF-8 bytes: what file systems take.
const MAX_BYTES: usize = 255;

/// Checks the id of a backend: 1 to 255 bytes without control characters, `/`, `\` and `:`. With
/// those, `<backend>://<collection>` could mean two collections.
pub fn check_backend(id: &str) -> Result<()> {
    let rule = broken_rule(id).or_else(|| without(id, &['/', '\\', ':']));
    answer("backend", id, rule)
}

/// Checks the name of a collection: 1 to 255 bytes without control characters.
pub fn check_collection(name: &str) -> Result<()> {
    answer("collection", name, broken_rule(name))
}

/// Checks the name of a file in a backend's folder.
///
/// 1 to 255 bytes without control characters, separators and colons, and neither `.` nor `..`, as
/// upstream has it; besides, none that begins with a dot (files in the making do), and none that
/// Windows takes for a device or changes.
pub fn check_file(name: &str) -> Result<()> {
    answer(
        "file",
        name,
        broken_rule(name).or_else(|| broken_file_rule(name)),
    )
}

fn answer(what: &'static str, name: &str, rule: Option<String>) -> Result<()> {
    match rule {
        None => Ok(()),
        Some(rule) => {
            // Cut, for a hostile one may be of any length.
            let shown: String = name.chars().take(MAX_BYTES).collect();
            Err(Error::argument(what, format!("{shown:?}"), rule))
        }
    }
}

fn broken_rule(name: &str) -> Option<String> {
    if name.is_empty() || name.len() > MAX_BYTES {
        return Some(format!("1 to {MAX_BYTES} bytes, not {}", name.len()));
    }
    name.contains(char::is_control)
        .then(|| "no control character".into())
}

fn broken_file_rule(name: &str) -> Option<String> {
    let windows = ['/', '\\', ':', '<', '>', '"', '|', '?', '*'];
    if let Some(rule) = without(name, &windows) {
        return Some(rule);
    }
    if name.starts_with('.') {
        return Some("no dot at the start".into());
    }
    if name.ends_with(['.', ' ']) {
        return Some("no dot or blank at the end, which Windows drops".into());
    }
    let stem = name.split('.').next().unwrap_or(name).trim_end();
    if is_device(&stem.to_ascii_uppercase()) {
        return Some("no device of Windows".into());
    }
    name.eq_ignore_ascii_case(RuLakeBundle::SIDECAR_FILENAME)
        .then(|| "not the name of the sidecar".into())
}

fn without(name: &str, refused: &[char]) -> Option<String> {
    name.contains(refused).then(|| {
        let listed: Vec<String> = refused.iter().map(char::to_string).collect();
        format!("none of {}", listed.join(" "))
    })
}

fn is_device(stem: &str) -> bool {
    let numbered = |prefix: &str| {
        let number = stem.strip_prefix(prefix);
        number.is_some_and(|n| {
            matches!(n, "¹" | "²" | "³")
                || (n.len() == 1 && n != "0" && n.as_bytes()[0].is_ascii_digit())
        })
    };
    matches!(stem, "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$")
        || numbered("COM")
        || numbered("LPT")
}
