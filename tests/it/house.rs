//! What is written in several places says the same in all of them.

use std::{fs, path::Path};

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

#[test]
fn the_readme_names_the_version_of_the_manifest() {
    let (major_minor, _) = env!("CARGO_PKG_VERSION").rsplit_once('.').unwrap();
    assert!(read("README.md").contains(&format!("tower-heed = \"{major_minor}\"")));
}

#[test]
fn the_readme_names_the_minimum_rust_version_of_the_manifest() {
    let version = env!("CARGO_PKG_RUST_VERSION");
    assert!(read("README.md").contains(&format!("\n{version}, the lowest")));
}

#[test]
fn the_readme_gives_a_reason_for_each_dependency_and_feature() {
    let readme = read("README.md");
    let manifest = read("Cargo.toml");
    let section = |name: &str| {
        let start = manifest.find(&format!("\n[{name}]\n")).unwrap();
        manifest[start..]
            .lines()
            .skip(2)
            .take_while(|line| !line.starts_with('['))
            .collect::<Vec<_>>()
    };
    let lines = [section("dependencies"), section("features")].concat();
    let names: Vec<&str> = lines
        .iter()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| Some(line.split_once('=')?.0.trim()))
        .filter(|name| *name != "default")
        .collect();
    assert!(names.len() > 15, "{names:?}");
    for name in names {
        assert!(readme.contains(&format!("`{name}`")), "the README does not mention `{name}`");
    }
}

#[test]
fn the_changelog_has_a_part_for_what_is_not_released() {
    assert!(read("CHANGELOG.md").contains("## [Unreleased]\n"));
}

/// Git for Windows writes CRLF otherwise: bash cannot run the scripts then, and the tests here do not find what they look for.
#[test]
fn line_ends_are_the_same_on_every_system() {
    assert!(read(".gitattributes").contains("* text=auto eol=lf\n"));
    assert!(!read("Cargo.toml").contains('\r'));
}
