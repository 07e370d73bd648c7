//! Progress of a measurement: a bar on a terminal, elsewhere one line per tenth.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

use crate::terminal::note;

/// Counts up to a total; the bar is cleared on drop.
pub struct Progress {
    label: String,
    total: u32,
    done: u32,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Starts at 0 of `total`; `label` is shown beside the progress, for example `A-1 requests`.
    pub fn new(label: &str, total: u32) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style =
                ProgressStyle::with_template("{msg}: {bar:40} {human_pos} of {human_len}, {eta} left");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(total.into()).with_style(style).with_message(label.to_owned())
        });
        Self { label: label.into(), total, done: 0, bar }
    }

    /// Advances by one.
    pub fn increment(&mut self) {
        self.done += 1;
        match &self.bar {
            Some(bar) => bar.inc(1),
            None if self.done.is_multiple_of(self.total.div_ceil(10)) || self.done == self.total => {
                note(format_args!("{}: {} of {}", self.label, self.done, self.total));
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
