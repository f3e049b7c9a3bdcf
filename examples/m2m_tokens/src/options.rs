//! The options of the program.

use std::{env, path::PathBuf, time::Duration};

pub const USAGE: &str = "\
m2m_tokens --token-url URL --client-id ID --api-url URL [options]

  --secret SECRET     the client's secret; better in the environment variable M2M_SECRET, which nobody else can list
  --auth METHOD       basic, post (if not said) or private_key_jwt
  --key FILE          the private key, a PEM file, for private_key_jwt
  --alg ALGORITHM     RS256 (if not said), PS256 or ES256
  --kid ID            by which the issuer finds the public key
  --assertion-aud A   the assertion's audience, if it is not the token URL
  --scope S           scopes, separated by spaces
  --audience A        what the token is for
  --calls N           how many calls to make (1)
  --every MS          milliseconds from one to the next (0: all at once)
  --json              one JSON object on standard output, and nothing else

Clear text is for loopback addresses: the token and the secret could be read on the way.";

/// How the client proves itself.
pub enum Proof {
    Post(String),
    Basic(String),
    Key(Key),
}

/// A private key, and the key id in the header of each assertion.
pub struct Key {
    pub file: PathBuf,
    pub algorithm: String,
    pub id: Option<String>,
    pub audience: Option<String>,
}

pub struct Options {
    pub token_url: String,
    pub client_id: String,
    pub proof: Proof,
    pub scope: Option<String>,
    pub audience: Option<String>,
    pub api_url: String,
    pub calls: usize,
    pub every: Duration,
    pub json: bool,
}

/// The arguments, by name.
struct Arguments(Vec<(String, String)>);

// === impl Options ===

impl Options {
    pub fn parse(arguments: Vec<String>) -> Result<Self, String> {
        let (mut arguments, json) = Arguments::read(arguments)?;
        let options = Self {
            token_url: arguments.required("token-url")?,
            client_id: arguments.required("client-id")?,
            proof: Proof::take(&mut arguments)?,
            scope: arguments.take("scope"),
            audience: arguments.take("audience"),
            api_url: arguments.required("api-url")?,
            calls: arguments.number("calls", 1)?,
            every: Duration::from_millis(arguments.number("every", 0)?),
            json,
        };
        match arguments.0.first() {
            None => Ok(options),
            Some((name, _)) => Err(format!("--{name} is unknown, or said twice")),
        }
    }
}

// === impl Proof ===

impl Proof {
    fn take(arguments: &mut Arguments) -> Result<Self, String> {
        let method = arguments.take("auth").unwrap_or_else(|| "post".to_owned());
        if method == "private_key_jwt" {
            return Ok(Self::Key(Key {
                file: arguments.required("key")?.into(),
                algorithm: arguments.take("alg").unwrap_or_else(|| "RS256".to_owned()),
                id: arguments.take("kid"),
                audience: arguments.take("assertion-aud"),
            }));
        }
        let secret = arguments.take("secret").or_else(|| env::var("M2M_SECRET").ok());
        let secret = secret.ok_or("--secret or the environment variable M2M_SECRET is missing")?;
        match method.as_str() {
            "post" => Ok(Self::Post(secret)),
            "basic" => Ok(Self::Basic(secret)),
            _ => Err(format!("--auth {method}: expected basic, post or private_key_jwt")),
        }
    }
}

// === impl Arguments ===

impl Arguments {
    /// All of them, and whether `--json` was among them.
    fn read(arguments: Vec<String>) -> Result<(Self, bool), String> {
        let (mut named, mut json) = (Vec::new(), false);
        let mut arguments = arguments.into_iter().enumerate();
        while let Some((at, argument)) = arguments.next() {
            // Not repeated: it may be the end of a secret with a space in it.
            let stray = || format!("argument {} is none of the options below", at + 1);
            let name = argument.strip_prefix("--").ok_or_else(stray)?;
            if name == "json" {
                json = true;
                continue;
            }
            // A secret may begin as it likes.
            let is_value = |value: &String| name == "secret" || !value.starts_with("--");
            let value = arguments.next().map(|(_, value)| value).filter(is_value);
            named.push((name.to_owned(), value.ok_or_else(|| format!("--{name} needs a value"))?));
        }
        Ok((Self(named), json))
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let place = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(place).1)
    }

    fn required(&mut self, name: &str) -> Result<String, String> {
        self.take(name).ok_or_else(|| format!("--{name} is missing"))
    }

    fn number<N: std::str::FromStr>(&mut self, name: &str, otherwise: N) -> Result<N, String> {
        let Some(value) = self.take(name) else { return Ok(otherwise) };
        value.parse().map_err(|_| format!("--{name} {value}: expected a number"))
    }
}
