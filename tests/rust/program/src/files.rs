//! Files, folders and links, below the current folder.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::time::{Duration, SystemTime};

pub fn test() -> io::Result<()> {
    fs::create_dir_all("tree/a/b")?;
    fs::write("tree/a/one", "first line\nsecond line\n")?;
    let lines = BufReader::new(File::open("tree/a/one")?).lines().count();
    println!("lines: {lines}");
    offsets()?;
    metadata()?;
    names()?;
    println!(
        "missing: {:?}",
        fs::read("missing").map_err(|error| error.kind())
    );
    println!(
        "folder: {:?}",
        fs::read("tree").map_err(|error| error.kind())
    );
    println!(
        "full: {:?}",
        fs::remove_dir("tree").map_err(|error| error.raw_os_error())
    );
    println!(
        "twice: {:?}",
        fs::create_dir("tree").map_err(|error| error.kind())
    );
    fs::remove_dir_all("tree")?;
    println!("gone: {}", !fs::exists("tree")?);
    Ok(())
}

fn offsets() -> io::Result<()> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open("tree/two")?;
    file.write_all(b"0123456789")?;
    file.write_all_at(b"xy", 4)?;
    file.seek(SeekFrom::End(-7))?;
    let mut rest = String::new();
    file.read_to_string(&mut rest)?;
    println!("rest: {rest}");
    file.set_len(1 << 33)?;
    println!("sparse: {}", file.metadata()?.len());
    file.set_len(3)?;
    file.sync_all()?;
    file.rewind()?;
    println!("position: {}", file.stream_position()?);
    let mut appended = OpenOptions::new().append(true).open("tree/two")?;
    appended.write_all(b"!")?;
    println!("appended: {:?}", fs::read_to_string("tree/two")?);
    file.lock()?;
    println!("locked: {:?}", appended.try_lock().is_err());
    file.unlock()
}

fn metadata() -> io::Result<()> {
    let long_ago = SystemTime::UNIX_EPOCH + Duration::new(5_000_000_000, 123_456_789);
    let file = File::options().write(true).open("tree/two")?;
    file.set_modified(long_ago)?;
    fs::set_permissions("tree/two", Permissions::from_mode(0o640))?;
    let metadata = fs::metadata("tree/two")?;
    println!("modified: {:?}", metadata.modified()? == long_ago);
    println!("seconds: {} {}", metadata.mtime(), metadata.mtime_nsec());
    println!(
        "mode: {:o}, links: {}, size: {}",
        metadata.mode(),
        metadata.nlink(),
        metadata.size()
    );
    println!("number: {}", metadata.ino() != 0);
    println!(
        "recent: {}",
        metadata
            .accessed()?
            .elapsed()
            .is_ok_and(|age| age.as_secs() < 60)
    );
    Ok(())
}

fn names() -> io::Result<()> {
    fs::hard_link("tree/two", "tree/again")?;
    println!("links: {}", fs::metadata("tree/again")?.nlink());
    symlink("a/one", "tree/link")?;
    println!("link: {:?}", fs::read_link("tree/link")?);
    println!(
        "is link: {}",
        fs::symlink_metadata("tree/link")?.is_symlink()
    );
    println!("followed: {}", fs::metadata("tree/link")?.len());
    println!(
        "resolved: {}",
        fs::canonicalize("tree/link")?.ends_with("tree/a/one")
    );
    fs::rename("tree/again", "tree/a/moved")?;
    println!("copied: {}", fs::copy("tree/a/one", "tree/copy")?);
    let mut entries = fs::read_dir("tree")?
        .map(|entry| {
            let entry = entry?;
            Ok(format!(
                "{} {}",
                entry.file_name().display(),
                entry.file_type()?.is_dir()
            ))
        })
        .collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    println!("entries: {entries:?}");
    fs::remove_file("tree/link")
}
