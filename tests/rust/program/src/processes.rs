//! Children: their input, output, environment, and how they end.

use std::io::{self, Read as _, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{self, Command, Stdio};

/// What a child of this program does.
pub fn play(role: &str) -> io::Result<()> {
    match role {
        "panic" => panic!("on purpose"),
        "name" => println!(
            "{:?} in {:?}",
            std::env::args().next(),
            std::env::current_dir()?
        ),
        "exit" => process::exit(7),
        "abort" => process::abort(),
        "variables" => println!("{:?}", std::env::vars().collect::<Vec<_>>()),
        "copy" => {
            io::copy(&mut io::stdin(), &mut io::stdout())?;
        }
        "read" => {
            io::stdin().read_to_end(&mut Vec::new())?;
        }
        _ => process::exit(2),
    }
    Ok(())
}

pub fn test() -> io::Result<()> {
    let itself = std::env::current_exe()?;
    let role = |name: &str| {
        let mut command = Command::new(&itself);
        command.arg(name).stderr(Stdio::null());
        command
    };
    let output = Command::new("echo").args(["to", "you"]).output()?;
    println!(
        "echo: {:?} {:?}",
        output.status.code(),
        String::from_utf8_lossy(&output.stdout)
    );
    println!("exit: {:?}", role("exit").status()?.code());
    println!("panic: {:?}", role("panic").status()?.signal());
    println!("abort: {:?}", role("abort").status()?.signal());
    let variables = role("variables").env_clear().env("ONE", "1").output()?;
    println!(
        "variables: {}",
        String::from_utf8_lossy(&variables.stdout).trim_end()
    );
    println!(
        "missing: {:?}",
        Command::new("no-such-program")
            .spawn()
            .map_err(|error| error.kind())
            .err()
    );

    let mut copy = role("copy")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let text = "x".repeat(10_000);
    copy.stdin
        .take()
        .expect("it is piped")
        .write_all(text.as_bytes())?;
    println!("copied: {}", copy.wait_with_output()?.stdout.len());

    let mut waiting = role("read").stdin(Stdio::piped()).spawn()?;
    println!("still there: {}", waiting.try_wait()?.is_none());
    waiting.kill()?;
    println!("killed: {:?}", waiting.wait()?.signal());

    let named = role("name").arg0("other").current_dir("/").output()?;
    println!(
        "renamed: {}",
        String::from_utf8_lossy(&named.stdout).trim_end()
    );
    Ok(())
}
