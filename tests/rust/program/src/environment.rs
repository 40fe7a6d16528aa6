//! Arguments, variables, the current folder, standard input.

use std::env;
use std::io::{self, Read as _};
use std::path::Path;

pub fn test() -> io::Result<()> {
    println!("arguments: {}", env::args().count());
    println!("HOME: {:?}", env::var("HOME"));
    println!("missing: {:?}", env::var("MISSING"));
    println!(
        "split: {:?}",
        env::split_paths(&env::var("PATH").unwrap_or_default()).collect::<Vec<_>>()
    );
    let before = env::current_dir()?;
    env::set_current_dir("/")?;
    println!("root: {:?}", env::current_dir()?);
    env::set_current_dir(&before)?;
    println!("back: {}", env::current_dir()? == before);
    println!("itself: {}", env::current_exe()?.ends_with("std-test"));
    println!("parent of /a/b: {:?}", Path::new("/a/b").parent());
    let mut input = String::new();
    io::stdin().read_to_string(&mut input)?;
    println!("input: {input:?}");
    Ok(())
}
