//! The difference between the configuration in force and one that was read again, and the change to it. When a change of
//! a setting takes effect is declared beside its flag (`args`).

use crate::admin::Difference;

use super::Config;
use super::args::SETTINGS;

/// A setting, and how it is compared and applied.
pub(super) struct Setting {
    pub name: &'static str,
    pub differs: fn(&Config, &Config) -> bool,
    /// When a new value can be applied.
    pub class: Class,
}

/// When a new value of a setting can be applied.
pub(super) enum Class {
    /// By every reload.
    Live(fn(&mut Config, &Config)),
    /// Only if the layout and the runtime are unchanged: the new value was validated against the new ones.
    Fleet(fn(&mut Config, &Config)),
    /// Only if there is a value before and after: whether a token is required is decided at the start.
    Secret(fn(&mut Config, &Config)),
    /// Only by a restart.
    Restart,
}

/// A setting that is the field of the configuration at this path, `setting!(Live, "retries", retries)`; or one that needs
/// a restart, with the function that gives its value.
macro_rules! setting {
    ($class:ident, $name:literal, $($field:ident).+) => {
        Setting {
            name: $name,
            differs: |a, b| a.$($field).+ != b.$($field).+,
            class: $crate::config::change::Class::$class(|a, b| a.$($field).+.clone_from(&b.$($field).+)),
        }
    };
    ($name:literal, $of:expr) => {
        Setting {
            name: $name,
            differs: |a, b| { let of = $of; of(a) != of(b) },
            class: $crate::config::change::Class::Restart,
        }
    };
}
pub(super) use setting;

impl Config {
    /// Applies the settings of `new` that can change live, and returns what differs.
    pub fn change_to(&mut self, new: &Self) -> Difference {
        let new_external = new.runtime.is_external();
        let both_external = new_external && self.runtime.is_external();
        let same_fleet = self.layout == new.layout && (both_external || self.runtime == new.runtime);
        let both_secret = self.admin_token.is_some() && new.admin_token.is_some();
        let mut difference = Difference::default();
        let mut differ: Vec<_> =
            SETTINGS.iter().copied().flatten().filter(|of| (of.differs)(self, new)).collect();
        differ.sort_by_key(|setting| setting.name);
        for setting in differ {
            match setting.class {
                Class::Live(_) => difference.changed.push(setting.name),
                // The other fleet settings are derived from the list of upstreams.
                Class::Fleet(_) if new_external && setting.name != "upstream" => {}
                Class::Fleet(_) if same_fleet => difference.changed.push(setting.name),
                Class::Secret(_) if both_secret => difference.changed.push(setting.name),
                Class::Fleet(_) | Class::Secret(_) | Class::Restart => difference.restart.push(setting.name),
            }
        }
        for setting in SETTINGS.iter().copied().flatten() {
            match setting.class {
                Class::Live(take) => take(self, new),
                Class::Fleet(take) if same_fleet => take(self, new),
                Class::Secret(take) if both_secret => take(self, new),
                Class::Fleet(_) | Class::Secret(_) | Class::Restart => {}
            }
        }
        difference
    }
}
