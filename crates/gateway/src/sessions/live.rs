//! A list whose members leave it by being dropped.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

/// What there is now, in order of its coming. Cloning shares it.
#[derive(Debug)]
pub(super) struct Live<T>(Arc<Mutex<Members<T>>>);

#[derive(Debug)]
struct Members<T> {
    next: u64,
    by_number: BTreeMap<u64, Arc<T>>,
}

/// A member's place in its list; dropping it takes the member out.
#[derive(Debug)]
pub struct Entry<T> {
    live: Live<T>,
    number: u64,
    member: Arc<T>,
}

impl<T> Live<T> {
    pub(super) fn enter(&self, member: T) -> Entry<T> {
        let member = Arc::new(member);
        let mut members = self.0.lock();
        let number = members.next;
        members.next += 1;
        members.by_number.insert(number, Arc::clone(&member));
        drop(members);
        Entry { live: self.clone(), number, member }
    }

    pub(super) fn snapshot(&self) -> Vec<Arc<T>> {
        self.0.lock().by_number.values().map(Arc::clone).collect()
    }
}

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Live<T> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Members { next: 0, by_number: BTreeMap::new() })))
    }
}

impl<T> Entry<T> {
    /// The member, for who counts into it without being its place.
    pub(crate) fn share(&self) -> Arc<T> {
        Arc::clone(&self.member)
    }
}

impl<T> std::ops::Deref for Entry<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.member
    }
}

impl<T> Drop for Entry<T> {
    fn drop(&mut self) {
        self.live.0.lock().by_number.remove(&self.number);
    }
}
