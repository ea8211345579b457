//! HTTP-FLV.

pub(crate) mod egress;
