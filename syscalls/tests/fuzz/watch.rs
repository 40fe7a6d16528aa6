//! What a round does just now, for the message when it fails, and for the one who ends it when it hangs.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use executor::sync::Lock;

/// A round of a thousand calls takes milliseconds; without optimisation on a busy machine a second.
const MAX_SECONDS: u32 = 120;

#[derive(Default)]
struct State {
    seed: u64,
    /// How many seconds it has lasted.
    seconds: u32,
    is_over: bool,
    nr_calls: u32,
    pid: u32,
    name: &'static str,
    words: [u32; 6],
}

/// The round that runs.
pub struct Watch {
    state: Arc<Lock<State>>,
    /// `SHOAL_FUZZ_TRACE`: each call is shown.
    traces: bool,
}

impl Watch {
    /// Starts the clock, and a thread that ends this process when a round takes too long.
    #[expect(clippy::disallowed_methods, reason = "real time is what is watched")]
    pub fn start() -> Self {
        let state: Arc<Lock<State>> = Arc::default();
        let watched = Arc::clone(&state);
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(Duration::from_secs(1));
                let mut state = watched.lock();
                if state.is_over {
                    return;
                }
                state.seconds += 1;
                if state.seconds > MAX_SECONDS {
                    eprintln!(
                        "a round hangs: SHOAL_FUZZ_SEED={} {}",
                        state.seed,
                        describe(&state)
                    );
                    std::process::abort();
                }
            }
        });
        Self {
            state,
            traces: super::setting("SHOAL_FUZZ_TRACE").is_some(),
        }
    }

    /// A round begins.
    pub fn begin(&self, seed: u64) {
        *self.state.lock() = State {
            seed,
            ..State::default()
        };
    }

    /// A call of process `pid` begins.
    pub fn call(&self, pid: u32, name: &'static str, words: &[u32]) {
        let mut state = self.state.lock();
        state.pid = pid;
        state.nr_calls += 1;
        state.name = name;
        state.words = [0; 6];
        state.words[..words.len()].copy_from_slice(words);
        if self.traces {
            eprintln!("{}", describe(&state));
        }
    }

    /// The last call, for people.
    pub fn last(&self) -> String {
        describe(&self.state.lock())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.state.lock().is_over = true;
    }
}

fn describe(state: &State) -> String {
    let mut text = format!("call {} of {}: {}(", state.nr_calls, state.pid, state.name);
    for word in state.words {
        let _infallible = write!(text, "{word:#x}, ");
    }
    text + ")"
}
