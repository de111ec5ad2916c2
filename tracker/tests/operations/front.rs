//! The real nginx and HAProxy with the sample configurations, in front of a
//! real tracker.
#![allow(dead_code, missing_docs, unreachable_pub)] // a part of one test binary

use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::{free_address, until};

/// The name in the samples, and in the certificate.
pub const NAME: &str = "tracker.example.com";

/// A certificate for [`NAME`], by itself its own authority, and its key.
pub struct Certificate {
    pub certificate: String,
    pub key: String,
}

impl Certificate {
    pub fn new() -> Self {
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
        Certificate { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() }
    }

    /// Writes both where the samples have them, below `dir`.
    pub fn write(&self, dir: &Path) {
        std::fs::write(dir.join("tracker.pem"), &self.certificate).unwrap();
        std::fs::write(dir.join("tracker.key"), &self.key).unwrap();
        let both = self.certificate.clone() + &self.key;
        std::fs::write(dir.join("tracker-and-key.pem"), both).unwrap();
    }
}

/// Replaces what has to be there.
pub fn replace(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "the sample says nothing of {from}");
    text.replace(from, to)
}

/// A proxy that is gone with the value that stands for it.
pub struct Front {
    child: Child,
    port: String,
    authority: String,
}

impl Front {
    /// Starts `command` with the sample, in which these are replaced: where to
    /// listen (with `:` before the port or not) and where the tracker is.
    pub fn start(dir: &Path, proxy: &Proxy, tracker: &str) -> Self {
        Certificate::new().write(dir);
        let address = free_address();
        let port = address.rsplit(':').next().unwrap().to_owned();
        let sample = super::sample(proxy.sample);
        let text = replace(&sample, "/etc/ssl/labkit", dir.to_str().unwrap());
        let text = replace(&text, "127.0.0.1:8480", tracker);
        let text = replace(&text, proxy.listens, &proxy.listens.replace("443", &port));
        let file = dir.join(proxy.sample);
        std::fs::write(&file, text).unwrap();
        let main = (proxy.wrap)(dir, &file);
        let [checks, runs] = [proxy.check, proxy.run].map(|args| {
            let mut command = Command::new(proxy.binary);
            command.args(args).arg(&main).stderr(Stdio::piped());
            command
        });
        let [mut checks, mut runs] = [checks, runs];
        let needed = |e| panic!("{} is needed (Debian: {}): {e}", proxy.binary, proxy.package);
        let checked = checks.output().unwrap_or_else(needed);
        let said = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert!(checked.status.success(), "{said}");
        let complains = |line: &&str| line.contains("warn") || line.contains("WARN");
        assert_eq!(said.lines().find(complains), None, "{said}");
        let child = runs.stderr(Stdio::null()).spawn().unwrap();
        let authority = dir.join("tracker.pem").to_str().unwrap().to_owned();
        let front = Front { child, port, authority };
        until("the proxy leads to the tracker", || front.get("/-/readiness", &[]).0 == "200");
        front
    }

    /// Status and body, over TLS whose certificate is checked.
    pub fn get(&self, path: &str, args: &[&str]) -> (String, String) {
        let to = format!("{NAME}:443:127.0.0.1:{}", self.port);
        let output = Command::new("curl")
            .args(["-s", "--max-time", "20", "-w", "\n%{http_code}", "--cacert", &self.authority])
            .args(["--connect-to", &to])
            .args(args)
            .arg(format!("https://{NAME}{path}"))
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (body, status) = text.rsplit_once('\n').unwrap();
        (status.to_owned(), body.to_owned())
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a proxy is run, in one process that ends with it.
pub struct Proxy {
    pub binary: &'static str,
    pub package: &'static str,
    pub sample: &'static str,
    pub listens: &'static str,
    pub check: &'static [&'static str],
    pub run: &'static [&'static str],
    /// The file to start it with, which may be another one that includes the sample.
    pub wrap: fn(&Path, &Path) -> std::path::PathBuf,
}

pub const NGINX: Proxy = Proxy {
    binary: "/usr/sbin/nginx",
    package: "nginx-light",
    sample: "nginx.conf",
    listens: "listen 443 ssl",
    check: &["-t", "-c"],
    run: &["-c"],
    wrap: |dir, sample| {
        let place = dir.display();
        let text = format!(
            "daemon off;\nmaster_process off;\npid {place}/nginx.pid;\nerror_log {place}/error.log;\n\
             events {{}}\nhttp {{\n  access_log off;\n  client_body_temp_path {place}/bodies;\n  \
             proxy_temp_path {place}/answers;\n  include {};\n}}\n",
            sample.display()
        );
        let main = dir.join("main.conf");
        std::fs::write(&main, text).unwrap();
        main
    },
};

pub const HAPROXY: Proxy = Proxy {
    binary: "/usr/sbin/haproxy",
    package: "haproxy",
    sample: "haproxy.cfg",
    listens: "bind :443 ssl",
    check: &["-c", "-f"],
    run: &["-db", "-f"],
    wrap: |_, sample| sample.to_owned(),
};
