//! The random calls of operators.

use super::*;

impl Simulation {
    /// Makes a random call.
    pub(super) fn call(&mut self) {
        match self.world.rng.u8(..10) {
            0..6 if self.world.external && self.world.percent(80) => self.change_upstreams(),
            0..6 => self.resize(),
            _ => self.call_about_one(),
        }
    }

    /// Adds or removes an external server, mostly one that is free or exists.
    pub(super) fn change_upstreams(&mut self) {
        let (call, n) = (self.next_call(), self.world.rng.u32(1..7));
        let upstream: Upstream = format!("old{n}=10.0.0.{n}:80*{}", n * 50).parse().expect("an upstream");
        let name = upstream.name.clone();
        if self.world.percent(50) {
            self.calls.insert(call, Call::AddUpstream(name));
            self.execute(call, Command::AddUpstream(upstream));
        } else {
            self.calls.insert(call, Call::RemoveUpstream(name.clone()));
            self.execute(call, Command::RemoveUpstream(name));
        }
    }

    /// Calls /add or /rm.
    pub(super) fn resize(&mut self) {
        let call = self.next_call();
        let before = self.fleet.target();
        let n = self.world.rng.usize(1..4);
        let known: Vec<Name> = self.fleet.names();
        let mut names: Vec<Name> = Vec::new();
        for _ in 0..self.world.rng.usize(..=n) {
            let known = self.world.rng.choice(&known).cloned().filter(|_| self.last_call.is_multiple_of(2));
            let name = known.unwrap_or_else(|| NAMES[self.world.rng.usize(..NAMES.len())].parse().unwrap());
            names.push(name);
        }
        if self.world.percent(50) {
            self.calls.insert(call, Call::Add(n));
            self.allowed.called(call, n as i64);
            self.execute(call, Command::Add { n, names });
        } else {
            self.calls.insert(call, Call::Remove(names.clone()));
            let seats: Vec<SeatId> = self.world.ring.keys().copied().collect();
            let mut load = || (self.world.rng.usize(..3), self.world.rng.usize(..3));
            let loads = seats.into_iter().map(|seat| (seat, load())).collect();
            let removal = Removal { n, names, ..Removal::default() };
            self.allowed.called(call, 0);
            self.dispatch(Event::Call { call, command: Command::Remove(removal), loads });
            self.allowed.removes(call, before - self.fleet.target());
        }
    }

    /// Makes a call about one replica or seat, mostly one that exists.
    pub(super) fn call_about_one(&mut self) {
        let call = self.next_call();
        let (cordoned, listed) = (self.cordoned(), self.fleet.names());
        let any = || NAMES[0].parse().expect("a name");
        let of = |names: &[Name], rng: &mut fastrand::Rng| rng.choice(names).cloned().unwrap_or_else(any);
        let rng = &mut self.world.rng;
        match rng.u8(..8) {
            0 => {
                self.calls.insert(call, Call::Roll);
                self.execute(call, Command::RollingReplace);
            }
            1 | 2 => {
                let name = of(&[&listed[..], &listed[..], &cordoned[..]].concat(), rng);
                self.calls.insert(call, Call::Replace);
                self.execute(call, Command::Replace(name));
            }
            3 => {
                let seat = SeatId::new(rng.u32(1..9)).expect("a seat");
                let weight = Weight::new(rng.u32(1..1001)).expect("a weight");
                self.calls.insert(call, Call::Weigh);
                self.execute(call, Command::Weigh(vec![(seat, weight)]));
            }
            4 | 5 => {
                let name = of(&[&listed[..], &cordoned[..]].concat(), rng);
                self.calls.insert(call, Call::Cordon(name.clone()));
                self.execute(call, Command::Cordon(name));
            }
            _ => {
                let all = [&cordoned[..], &cordoned[..], &listed[..]].concat();
                let name = of(&all, rng);
                self.uncordon(call, name);
            }
        }
    }

    pub(super) fn uncordon(&mut self, call: CallId, name: Name) {
        self.calls.insert(call, Call::Uncordon);
        self.execute(call, Command::Uncordon(name));
    }

    /// Undrains every cordoned replica, when nothing else is under way.
    pub(super) fn uncordon_all(&mut self) {
        self.pass(LONG / 2);
        for name in self.cordoned() {
            let call = self.next_call();
            self.uncordon(call, name);
        }
    }

    pub(super) fn cordoned(&self) -> Vec<Name> {
        let cordoned = self.fleet.view().others.into_iter().filter(|other| other.cordoned);
        cordoned.map(|other| other.name).collect()
    }

    /// Calls a command that needs no loads.
    fn execute(&mut self, call: CallId, command: Command) {
        self.dispatch(Event::Call { call, command, loads: Loads::new() });
    }

    pub(super) fn next_call(&mut self) -> CallId {
        self.last_call += 1;
        CallId(self.last_call)
    }
}
