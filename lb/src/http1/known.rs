//! The field names that the rules of the proxy look for, as a set of bits.

/// Defines the enum, the list of all names, and the names in lower case.
macro_rules! known {
    ($($variant:ident = $name:literal),* $(,)?) => {
        /// A name that a rule looks for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Known {
            $(#[doc = concat!("The field name `", $name, "`.")] $variant,)*
        }

        impl Known {
            /// All known names.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name in lower case.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

known! {
    Authorization = "authorization",
    Connection = "connection",
    ContentLength = "content-length",
    Cookie = "cookie",
    Date = "date",
    Expect = "expect",
    Forwarded = "forwarded",
    FrontEndHttps = "front-end-https",
    Host = "host",
    Http2Settings = "http2-settings",
    KeepAlive = "keep-alive",
    ProxyAuthenticate = "proxy-authenticate",
    ProxyAuthorization = "proxy-authorization",
    ProxyConnection = "proxy-connection",
    Te = "te",
    Trailer = "trailer",
    TransferEncoding = "transfer-encoding",
    Upgrade = "upgrade",
    Via = "via",
    XForwardedFor = "x-forwarded-for",
    XForwardedHost = "x-forwarded-host",
    XForwardedPort = "x-forwarded-port",
    XForwardedPrefix = "x-forwarded-prefix",
    XForwardedProto = "x-forwarded-proto",
    XForwardedProtocol = "x-forwarded-protocol",
    XForwardedScheme = "x-forwarded-scheme",
    XForwardedServer = "x-forwarded-server",
    XForwardedSsl = "x-forwarded-ssl",
    XRealIp = "x-real-ip",
    XRequestId = "x-request-id",
}

/// A set of known names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KnownSet(u64);

impl Known {
    /// The name of a field in any case; `None` if it is another name.
    pub fn of(name: &[u8]) -> Option<Self> {
        use Known::*;
        // Few names have the same length.
        let candidates: &[Self] = match name.len() {
            2 => &[Te],
            3 => &[Via],
            4 => &[Host, Date],
            6 => &[Cookie, Expect],
            7 => &[Upgrade, Trailer],
            9 => &[Forwarded, XRealIp],
            10 => &[Connection, KeepAlive],
            12 => &[XRequestId],
            13 => &[Authorization],
            14 => &[ContentLength, Http2Settings],
            15 => &[XForwardedFor, XForwardedSsl, FrontEndHttps],
            16 => &[XForwardedHost, XForwardedPort, ProxyConnection],
            17 => &[XForwardedProto, TransferEncoding],
            18 => &[XForwardedPrefix, XForwardedScheme, XForwardedServer, ProxyAuthenticate],
            19 => &[ProxyAuthorization],
            20 => &[XForwardedProtocol],
            _ => &[],
        };
        candidates.iter().copied().find(|known| known.name().as_bytes().eq_ignore_ascii_case(name))
    }
}

impl KnownSet {
    /// A set of these names.
    pub const fn new(names: &[Known]) -> Self {
        let (mut set, mut n) = (0, 0);
        while n < names.len() {
            set |= 1 << names[n] as u8;
            n += 1;
        }
        Self(set)
    }

    /// Whether the set has this name.
    pub const fn contains(self, name: Known) -> bool {
        self.0 & (1 << name as u8) != 0
    }

    /// Whether the sets have a name in common.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Adds a name.
    pub const fn insert(&mut self, name: Known) {
        self.0 |= 1 << name as u8;
    }

    /// The names that are not in the other set.
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Removes a name.
    pub const fn remove(&mut self, name: Known) {
        self.0 &= !(1 << name as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_any_case() {
        for (n, known) in Known::ALL.iter().copied().enumerate() {
            assert_eq!(known as usize, n, "{known:?}");
            let name = known.name();
            assert_eq!(Known::of(name.as_bytes()), Some(known));
            assert_eq!(Known::of(name.to_uppercase().as_bytes()), Some(known));
            assert_eq!(Known::of(format!("{name}x").as_bytes()), None, "{name}");
            assert_eq!(
                Known::of(format!("x{}", &name[1..]).as_bytes()).filter(|it| *it == known),
                name.starts_with('x').then_some(known)
            );
        }
    }

    #[test]
    fn a_set_has_the_names_that_were_added() {
        let mut set = KnownSet::new(&[Known::Host, Known::Via]);
        set.insert(Known::Te);
        set.remove(Known::Via);
        let names: Vec<_> = Known::ALL.iter().copied().filter(|known| set.contains(*known)).collect();
        assert_eq!(names, [Known::Host, Known::Te]);
        assert!(set.intersects(KnownSet::new(&[Known::Te])) && !set.intersects(KnownSet::new(&[Known::Via])));
    }
}
