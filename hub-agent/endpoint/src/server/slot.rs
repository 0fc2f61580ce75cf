//! A connection's place under the limits, given back when it is dropped.

use crate::handle::Shared;
use std::{
    net::{IpAddr, SocketAddr},
    rc::Rc,
};

pub(crate) struct Slot {
    shared: Rc<Shared>,
    address: IpAddr,
    authenticated: bool,
}

impl Slot {
    /// Takes a place, or says which limit has none left.
    pub(super) fn take(shared: &Rc<Shared>, from: SocketAddr) -> Result<Self, &'static str> {
        let (limits, address) = (&shared.limits, from.ip());
        if shared.connections.get() >= limits.connections {
            return Err("too-many-connections");
        }
        if shared.unauthenticated.get() >= limits.unauthenticated {
            return Err("too-many-unauthenticated");
        }
        let mut addresses = shared.addresses.borrow_mut();
        let count = addresses.entry(address).or_default();
        if *count >= limits.per_address {
            return Err("too-many-from-address");
        }
        *count += 1;
        shared.connections.set(shared.connections.get() + 1);
        shared.unauthenticated.set(shared.unauthenticated.get() + 1);
        Ok(Self { shared: shared.clone(), address, authenticated: false })
    }

    pub(super) fn authenticated(&mut self) {
        if !std::mem::replace(&mut self.authenticated, true) {
            self.shared.unauthenticated.set(self.shared.unauthenticated.get() - 1);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.authenticated();
        self.shared.connections.set(self.shared.connections.get() - 1);
        let mut addresses = self.shared.addresses.borrow_mut();
        if let Some(count) = addresses.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                addresses.remove(&self.address);
            }
        }
        drop(addresses);
        if self.shared.draining.get() {
            self.shared.drained.notify_waiters();
        }
    }
}
