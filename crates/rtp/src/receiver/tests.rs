//! A publisher with several tracks against the receiver.
