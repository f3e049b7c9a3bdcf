//! What the compiler says to one who forgot `ReplayBodyLayer`.

#![allow(clippy::unwrap_used, reason = "helpers of tests are no tests to Clippy")]

use std::fs;
use std::path::Path;
use std::process::Command;

/// Stands for the crates that the trait's own file needs.
const CRATES: &str = r#"
    extern crate self as http;
    extern crate self as http_body;
    pub struct Extensions;
    pub trait Body { fn size_hint(&self) -> SizeHint { SizeHint } }
    pub struct SizeHint;
    impl SizeHint { pub fn exact(&self) -> Option<u64> { None } }
    impl Body for String {}
"#;

/// Compiles the trait's own file, which needs nothing else, with uses of it that are wrong.
#[test]
fn the_compiler_names_the_layer_that_is_missing() {
    let uses = r#"
        pub struct Stream;
        pub struct Request<B>(B);
        pub struct Retry;
        pub trait Service<R> { fn call(&self, _: R) {} }
        impl<B: ReplayableBody> Service<Request<B>> for Retry {}
        fn layered<S: Service<Request<Stream>>>(_: S) {}

        pub trait HttpClient<B>: Service<Request<B>> + Clone {}
        impl<S: Service<Request<B>> + Clone, B> HttpClient<B> for S {}
        pub struct Hyper<B>(std::marker::PhantomData<B>);
        impl<B> Clone for Hyper<B> { fn clone(&self) -> Self { Self(self.0) } }
        impl<B> Service<Request<B>> for Hyper<B> {}
        impl<B> Service<Request<B>> for &Hyper<B> {}
        pub struct StackService<S: HttpClient<B>, B: ReplayableBody>(S, Vec<B>);
        pub struct Stack;
        impl Stack { fn service<S: HttpClient<B>, B: ReplayableBody>(&self, _: S) {} }

        pub fn as_an_argument() { fn sent_again<B: ReplayableBody>(_: B) {} sent_again(Stream) }
        pub fn as_a_service() { layered(Retry) }
        pub fn as_a_call() { Retry.call(Request(Stream)) }
        pub fn around_a_client(http: Hyper<Stream>) { Stack.service(http) }
        pub struct App { client: StackService<Hyper<Stream>, Stream> }
    "#;
    let messages = compile(uses);
    for expected in [
        "`Stream` can be sent only once, and this sends it again",
        "neither `Clone` nor a `ReplayBody`",
        "put `tower_heed::body::ReplayBodyLayer` around the layers that retry: they and the client inside then get a `ReplayBody<Stream>`",
        "or use a body that is `Clone`, such as `http_body_util::Full<Bytes>`",
    ] {
        assert_eq!(messages.matches(expected).count(), 5, "{expected:?} in:\n{messages}");
    }
}

/// The test above would pass if the file did not compile at all and said so in those words.
#[test]
fn the_compiler_is_content_with_a_body_that_is_clone() {
    let messages = compile(
        "pub fn right() { fn sent_again<B: ReplayableBody>(_: B) {} sent_again(String::new()) }",
    );
    assert!(!messages.contains("error"), "{messages}");
}

fn compile(uses: &str) -> String {
    let trait_file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/body/replayable.rs");
    let name = format!("hint_{}", uses.len());
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.rs"));
    fs::write(
        &file,
        format!(
            "#[path = {trait_file:?}] mod replayable;\nuse replayable::ReplayableBody;\n{CRATES}\n{uses}"
        ),
    )
    .unwrap();
    let output = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args([
            "--edition=2024",
            "--crate-type=lib",
            "--emit=metadata",
            "--color=never",
            "--crate-name",
            &name,
        ])
        .arg("--out-dir")
        .arg(env!("CARGO_TARGET_TMPDIR"))
        .arg(&file)
        .output()
        .unwrap();
    String::from_utf8(output.stderr).unwrap()
}
