//! Images from folders and archives: e2fsprogs reads what went in, and the bytes are always the same.

#![cfg(test)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder that goes when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("mkimage-test-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new(program)
        .args(arguments)
        .output()
        .expect(program)
}

fn text(output: &Output) -> String {
    let all = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&all).into_owned()
}

fn mkimage(arguments: &[&str]) -> Output {
    run(env!("CARGO_BIN_EXE_mkimage"), arguments)
}

fn must(output: &Output) -> String {
    assert!(output.status.success(), "{}", text(output));
    text(output)
}

fn name(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What `debugfs` answers to a request.
fn debugfs(image: &Path, request: &str) -> String {
    text(&run("/usr/sbin/debugfs", &["-R", request, name(image)]))
}

/// A folder with one of each kind that needs no privileges.
fn sample(folder: &Path) {
    fs::create_dir_all(folder.join("bin/deep er")).unwrap();
    let program: Vec<u8> = (0..300_000_u32)
        .map(|n| (n % 251).to_le_bytes()[0])
        .collect();
    fs::write(folder.join("bin/program"), &program).unwrap();
    fs::set_permissions(
        folder.join("bin/program"),
        PermissionsExt::from_mode(0o4755),
    )
    .unwrap();
    fs::write(folder.join("bin/deep er/empty"), "").unwrap();
    fs::hard_link(folder.join("bin/program"), folder.join("bin/another")).unwrap();
    symlink("program", folder.join("bin/short")).unwrap();
    symlink("x".repeat(100), folder.join("bin/long")).unwrap();
    let sparse = fs::File::create(folder.join("sparse")).unwrap();
    sparse.set_len(3 << 20).unwrap();
    must(&run("mkfifo", &["-m", "640", name(&folder.join("pipe"))]));
    must(&run(
        "touch",
        &[
            "-d",
            "2001-02-03T04:05:06.123456789Z",
            name(&folder.join("sparse")),
        ],
    ));
    must(&run(
        "touch",
        &[
            "-h",
            "-d",
            "2020-01-01T00:00:00Z",
            name(&folder.join("bin")),
        ],
    ));
    fs::set_permissions(folder, PermissionsExt::from_mode(0o755)).unwrap();
}

#[test]
fn everything_of_a_folder_is_in_the_image_and_e2fsck_is_content() {
    let scratch = Scratch::new();
    let (folder, image) = (scratch.path("root"), scratch.path("image"));
    sample(&folder);
    must(&mkimage(&[
        "build",
        name(&folder),
        "-o",
        name(&image),
        "--owner",
        "7:70000",
    ]));
    let checked = run("/usr/sbin/e2fsck", &["-fn", name(&image)]);
    must(&checked);
    let checked = must(&mkimage(&["fsck", name(&image)]));
    assert!(checked.contains("clean"), "{checked}");
    let stat = |path: &str| debugfs(&image, &format!("stat {path}"));
    let program = stat("/bin/program");
    for part in [
        "Mode:  04755",
        "User:     7",
        "Group: 70000",
        "Size: 300000",
        "Links: 2",
    ] {
        assert!(program.contains(part), "{part}: {program}");
    }
    let sparse = stat("/sparse");
    assert!(sparse.contains("Blockcount: 0"), "{sparse}");
    // That second of 2001; the nanoseconds lie above two bits of the epoch.
    let extra = format!("0x3a7b8372:{:08x}", 123_456_789 << 2);
    assert!(sparse.contains(&extra), "{extra}: {sparse}");
    assert!(stat("/pipe").contains("Type: FIFO"));
    assert!(stat("/bin/short").contains("Fast link dest: \"program\""));
    assert!(stat("/bin/deep*er/empty").contains("File not found"));
    assert!(stat("\"/bin/deep er/empty\"").contains("Size: 0"));
    let copy = scratch.path("copy");
    debugfs(&image, &format!("dump /bin/another {}", name(&copy)));
    assert!(fs::read(&copy).unwrap() == fs::read(folder.join("bin/program")).unwrap());
    let facts = must(&mkimage(&["inspect", name(&image)]));
    assert!(facts.contains("block size:   4096 bytes"), "{facts}");
    assert!(facts.contains("unmounted:    cleanly"), "{facts}");
}

#[test]
fn a_folder_and_its_archive_give_the_same_bytes_each_time() {
    let scratch = Scratch::new();
    let folder = scratch.path("root");
    sample(&folder);
    let archive = scratch.path("root.tar");
    must(&run(
        "tar",
        &[
            "-cf",
            name(&archive),
            "--format=pax",
            "--xattrs",
            "--sort=name",
            "-C",
            name(&folder),
            ".",
        ],
    ));
    let images: Vec<Vec<u8>> = [&folder, &folder, &archive]
        .into_iter()
        .enumerate()
        .map(|(number, source)| {
            let image = scratch.path(&format!("image{number}"));
            let arguments = ["build", name(source), "-o", name(&image), "--owner", "0:0"];
            must(&mkimage(
                &[&arguments[..], &["--block-size", "1024"]].concat(),
            ));
            fs::read(image).unwrap()
        })
        .collect();
    assert!(images[0] == images[1]);
    assert!(images[0] == images[2]);
}

#[test]
fn archives_keep_owners_attributes_and_devices_and_make_missing_folders() {
    let scratch = Scratch::new();
    let (archive, image) = (scratch.path("a.tar"), scratch.path("image"));
    let mut builder = tar::Builder::new(fs::File::create(&archive).unwrap());
    let mut member = |kind: tar::EntryType, path: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(0o640);
        header.set_uid(12);
        header.set_gid(34);
        header.set_mtime(1_600_000_000);
        header.set_size(u64::try_from(bytes.len()).unwrap());
        if kind == tar::EntryType::Char {
            header.set_device_major(4).unwrap();
            header.set_device_minor(300).unwrap();
        }
        builder.append_data(&mut header, path, bytes).unwrap();
    };
    member(tar::EntryType::Regular, "a/b/file", b"first");
    member(tar::EntryType::Regular, "a/b/other", b"only");
    member(tar::EntryType::Regular, "a/b/file", b"the second counts");
    member(tar::EntryType::Char, "dev", b"");
    builder.finish().unwrap();
    let built = mkimage(&["build", name(&archive), "-o", name(&image)]);
    assert!(built.status.success(), "{}", text(&built));
    must(&run("/usr/sbin/e2fsck", &["-fn", name(&image)]));
    let stat = debugfs(&image, "stat /a/b/other");
    assert!(stat.contains("User:    12   Group:    34"), "{stat}");
    assert!(debugfs(&image, "stat /a").contains("Mode:  0755"));
    assert!(debugfs(&image, "cat /a/b/file").contains("the second counts"));
    assert!(debugfs(&image, "stat /dev").contains("Device major/minor number: 04:300"));
}

#[test]
fn attributes_of_archives_are_in_the_image() {
    let scratch = Scratch::new();
    let (archive, image) = (scratch.path("a.tar"), scratch.path("image"));
    let mut builder = tar::Builder::new(fs::File::create(&archive).unwrap());
    let extensions = [
        ("SCHILY.xattr.user.color", &b"red"[..]),
        ("mtime", b"1600000000.5"),
    ];
    builder.append_pax_extensions(extensions).unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_mode(0o600);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1_500_000_000);
    header.set_size(2);
    builder
        .append_data(&mut header, "file", &b"ok"[..])
        .unwrap();
    builder.finish().unwrap();
    must(&mkimage(&["build", name(&archive), "-o", name(&image)]));
    assert!(debugfs(&image, "ea_get /file user.color").contains("red"));
    let stat = debugfs(&image, "stat /file");
    assert!(
        stat.contains(&format!("0x5f5e1000:{:08x}", 500_000_000 << 2)),
        "{stat}"
    );
}

#[test]
fn a_chunked_image_is_verified_and_small_and_knows_what_is_hot() {
    let scratch = Scratch::new();
    let folder = scratch.path("root");
    sample(&folder);
    let hot = ["--hot", "/bin/short", "--hot", "/bin/deep er"];
    let mut identities = Vec::new();
    for output in ["one", "two"] {
        let output = scratch.path(output);
        let arguments = ["build", name(&folder), "-o", name(&output), "--chunked"];
        must(&mkimage(
            &[&arguments[..], &["--chunk-size", "64"], &hot].concat(),
        ));
        assert!(!output.join(".image").exists());
        let facts = must(&mkimage(&["inspect", name(&output), "--verify"]));
        assert!(facts.contains("verified:     all"), "{facts}");
        assert!(facts.contains("chunk:        65536 bytes"), "{facts}");
        assert!(!facts.contains("hot chunks:   0"), "{facts}");
        identities.push(facts);
    }
    assert_eq!(identities[0], identities[1]);
    let plain = scratch.path("plain");
    let arguments = ["build", name(&folder), "-o", name(&plain)];
    must(&mkimage(&[&arguments[..], &hot].concat()));
    let list = fs::read_to_string(scratch.path("plain.hot.json")).unwrap();
    assert!(list.starts_with("{\"format\":1,\"ranges\":[["), "{list}");

    // A chunk that is damaged is named.
    let chunks = scratch.path("one/chunks");
    let first = fs::read_dir(&chunks)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let first = fs::read_dir(first).unwrap().next().unwrap().unwrap().path();
    fs::write(&first, "damaged").unwrap();
    let refused = mkimage(&["inspect", name(&scratch.path("one")), "--verify"]);
    assert!(!refused.status.success());
    assert!(text(&refused).contains(name(&first)), "{}", text(&refused));
}

#[test]
fn what_cannot_be_built_is_said_and_leaves_nothing() {
    let scratch = Scratch::new();
    let folder = scratch.path("root");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("large"), vec![1; 3 << 20]).unwrap();
    let image = scratch.path("image");
    let build = |source: &Path, more: &[&str]| {
        let arguments = ["build", name(source), "-o", name(&image)];
        let output = mkimage(&[&arguments[..], more].concat());
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        assert!(!image.exists() && !scratch.path("image.part").exists());
        text(&output)
    };
    assert!(build(&folder, &["--size", "2"]).contains("/large"));
    assert!(build(&folder, &["--owner", "me"]).contains("UID:GID"));
    assert!(build(&folder, &["--hot", "/nothing"]).contains("/nothing"));
    assert!(build(&folder, &["--block-size", "512"]).contains("format"));
    assert!(build(&scratch.path("none"), &[]).contains("none"));
    let archive = scratch.path("bad.tar");
    fs::write(&archive, vec![7; 2000]).unwrap();
    assert!(build(&archive, &[]).contains("bad.tar"));
    // A disk that lies is told from one that is clean.
    fs::write(&image, vec![0; 1 << 20]).unwrap();
    let checked = mkimage(&["fsck", name(&image)]);
    assert_eq!(checked.status.code(), Some(4), "{}", text(&checked));
}
