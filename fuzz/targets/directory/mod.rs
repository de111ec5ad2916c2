//! A directory of this process's own; whoever runs it says where, and tidies up.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::{env, fs, process};

pub fn own() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        let dir = env::temp_dir().join(format!("labkit-fuzz-{}", process::id()));
        fs::create_dir_all(&dir).expect("a directory can be made");
        dir
    })
}
