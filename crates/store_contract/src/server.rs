//! Real servers, each on a free port of 127.0.0.1, ended by their process ids.

use std::{
    env,
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

/// How to get a server that is not there.
const HELP: &str = "install it (Debian and Ubuntu: apt-get install redis-server memcached; macOS: brew install redis memcached), \
     or set REDIS_SERVER or MEMCACHED to the path of one";

/// A server, which ends when it is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    program: PathBuf,
    arguments: Vec<String>,
    port: u16,
}

// === impl Server ===

impl Server {
    /// A redis-server without persistence, with these further arguments.
    #[must_use]
    pub fn redis(arguments: &[&str]) -> Self {
        let port = free_port();
        let mut all = ["--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--port"]
            .map(str::to_owned)
            .to_vec();
        all.push(port.to_string());
        all.extend(arguments.iter().map(|&argument| argument.to_owned()));
        Self::start(program("REDIS_SERVER", "redis-server"), all, port)
    }

    /// A memcached with these further arguments.
    #[must_use]
    pub fn memcached(arguments: &[&str]) -> Self {
        let port = free_port();
        let mut all = vec!["-l".to_owned(), "127.0.0.1".to_owned(), "-p".to_owned()];
        all.push(port.to_string());
        // As root it wants to be told whose process it is.
        all.extend(["-u".to_owned(), "root".to_owned()]);
        all.extend(arguments.iter().map(|&argument| argument.to_owned()));
        Self::start(program("MEMCACHED", "memcached"), all, port)
    }

    /// Whether there is a redis-server to start.
    #[must_use]
    pub fn has_redis() -> bool {
        find("REDIS_SERVER", "redis-server").is_some_and(|program| program.is_file())
    }

    fn start(program: PathBuf, arguments: Vec<String>, port: u16) -> Self {
        let child = spawn(&program, &arguments);
        let server = Self { child, program, arguments, port };
        server.wait();
        server
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Ends the process, as a crash does.
    pub fn kill(&mut self) {
        self.signal("CONT");
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again, empty, under the same address.
    pub fn restart(&mut self) {
        self.kill();
        self.child = spawn(&self.program, &self.arguments);
        self.wait();
    }

    /// Stops the process where it is: it accepts connections, and does not reply.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    pub fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, signal: &str) {
        let mut kill = Command::new("kill");
        kill.arg(format!("-{signal}")).arg(self.child.id().to_string());
        // A process that has ended gets none.
        let _status = kill.stderr(Stdio::null()).status().unwrap();
    }

    fn wait(&self) {
        for _ in 0..1000 {
            if TcpStream::connect(self.address()).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("{} does not accept connections", self.program.display());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.signal("CONT");
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

fn program(variable: &str, name: &str) -> PathBuf {
    find(variable, name).unwrap_or_else(|| panic!("{name} is not there: {HELP}"))
}

/// The program that the environment variable names, else the first one of this name on the path.
fn find(variable: &str, name: &str) -> Option<PathBuf> {
    if let Some(path) = env::var_os(variable) {
        return Some(path.into());
    }
    let folders = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&folders)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/bin")])
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

fn spawn(program: &PathBuf, arguments: &[String]) -> Child {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap_or_else(|error| panic!("{}: {error}; {HELP}", program.display()))
}

/// A port that nobody listens to at the moment.
#[must_use]
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
