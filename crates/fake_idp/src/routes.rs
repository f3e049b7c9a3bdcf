//! Which endpoints there are.

use http::Method;

use super::{flavour::Flavour, seen::Seen};

/// What an endpoint does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Token,
    MachineToken,
    ReadUser,
    CreateUser,
    UpdateUser,
    HangHead,
    HangBody,
    Slow,
    NotFound,
}

/// A method and a pattern, and what is done there.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint {
    pub name: &'static str,
    pub action: Action,
}

/// The endpoints of one flavour.
#[derive(Debug)]
pub struct Routes {
    router: matchit::Router<Endpoint>,
    names: Vec<&'static str>,
}

// The first is where tokens come from.
const AUTH0: &[(&str, Action)] = &[
    ("POST /oauth/token", Action::Token),
    ("GET /api/v2/users/{id}", Action::ReadUser),
    ("POST /api/v2/users", Action::CreateUser),
    ("PATCH /api/v2/users/{id}", Action::UpdateUser),
];

const OKTA: &[(&str, Action)] = &[
    ("POST /oauth2/v1/token", Action::Token),
    ("GET /api/v1/users/{id}", Action::ReadUser),
    ("POST /api/v1/users", Action::CreateUser),
    ("POST /api/v1/users/{id}", Action::UpdateUser),
];

const CLERK: &[(&str, Action)] = &[
    ("POST /v1/m2m_tokens", Action::MachineToken),
    ("GET /v1/users/{id}", Action::ReadUser),
    ("POST /v1/users", Action::CreateUser),
    ("PATCH /v1/users/{id}", Action::UpdateUser),
];

/// Open to everyone, in every flavour.
const COMMON: &[(&str, Action)] = &[
    ("GET /hang/head", Action::HangHead),
    ("GET /hang/body", Action::HangBody),
    ("GET /slow/{ms}", Action::Slow),
];

// === impl Action ===

impl Action {
    /// Where tokens come from.
    pub fn gives_tokens(self) -> bool {
        matches!(self, Self::Token | Self::MachineToken)
    }

    /// Which of the flavour's scopes a user endpoint needs.
    pub fn scope(self, flavour: Flavour) -> Option<&'static str> {
        let [read, create, update] = flavour.scopes();
        match self {
            Self::ReadUser => Some(read),
            Self::CreateUser => Some(create),
            Self::UpdateUser => Some(update),
            _ => None,
        }
    }
}

// === impl Routes ===

impl Routes {
    pub fn of(flavour: Flavour) -> Self {
        let own = match flavour {
            Flavour::Auth0 => AUTH0,
            Flavour::Okta => OKTA,
            Flavour::Clerk => CLERK,
        };
        let mut routes = Self { router: matchit::Router::new(), names: Vec::new() };
        for &(name, action) in own.iter().chain(COMMON) {
            routes
                .router
                .insert(key(name), Endpoint { name, action })
                .expect("the patterns above are distinct");
            routes.names.push(name);
        }
        routes
    }

    /// The endpoint and the one parameter of its path.
    pub fn find(&self, method: &Method, path: &str) -> (Endpoint, String) {
        match self.router.at(&key(&format!("{method} {path}"))) {
            Ok(found) => {
                let parameter = found.params.iter().next().map_or("", |(_, value)| value);
                (*found.value, parameter.to_owned())
            }
            Err(_) => (Endpoint { name: Seen::UNKNOWN, action: Action::NotFound }, String::new()),
        }
    }

    /// Where this flavour gives tokens.
    pub fn token_endpoint(&self) -> &'static str {
        self.names[0]
    }

    /// The endpoint of that name; panics where there is none, so that a misspelt script cannot pass
    /// unseen.
    pub fn name(&self, name: &str) -> &'static str {
        match self.names.iter().find(|known| **known == name) {
            Some(known) => known,
            None => panic!("no endpoint {name:?}; there are {:?}", self.names),
        }
    }
}

/// One key for method and path: `/GET/api/v2/users/{id}`.
fn key(name: &str) -> String {
    format!("/{}", name.replacen(' ', "", 1))
}
