//! What is written in several places says the same in all of them.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

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
        .filter(|name| *name != "default" && !name.starts_with("__"))
        .collect();
    assert!(names.len() > 15, "{names:?}");
    for name in names {
        assert!(readme.contains(&format!("`{name}`")), "the README does not mention `{name}`");
    }
}

/// Cases that name a standard belong to no vendor.
#[test]
fn as_many_vendors_are_named_as_have_a_case() {
    let cases: Vec<serde_json::Value> =
        serde_json::from_str(&read("tests/corpus/cases.json")).unwrap();
    let vendors: BTreeSet<&str> = cases
        .iter()
        .map(|case| case["vendor"].as_str().unwrap())
        .filter(|vendor| !["RFC ", "IETF ", "Generic "].iter().any(|word| vendor.starts_with(word)))
        .collect();
    let claim = format!("{} vendors", vendors.len());
    for file in ["README.md", "docs/comparison.md", "CHANGELOG.md"] {
        assert!(read(file).contains(&claim), "{file} does not say {claim}");
    }
}

#[test]
fn the_changelog_has_a_part_for_what_is_not_released() {
    assert!(read("CHANGELOG.md").contains("## [Unreleased]\n"));
}

fn sources(folder: PathBuf, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn the_list_of_the_token_rules_names_tests_that_exist_and_one_for_each_rule() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut text = String::new();
    for folder in ["src", "tests"] {
        sources(root.join(folder), &mut text);
    }
    let list = read("tests/it/token_cache/rules.md");
    let mut rules = Vec::new();
    for line in list.lines() {
        let Some((rule, tests)) = line
            .strip_prefix("| ")
            .and_then(|line| line.split_once(" | "))
            .and_then(|(rule, rest)| Some((rule.parse::<u32>().ok()?, rest.rsplit_once(" | ")?.1)))
        else {
            continue;
        };
        let tests: Vec<_> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "rule {rule} has no test");
        for test in tests {
            assert!(text.contains(&format!("fn {test}(")), "rule {rule}: there is no `{test}`");
        }
        rules.push(rule);
    }
    assert!(rules.is_sorted());
    for rule in 1..=50 {
        assert!(rules.contains(&rule), "rule {rule} is not in the list");
    }
}

/// Git for Windows writes CRLF otherwise: bash cannot run the scripts then, and the tests here do not find what they look for.
#[test]
fn line_ends_are_the_same_on_every_system() {
    assert!(read(".gitattributes").contains("* text=auto eol=lf\n"));
    assert!(!read("Cargo.toml").contains('\r'));
}
