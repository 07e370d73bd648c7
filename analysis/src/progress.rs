//! How far something has come: a bar on a terminal, a line every tenth of it elsewhere.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

use crate::terminal::note;

/// Counts up to a total; the bar goes away when it is dropped.
pub struct Progress {
    what: String,
    total: u32,
    done: u32,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Nothing of `total` is done yet; `what` is said beside it: `A-1 requests`.
    pub fn new(what: &str, total: u32) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style =
                ProgressStyle::with_template("{msg}: {bar:40} {human_pos} of {human_len}, {eta} left");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(total.into()).with_style(style).with_message(what.to_owned())
        });
        Self { what: what.into(), total, done: 0, bar }
    }

    /// One more is done.
    pub fn one_more(&mut self) {
        self.done += 1;
        match &self.bar {
            Some(bar) => bar.inc(1),
            None if self.done.is_multiple_of(self.total.div_ceil(10)) || self.done == self.total => {
                note(format_args!("{}: {} of {}", self.what, self.done, self.total));
            }
            None => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
